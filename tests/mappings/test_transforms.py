"""Each transform: what it makes of a value, what it refuses, and that its inverse holds."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictionary import Field
from dictionary.values import instant_text
from kernel.errors import BadDocument
from mappings.paths import ABSENT
from mappings.steps import Step, Unfit
from mappings.transforms import TRANSFORMS, default_step
from tests.mappings.ground import fields, our_dictionary

MADE: dict[str, Any] = {"description": "A field under test.", "pii": "none", "since": "1.0.0"}
STAGES = {"new": None, "in_progress": None, "done": None}


def field(kind: str = "text", **more: Any) -> Field:
    return Field.model_validate({"type": kind, **MADE, **more})


def step(name: str, kind: str = "text", **params: Any) -> Step:
    transform = TRANSFORMS[name]
    more = {"values": STAGES} if kind == "picklist" else {}
    return transform.make(transform.params.model_validate(params), field(kind, **more))


IN_OUT = {"in": {"Open": "new", "Doing": "in_progress", "WIP": "in_progress", "-": None}, "out": {"done": None}}


@pytest.mark.parametrize(
    ("name", "params", "value", "expected"),
    [
        ("text", {}, "  a\x00b ", "ab"),
        ("text", {}, 12, "12"),
        ("text", {}, "", ""),
        ("text", {}, "e\u0301", "é"),
        ("trim", {}, " a ", "a"),
        ("lower", {}, " A ", "a"),
        ("upper", {}, "a", "A"),
        ("collapse", {}, " a \n b ", "a b"),
        ("strip_html", {}, "<p>A &amp; B</p><ul><li>c</li></ul><script", "A & B\nc\n<script"),
        ("email", {}, " Ada@Example.COM ", "ada@example.com"),
        ("email", {}, "Ada <ada@x.io>", "ada@x.io"),
        ("email", {}, "mailto:ada@x.io", "ada@x.io"),
        ("email", {}, "ada@bücher.de", "ada@xn--bcher-kva.de"),
        ("email", {}, " ", None),
        ("domain", {}, "https://www.Acme.io:8080/x?y", "acme.io"),
        ("domain", {}, "ada@acme.io", "acme.io"),
        ("domain", {}, "acme.io", "acme.io"),
        ("domain", {}, "ada@gmail.com", None),
        ("domain_of", {}, "ada@acme.io", "acme.io"),
        ("domain_of", {}, "ada@web.de", ABSENT),
        ("domain_of", {}, "acme.io", ABSENT),
        ("domain_of", {}, "a@b", ABSENT),
        ("url", {}, "WWW.Acme.io/Path", "https://www.acme.io/Path"),
        ("url", {}, "http://acme.io?Q=1", "http://acme.io?Q=1"),
        ("url", {}, "", None),
        ("first", {}, ["a", "b"], "a"),
        ("first", {}, [], ABSENT),
        ("first", {}, "a", "a"),
        ("list", {}, "a", ["a"]),
        ("list", {}, ["a", None, "", "a", "b"], ["a", "b"]),
        ("full_name", {}, ["Ada", None, "King"], "Ada King"),
        ("full_name", {}, [None, ""], ABSENT),
        ("name_part", {"part": "first"}, "Ada Lovelace", "Ada"),
        ("name_part", {"part": "last"}, "Ada Lovelace", "Lovelace"),
        ("name_part", {"part": "first"}, "Dr. Juan Q. Xavier de la Vega III", "Juan Q. Xavier"),
        ("name_part", {"part": "last"}, "Dr. Juan Q. Xavier de la Vega III", "de la Vega III"),
        ("name_part", {"part": "title"}, "Dr. Juan de la Vega", "Dr."),
        ("name_part", {"part": "last"}, "Lovelace, Ada", "Lovelace"),
        ("name_part", {"part": "first"}, "Madonna", "Madonna"),
        ("name_part", {"part": "last"}, "Madonna", ABSENT),
        ("name_part", {"part": "first"}, " ", None),
        ("name_part", {"part": "first"}, ["Ada", "Someone Else"], "Ada"),
        ("name_part", {"part": "last"}, [None, "Someone Else"], "Else"),
        ("join", {"separator": "/"}, ["a", None, 1], "a/1"),
        ("join", {}, [None], ABSENT),
        ("split", {"separator": ";"}, "a; b;;a", ["a", "b"]),
        ("split", {"separator": ", "}, "a,b", ["a", "b"]),
        ("strip_prefix", {"prefix": "gid://x/"}, "gid://x/12", "12"),
        ("absent_if", {"values": ["N/A", "-"]}, " n/a ", ABSENT),
        ("absent_if", {"values": ["N/A"]}, "x", "x"),
        ("phone", {}, "+442079460000", "+442079460000"),
        ("phone", {}, "+44 20 7946-0000", "+442079460000"),
        ("phone", {}, "+44 (0)20 7946 0000", "+442079460000"),
        ("phone", {"region": "US"}, "(336) 222-7000", "+13362227000"),
        ("phone", {"region": "Germany"}, "030 123456 ext. 7", "+4930123456;ext=7"),
        ("phone", {}, " ", None),
        ("country", {}, "usa", "US"),
        ("country", {}, "Deutschland", "DE"),
        ("country", {}, "United Kingdom", "GB"),
        ("country", {}, "fr", "FR"),
        ("country", {}, "", None),
        ("integer", {}, "12", 12),
        ("integer", {}, 12.0, 12),
        ("integer", {"thousands": ","}, "1,200", 1200),
        ("integer", {}, "", None),
        ("decimal", {}, "12.50", "12.5"),
        ("decimal", {}, 0.1, "0.1"),
        ("decimal", {}, 1e-7, "0.0000001"),
        ("decimal", {"point": ",", "thousands": "."}, "1.234,50", "1234.5"),
        ("decimal", {}, "-0.00", "0"),
        ("multiply", {"by": "1000000"}, "1100.04", "1100040000"),
        ("money", {"currency": "USD"}, "12.5", {"amount": "12.50", "currency": "USD"}),
        ("money", {"currency": "USD"}, "0.125", {"amount": "0.125", "currency": "USD"}),
        ("money", {"currency": "JPY", "unit": "minor"}, 1200, {"amount": "1200", "currency": "JPY"}),
        ("money", {"currency": "USD", "unit": "minor"}, 1, {"amount": "0.01", "currency": "USD"}),
        ("money", {"currency": "KWD", "unit": "minor"}, 1234, {"amount": "1.234", "currency": "KWD"}),
        ("money", {"currency": "ISK", "unit": "minor", "decimals": {"ISK": 2}}, 100, {"amount": "1", "currency": "ISK"}),
        ("money", {}, {"amount": "9.9", "currencyCode": "eur"}, {"amount": "9.90", "currency": "EUR"}),
        ("money", {}, {"amount": None, "currencyCode": "EUR"}, None),
        ("money", {"currency": "USD"}, "", None),
        ("boolean", {}, "Yes", True),
        ("boolean", {}, 0, False),
        ("boolean", {}, "", None),
        ("boolean", {"yes": "ACTIVE", "no": ["DRAFT", "ARCHIVED"]}, "archived", False),
        ("date", {}, "2026-12-31", "2026-12-31"),
        ("date", {}, "2026-12-31T23:00:00-05:00", "2027-01-01"),
        ("date", {"zone": "America/New_York"}, "2027-01-01T04:00:00Z", "2026-12-31"),
        ("date", {"format": "%d/%m/%Y"}, "31/12/2026", "2026-12-31"),
        ("date", {"unit": "ms"}, 1798675200000, "2026-12-31"),
        ("date", {}, "", None),
        ("datetime", {}, "2026-03-12T10:04:17.969Z", "2026-03-12T10:04:17.969Z"),
        ("datetime", {}, "2026-03-12T10:04:17.000Z", "2026-03-12T10:04:17Z"),
        ("datetime", {}, "2026-05-01T07:25:37.000+0000", "2026-05-01T07:25:37Z"),
        ("datetime", {}, "2026-05-01T07:25:37+05:30", "2026-05-01T01:55:37Z[+05:30]"),
        ("datetime", {"unit": "s"}, 1767225600, "2026-01-01T00:00:00Z"),
        ("datetime", {"unit": "ms"}, "1767225600250", "2026-01-01T00:00:00.250Z"),
        ("datetime", {"zone": "America/New_York"}, "2026-07-01 08:00:00", "2026-07-01T12:00:00Z[-04:00]"),
        ("datetime", {"format": "%d.%m.%Y %H:%M", "zone": "UTC"}, "01.07.2026 08:00", "2026-07-01T08:00:00Z"),
        ("datetime", {}, "", None),
    ],
)  # fmt: skip
def test_what_it_makes(name: str, params: dict[str, Any], value: Any, expected: Any) -> None:
    assert step(name, **params).apply(value) == expected


@pytest.mark.parametrize(
    ("name", "params", "value"),
    [
        ("text", {}, {"a": 1}),
        ("text", {}, True),
        ("email", {}, "levy@express&t.net"),
        ("email", {}, "a@b@c.io"),
        ("email", {}, 5),
        ("email", {}, "x" * 65 + "@a.io"),
        ("domain", {}, "not a domain"),
        ("url", {}, "not a url"),
        ("url", {}, "ftp://acme.io"),
        ("url", {}, "javascript:alert(1)"),
        ("phone", {}, "(336) 222-7000"),
        ("phone", {"region": "US"}, "12345632"),
        ("phone", {}, "+1-555-TEST"),
        ("phone", {}, "nonsense"),
        ("phone", {}, ["+442079460000"]),
        ("country", {}, "Atlantis"),
        ("integer", {}, "12.5"),
        ("integer", {}, "9" * 400),
        ("decimal", {}, "1,200"),
        ("decimal", {}, float("nan")),
        ("decimal", {}, float("inf")),
        ("decimal", {}, "1e999999999"),
        ("money", {"currency": "USD"}, "12 USD"),
        ("money", {}, "12"),
        ("money", {"currency": "USD"}, {"amount": [1]}),
        ("boolean", {}, "perhaps"),
        ("boolean", {}, 2),
        ("date", {}, "2026-02-30"),
        ("date", {}, "31/12/2026"),
        ("datetime", {}, "2026-07-01T08:00:00"),
        ("datetime", {}, 1767225600),
        ("datetime", {"unit": "s"}, 10**30),
        ("datetime", {}, "yesterday"),
    ],
)
def test_what_it_refuses(name: str, params: dict[str, Any], value: Any) -> None:
    with pytest.raises(Unfit) as caught:
        step(name, **params).apply(value)
    assert str(value) not in str(caught.value)


def test_picklists_by_table_by_name_and_unknown() -> None:
    stage = step("picklist", "picklist", **IN_OUT)
    assert [stage.apply(value) for value in ("open", "WIP", "In Progress", "done", "-", "", "else")] == [
        "new", "in_progress", "in_progress", "done", ABSENT, None, "else",
    ]  # fmt: skip
    assert stage.invert is not None
    assert [stage.invert(value) for value in ("new", "in_progress", "done")] == ["Open", "Doing", ABSENT]
    assert step("picklist", "picklist", **{"in": {"true": "done"}}).apply(True) == "done"


def test_a_phone_and_an_amount_may_ask_the_record() -> None:
    asks = step("phone", region={"path": "land", "default": "US"})
    assert asks.bind is not None
    assert asks.bind({"land": "Germany"}, {})("030 123456") == "+4930123456"
    assert asks.bind({"land": None}, {})("(336) 222-7000") == "+13362227000"
    pays = step("money", currency={"path": "$.currency"}, unit="minor")
    assert pays.bind is not None
    assert pays.bind({}, {"currency": "usd"})(150) == {"amount": "1.50", "currency": "USD"}
    with pytest.raises(Unfit):
        pays.bind({}, {})(150)
    assert pays.invert is not None
    assert pays.invert({"amount": "1.50", "currency": "USD"}) == 150
    assert pays.beside["$.currency"]({"amount": "1", "currency": "USD"}) == "USD"


def test_an_amount_in_another_currency_is_not_written() -> None:
    only = step("money", currency="USD")
    assert only.invert is not None
    with pytest.raises(Unfit, match="must be in USD"):
        only.invert({"amount": "1.00", "currency": "EUR"})


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        ("trimm", "unknown transform 'trimm' (did you mean 'trim'?)"),
        ("{phone: {regoin: US}}", "unknown name 'regoin' (did you mean 'region'?)"),
        ("{phone: {region: Atlantis}}", "'Atlantis' is not a country"),
        ("{money: {currency: US}}", "'US' is not an ISO 4217 currency"),
        ("{datetime: {zone: Mars/Base}}", "'Mars/Base' is not a time zone"),
        ("{datetime: {as: number}}", "`as: number` needs a `unit`"),
        ("{multiply: {by: '0'}}", "`by` must not be zero"),
        ("{multiply: {by: x}}", "`by` is not a number"),
        ("name_part", "name_part needs parameters; allowed: part"),
        ("{trim: {}, lower: {}}", "a transform is a name or {name: parameters}"),
    ],
)
def test_wrong_transforms_are_refused_at_load(transform: str, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        fields(f"notes: {{path: x, transform: [{transform}]}}")
    assert told in str(caught.value)


def test_a_picklist_table_must_lead_into_the_dictionary() -> None:
    with pytest.raises(BadDocument, match=r"'slq' is not in the dictionary \(did you mean 'sql'\?\)"):
        fields("lifecycle_stage: {path: x, transform: [{picklist: {in: {A: slq}}}]}")
    with pytest.raises(BadDocument, match="'leadd' is not in the dictionary"):
        fields("lifecycle_stage: {path: x, transform: [{picklist: {in: {A: lead}, out: {leadd: A}}}]}")


def test_every_type_has_a_default_and_every_transform_says_what_it_does() -> None:
    for entity in our_dictionary().entities.values():
        for one in entity.fields.values():
            assert default_step(one).yields
    assert [name for name, one in TRANSFORMS.items() if len(one.told) < 10] == []


def test_invertible_is_what_it_says() -> None:
    params: dict[str, Any] = {
        "name_part": {"part": "first"}, "strip_prefix": {"prefix": "x"}, "absent_if": {"values": []},
        "multiply": {"by": "2"}, "picklist": {"in": {}},
    }  # fmt: skip
    for name, transform in TRANSFORMS.items():
        assert (step(name, "picklist", **params.get(name, {})).invert is not None) is transform.invertible, name


def holds(step: Step, value: Any) -> None:
    """A value drawn, written and drawn again is the value drawn."""
    try:
        once = step.apply(value)
    except Unfit:
        return
    if once is None or once is ABSENT:
        return
    assert step.invert is not None
    back = step.invert(once)
    if back is not ABSENT:
        assert _instant(step.apply(back)) == _instant(once)  # an instant comes back in UTC


def _instant(value: Any) -> Any:
    return instant_text(value) if isinstance(value, str) and value.endswith("]") else value


NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**9), 10**9, places=4, allow_nan=False).map(str),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 6)),
)


@given(st.text(max_size=40))
def test_texts_come_back(value: str) -> None:
    for name in ("text", "trim", "lower", "upper", "collapse", "email", "domain", "url", "list"):
        holds(step(name), value)
    holds(step("split", separator=";"), value)
    holds(step("strip_prefix", prefix="p/"), value)
    holds(step("picklist", "picklist", **IN_OUT), value)


@given(NUMBERS)
def test_numbers_come_back(value: Any) -> None:
    for params in ({}, {"as": "number"}, {"point": ","}):
        if params != {"as": "number"} or len(str(value)) < 15:
            holds(step("decimal", **params), value)
    holds(step("integer"), value)
    holds(step("multiply", by="1000000"), value)
    for currency in ("USD", "JPY", "KWD"):
        holds(step("money", currency=currency), value)
        holds(step("money", currency=currency, unit="minor"), value)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))
def test_times_come_back(moment: datetime) -> None:
    holds(step("datetime"), moment.isoformat())
    for unit, scale in (("s", 1), ("ms", 1000)):
        holds(step("datetime", unit=unit), int(moment.timestamp() * scale))
        holds(step("date", unit=unit, **{"as": "number"}), int(moment.timestamp() * scale))
    naive = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    holds(step("datetime", zone="UTC"), naive)
    holds(step("date"), moment.isoformat())
    holds(step("date", **{"as": "datetime"}), moment.isoformat())
    holds(step("date", format="%d/%m/%Y"), moment.strftime("%d/%m/%Y"))


@given(st.from_regex(r"\+?[0-9 ()./-]{6,16}( x[0-9]{1,4})?", fullmatch=True))
def test_phones_come_back(value: str) -> None:
    for region in (None, "US", "DE"):
        holds(step("phone", region=region), value)


@pytest.mark.parametrize("form", ["alpha_2", "alpha_3", "name"])
def test_every_country_comes_back(form: str) -> None:
    for country in pycountry.countries:
        holds(step("country", **{"as": form}), country.alpha_2)
    holds(step("country", **{"as": form}), "Kosovo")


@given(st.booleans())
def test_booleans_come_back(value: bool) -> None:
    for params in ({}, {"yes": "Y", "no": "N"}, {"yes": ["ACTIVE"], "no": ["DRAFT", "OFF"]}):
        holds(step("boolean", **params), value)


@given(NUMBERS)
def test_amounts_are_exact(value: Any) -> None:
    drawn = step("money", currency="USD").apply(value)
    assert Decimal(drawn["amount"]) == Decimal(str(value))
