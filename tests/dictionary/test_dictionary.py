"""The dictionary: what it refuses to load, how it judges records, and the published page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import dictionary
from dictionary.loading import from_documents
from dictionary.values import datetime_text, instant_text, minor_digits, moment_of
from kernel.documents import BadDocuments, parse
from kernel.errors import BadDocument

ROOT = Path(__file__).resolve().parents[2]

THING = """
entity: thing
kind: master
owner: ops
description: A thing under test.
since: 1.0.0
fields:
  name: {type: text, description: Its name here., pii: none, since: 1.0.0, required: true, max_length: 5}
  email: {type: email, description: Its address., pii: direct, since: 1.0.0, identifier: {strength: strong}}
  size: {type: picklist, description: How big it is., pii: none, since: 1.0.0, values: {small: Little., big: Much.},
    on_bad: default, default: small, required_at: {big: [email, maker]}}
  grade: {type: picklist, description: How good it is., pii: none, since: 1.0.0, values: {a: Good., b: Bad.}, on_bad: park}
  maker: {type: reference, to: thing, description: Who made it., pii: none, since: 1.0.0}
  price: {type: money, description: What it costs., pii: none, since: 1.0.0}
  count: {type: integer, description: How many there are., pii: none, since: 1.0.0}
  share: {type: decimal, description: Its share of all., pii: none, since: 1.0.0}
  made: {type: date, description: When it was made., pii: none, since: 1.0.0}
  seen: {type: datetime, description: When it was seen., pii: none, since: 1.0.0}
  live: {type: boolean, description: Whether it is live., pii: none, since: 1.0.0}
  phone: {type: phone, description: Its number., pii: direct, since: 1.0.0}
  page: {type: url, description: Its page., pii: none, since: 1.0.0}
  host: {type: domain, description: Its domain., pii: none, since: 1.0.0}
  more: {type: json, description: Anything else., pii: none, since: 1.0.0}
  tags: {type: list, items: text, description: Its labels., pii: none, since: 1.0.0}
  lines:
    type: list
    description: Its lines.
    pii: none
    since: 1.0.0
    key: id
    fields:
      id: {type: text, description: The line's id., pii: none, since: 1.0.0}
      qty: {type: integer, description: How many units., pii: none, since: 1.0.0}
"""


def thing(text: str = THING) -> dictionary.Entity:
    return from_documents([parse(text)]).entity("thing")


@pytest.fixture(scope="module")
def ours() -> dictionary.Dictionary:
    return dictionary.load(ROOT / "dictionary")


def test_our_own_dictionary_is_complete(ours: dictionary.Dictionary) -> None:
    assert dictionary.lint(ours) == []
    assert set(ours.entities) == {
        "contact", "account", "product", "lead", "opportunity", "order", "invoice", "payment", "subscription", "case",
        "activity", "form_submission", "consent", "user",
    }  # fmt: skip
    assert {name for name, entity in ours.entities.items() if entity.kind == "master"} == {
        "contact",
        "account",
        "product",
    }
    assert ours.entity("contact").identifiers["email"].strength == "strong"
    assert ours.entity("opportunity").references["account"] == "account"
    for place in ("line_items", "refunds", "addresses"):
        assert ours.entity("order").fields[place].key


def test_an_unknown_entity_names_the_nearest(ours: dictionary.Dictionary) -> None:
    with pytest.raises(BadDocument, match=r"unknown entity 'contcat' \(did you mean 'contact'\?\)"):
        ours.entity("contcat")


def test_revision_follows_the_content() -> None:
    first = from_documents([parse(THING)]).revision
    assert from_documents([parse("# remark\n" + THING)]).revision == first
    assert from_documents([parse(THING.replace("Little.", "Tiny."))]).revision != first


GOOD: dict[str, Any] = {
    "name": "n",
    "email": "a@b.io",
    "price": {"amount": "1.50", "currency": "EUR"},
    "count": 3,
    "share": "0.25",
    "made": "2024-02-29",
    "seen": "2026-03-01T09:30:00.250Z[+02:00]",
    "live": False,
    "phone": "+442079460000;ext=12",
    "page": "https://b.io/x?y",
    "host": "b.io",
    "more": {"any": [1, None]},
    "tags": ["x"],
    "lines": [{"id": "1", "qty": 2}, {"id": "2"}],
    "grade": "a",
}


def test_a_good_record_stays_as_it_is() -> None:
    clean, problems = thing().validate(GOOD)
    assert (clean, problems) == (GOOD, [])


def test_absent_null_and_empty_stay_apart() -> None:
    clean, problems = thing().validate({"name": "n", "email": None, "tags": []})
    assert clean == {"name": "n", "email": None, "tags": []}
    assert problems == []


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("email", "A@b.io", "must be an e-mail address"),
        ("email", "a b@c.io", "must be an e-mail address"),
        ("price", {"amount": "1.50", "currency": "EURO"}, "must be an amount with an ISO 4217 currency"),
        ("price", {"amount": 1.5, "currency": "EUR"}, "must be an amount with an ISO 4217 currency"),
        ("price", {"amount": "NaN", "currency": "EUR"}, "must be an amount with an ISO 4217 currency"),
        ("count", True, "must be a whole number"),
        ("count", 2.0, "must be a whole number"),
        ("share", 0.25, "must be a decimal number"),
        ("made", "2023-02-29", "must be a day of the calendar"),
        ("made", "20230228", "must be a day of the calendar"),
        ("seen", "2026-03-01T09:30:00", "must be an instant with a known time zone"),
        ("seen", "2026-13-01T09:30:00Z", "must be an instant with a known time zone"),
        ("live", 1, "must be true or false"),
        ("phone", "02079460000", "must be a phone number with its country code"),
        ("page", "javascript:alert(1)", "must be an http or https address"),
        ("host", "localhost", "must be a domain name"),
        ("tags", ["x", 1], "must be text"),
        ("lines", [{"qty": 1}], "is required"),
        ("lines", [{"id": "1"}, {"id": "1"}], "holds two elements with the same id"),
        ("lines", [{"id": "1", "colour": "red"}], "is not in the dictionary"),
        ("more", {"x": object()}, "must be JSON"),
    ],
)
def test_a_bad_optional_value_is_left_out_and_told_without_the_value(field: str, value: Any, rule: str) -> None:
    clean, problems = thing().validate({"name": "n", field: value})
    assert clean == {"name": "n"}
    assert [(problem.rule, problem.fatal) for problem in problems] == [(rule, False)]
    assert problems[0].field.partition(".")[0] == field


def test_on_bad_and_required() -> None:
    entity = thing()
    clean, problems = entity.validate({"name": "n", "size": "huge"})
    assert clean["size"] == "small"
    assert problems[0].cause == "unknown_value"
    assert problems[0].allowed == ("small", "big")
    _, problems = entity.validate({"name": "n", "grade": "z"})
    assert problems[0].fatal
    for record in ({}, {"name": None}, {"name": ""}):
        _, problems = entity.validate(record)
        assert [(problem.field, problem.cause, problem.fatal) for problem in problems] == [
            ("name", "missing_required", True)
        ]
    _, problems = entity.validate({"name": "too long"})
    assert problems[0].rule == "must not be longer than 5 characters"
    assert len(problems) == 1
    _, problems = entity.validate({"name": "n", "colour": "red"})
    assert problems[0].fatal


def test_a_stage_asks_for_fields_and_references() -> None:
    entity = thing()
    clean, problems = entity.validate({"name": "n", "size": "big", "email": "a@b.io"})
    assert clean["size"] == "small"
    assert problems[0].rule == "'big' asks for maker"
    clean, problems = entity.validate({"name": "n", "size": "big", "email": "a@b.io"}, refs={"maker"})
    assert (clean["size"], problems) == ("big", [])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("type: email", "type: emial", ":9: fields.email.type: 'emial' is not one of the allowed words (did you mean 'email'?)"),
        ("kind: master", "kind: main", ":3: kind: 'main' is not one of the allowed words"),
        ("to: thing", "to: thin", ":13: fields.maker.to: unknown entity 'thin' (did you mean 'thing'?)"),
        ("{big: [email, maker]}", "{bigg: [email]}", "unknown value 'bigg' (did you mean 'big'?)"),
        ("{big: [email, maker]}", "{big: [emall]}", "unknown field 'emall' (did you mean 'email'?)"),
        ("default: small", "default: tiny", "must be one of the declared values"),
        ("key: id", "key: idd", "must be one of the fields (did you mean 'id'?)"),
        ("items: text, ", "", "a list has either `items`"),
        ("pii: none, since: 1.0.0, required", "since: 1.0.0, required", "'pii' is missing"),
        ("since: 1.0.0, required: true", "since: 1, required: true", "should be a valid string"),
        (", values: {a: Good., b: Bad.}", "", "a picklist needs `values`"),
        ("type: integer, description: How many there are.", "type: integer, to: thing, description: How many there.  ", "only a reference has `to`"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_refused(old: str, new: str, told: str) -> None:
    text = THING.replace(old, new, 1)
    assert text != THING
    with pytest.raises(BadDocument) as caught:
        from_documents([parse(text, file="thing.yaml")])
    assert told in str(caught.value)


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "thing.yaml").write_text(THING.replace("type: email", "type: emial"))
    (tmp_path / "other.yaml").write_text(THING.replace("type: phone", "type: fone"))
    with pytest.raises(BadDocuments) as caught:
        dictionary.load(tmp_path)
    assert len(caught.value.errors) == 2
    (tmp_path / "other.yaml").unlink()
    (tmp_path / "thing.yaml").write_text(THING)
    assert dictionary.load(tmp_path).entity("thing").required == ("name",)
    (tmp_path / "thing.yaml").rename(tmp_path / "thign.yaml")
    with pytest.raises(BadDocument, match=r"must stand in thing\.yaml"):
        dictionary.load(tmp_path)


def test_lint_finds_oversights() -> None:
    text = THING.replace(", identifier: {strength: strong}", "").replace("pii: direct", "pii: none")
    told = dictionary.lint(from_documents([parse(text.replace("Its page.", "Its page"))]))
    assert len([line for line in told if "pii says none" in line]) == 2
    assert any("never matched" in line for line in told)
    assert any("not a sentence" in line for line in told)


def test_the_published_page_names_every_field(ours: dictionary.Dictionary) -> None:
    page = dictionary.render_markdown(ours)
    assert ours.revision in page
    for name, entity in ours.entities.items():
        assert f"\n## {name}\n" in page
        for field in entity.fields:
            assert f"| `{field}` |" in page
    assert "`sql` asks for email, account." in page


def test_datetimes_keep_instant_and_offset() -> None:
    text = "2026-03-01T09:30:00.250Z[+05:30]"
    assert datetime_text(moment_of(text)) == text
    assert moment_of(text).isoformat() == "2026-03-01T15:00:00.250000+05:30"
    assert instant_text(text) == "2026-03-01T09:30:00.250Z"
    assert minor_digits("JPY") == 0
    assert minor_digits("KWD") == 3
    assert minor_digits("EUR") == 2
    with pytest.raises(ValueError, match="zone"):
        datetime_text(moment_of("2026-03-01T09:30:00"))
