"""The way out: what is rendered, observed and held to be the same, and that a round trip changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings
from kernel.errors import BadDocument, Park
from tests.mappings.ground import draw, fields, ours, written


def target(mapping: mappings.Mapping, entity: str = "contact") -> mappings.TargetPart:
    found = mapping.target_part(entity)
    assert found is not None
    return found


def test_absent_is_left_alone_and_null_clears() -> None:
    part = target(ours("hubspot.contacts"))
    assert part.render({}) == {}
    assert part.render({"first_name": None, "email": "a@x.io", "last_name": ""}) == {
        "firstname": None,
        "email": "a@x.io",
        "lastname": "",
    }


def test_embedded_addresses_go_to_flat_fields() -> None:
    part = target(ours("hubspot.contacts"))
    elsewhere = {"kind": "shipping", "city": "Rome"}
    assert part.render({"addresses": [elsewhere]}) == {}
    assert part.render(
        {"addresses": [elsewhere, {"kind": "main", "city": "Bonn", "country": "DE", "region": None}]}
    ) == {
        "city": "Bonn",
        "country": "Germany",
        "state": None,
    }
    assert part.canonical_fields["city"] == ("addresses",)


def test_references_go_under_the_target_s_own_names() -> None:
    assert target(ours("hubspot.contacts")).references == {"account": "company"}
    assert target(ours("salesforce.Case"), "case").references == {"contact": "contact", "account": "account"}
    assert ours("csv.deals").target_part("contact") is None
    assert ours("shopify.customers").target_part("consent") is None
    assert ours("hubspot.contacts").target_part("order") is None


def test_fields_put_together_and_needed_by_the_target() -> None:
    part = target(ours("salesforce.Contact"))
    assert part.render({"first_name": "Ann"})["LastName"] == "Ann"
    assert part.render({})["LastName"] == "Unknown"
    assert part.canonical_fields["LastName"] == ("last_name",)
    user = target(ours("zendesk.users"))
    assert user.render({"first_name": "Ann", "last_name": None})["name"] == "Ann"
    assert user.canonical_fields["name"] == ("first_name", "last_name")
    organization = target(ours("zendesk.organizations"), "account")
    assert organization.only_create == {"domain_names"}
    assert organization.canonical_fields["domain_names"] == ("domain",)


def test_an_amount_writes_its_currency_beside_it() -> None:
    part = target(ours("hubspot.deals"), "opportunity")
    assert part.render({"amount": {"amount": "5.00", "currency": "EUR"}}) == {
        "amount": "5.00",
        "deal_currency_code": "EUR",
    }
    assert part.canonical_fields["deal_currency_code"] == ("amount",)
    with pytest.raises(Park, match="amount must be in USD") as caught:
        target(ours("salesforce.Opportunity"), "opportunity").render({"amount": {"amount": "5.00", "currency": "EUR"}})
    assert (caught.value.cause, caught.value.field) == ("bad_value", "amount")


def test_a_value_the_target_has_no_word_for_is_not_written() -> None:
    assert target(ours("hubspot.companies"), "account").render({"type": "customer"}) == {}
    stage = target(ours("hubspot.deals"), "opportunity").render({"stage": "needs_analysis"})
    assert stage == {"dealstage": "qualifiedtobuy"}


def test_observe_reads_what_render_writes() -> None:
    raw = {"id": "1", "defaultEmailAddress": {"emailAddress": "a@x.io"}, "firstName": "Ann", "note": None}
    raw["defaultPhoneNumber"] = {"phoneNumber": "+15025550199"}
    assert target(ours("shopify.customers")).observe(raw) == {
        "email": "a@x.io",
        "firstName": "Ann",
        "note": None,
        "phone": "+15025550199",
    }
    seen = target(ours("hubspot.contacts")).observe({"properties": {"email": "a@x.io", "zip": "1"}, "email": "no"})
    assert seen == {"email": "a@x.io", "zip": "1"}


@pytest.mark.parametrize(
    ("resource", "entity", "field", "a", "b", "alike"),
    [
        ("hubspot.contacts", "contact", "phone", "+1 555-123-4567", "+15551234567", True),
        ("hubspot.contacts", "contact", "phone", "+15551234567", "+15551234568", False),
        ("hubspot.contacts", "contact", "phone", "(212) 555-0100", "+12125550100", True),
        ("hubspot.contacts", "contact", "email", "A@X.io", "a@x.io", True),
        ("hubspot.contacts", "contact", "country", "USA", "United States", True),
        ("hubspot.contacts", "contact", "country", "USA", "Canada", False),
        ("hubspot.contacts", "contact", "firstname", None, "", True),
        ("hubspot.contacts", "contact", "firstname", None, "Ann", False),
        ("hubspot.contacts", "contact", "firstname", "Ann", " Ann ", True),
        ("hubspot.contacts", "contact", "firstname", "Ann", "ann", False),
        ("hubspot.contacts", "contact", "website", "acme.io", "https://acme.io", True),
        ("hubspot.contacts", "contact", "lifecyclestage", "odd", "odd", True),
        ("hubspot.deals", "opportunity", "amount", "12.50", 12.5, True),
        ("hubspot.deals", "opportunity", "amount", "12.50", "12.51", False),
        ("hubspot.deals", "opportunity", "deal_currency_code", "USD", "usd", True),
        ("hubspot.deals", "opportunity", "closedate", "2026-12-31T00:00:00Z", "2026-12-31", True),
        ("salesforce.Opportunity", "opportunity", "Amount", 15000, 15000.0, True),
        ("salesforce.Account", "account", "Type", "Customer - Direct", "Customer - Channel", True),
        ("zendesk.users", "contact", "name", "Ann  Lee", "Ann Lee", True),
        ("zendesk.users", "contact", "name", "Ann Lee", "Ann Leigh", False),
        ("shopify.customers", "contact", "tags", ["b", "a"], ["a", "b"], True),
        ("salesforce.Case", "case", "IsEscalated", "false", False, True),
        ("salesforce.Contact", "contact", "Nonsense", {"a": 1}, {"a": 2}, False),
    ],
)
def test_same(resource: str, entity: str, field: str, a: Any, b: Any, alike: bool) -> None:
    part = target(ours(resource), entity)
    assert part.same(field, a, b) is alike
    assert part.same(field, b, a) is alike


def test_instants_are_the_same_in_any_zone() -> None:
    part = target(fields("first_touch_at: {path: at}"))
    assert part.same("at", "2026-01-01T00:00:00Z", "2026-01-01T05:30:00+05:30")
    assert part.render({"first_touch_at": "2026-01-01T00:00:00Z[+05:30]"}) == {"at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("first_name: {path: n, transform: [{name_part: {part: first}}], direction: both}", "cannot be inverted"),
        ("first_name: {path: n}\nlast_name: {path: n}", "'n' is written from first_name and last_name"),
        ("first_name: {first_of: [a, b], direction: both}", "it has no vendor field to write"),
        ("addresses: {each: a, fields: {kind: {path: k}}, direction: both}", "`each` is inbound only"),
    ],
)
def test_what_cannot_be_written_is_refused_at_load(body: str, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        fields(body)
    assert told in str(caught.value)


def test_directions() -> None:
    mapping = fields(
        "first_name: {path: props.a, direction: in}\nlast_name: {path: props.b, direction: out}\n"
        "email: {path: outside}\nnotes: {first_of: [props.c, props.d], write: c, only_create: true}",
        head="write_root: props",
    )
    part = target(mapping)
    assert part.render({"first_name": "x", "last_name": "y", "email": "a@x.io", "notes": "n"}) == {"b": "y", "c": "n"}
    assert part.only_create == {"c"}
    assert part.canonical_fields == {"b": (), "c": ("notes",)}
    assert draw(mapping, {"props": {"a": "x", "b": "y"}}).parts[0].data == {"first_name": "x"}


def test_the_part_that_is_written_can_be_named() -> None:
    text = "resource: a.b\nproduces:\n  one: {entity: contact, fields: {email: {path: x}}}\n" + (
        "  two: {entity: contact, target: true, fields: {email: {path: y}}}\n"
    )
    assert target(written(text)).name == "two"
    assert target(written(text.replace("target: true, ", ""))).name == "one"


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
MAYBE = st.one_of(st.none(), NAMES)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "email": st.one_of(st.none(), st.emails(), NAMES),
        "firstname": MAYBE,
        "lastname": MAYBE,
        "phone": st.one_of(st.none(), st.from_regex(r"\+?[0-9 ()-]{5,16}", fullmatch=True)),
        "website": st.one_of(st.none(), st.from_regex(r"(https?://)?[a-zA-Z]{1,5}\.io/?[a-zA-Z]{0,5}", fullmatch=True)),
        "lifecyclestage": st.one_of(
            st.none(), st.sampled_from(["lead", "Marketing Qualified Lead", "customer", "odd"])
        ),
        "country": st.one_of(st.none(), st.sampled_from(["USA", "Germany", "DE", "Nowhere", ""])),
        "city": MAYBE,
    },
)


@given(PROPERTIES)
def test_draw_render_draw_is_stable(properties: dict[str, Any]) -> None:
    mapping, part = ours("hubspot.contacts"), target(ours("hubspot.contacts"))
    first = draw(mapping, {"id": "1", "properties": properties}).parts[0].data
    rendered = part.render(first)
    raw = {"properties": properties}
    assert all(part.same(field, value, properties.get(field), raw=raw) for field, value in rendered.items())
    again = draw(mapping, {"id": "1", "properties": rendered}).parts[0].data
    assert part.render(again) == rendered
    written = {name for names in part.canonical_fields.values() for name in names}
    # No address at all is not rendered: the target's other kinds of address are none of this source's business.
    assert {name: value for name, value in again.items() if name in written and value != []} == {
        name: value for name, value in first.items() if name in written and value != []
    }


@given(st.fixed_dictionaries({"Name": NAMES.filter(str.strip)}, optional={
    "Phone": MAYBE, "Website": MAYBE, "Industry": st.sampled_from(["Apparel", "Recreation", "Odd", None]),
    "AnnualRevenue": st.one_of(st.none(), st.integers(0, 10**12), st.floats(0, 1e9, allow_nan=False).map(lambda n: round(n, 2))),
    "NumberOfEmployees": st.one_of(st.none(), st.integers(0, 10**6)), "BillingCity": MAYBE, "BillingCountry": MAYBE,
}))  # fmt: skip
def test_a_salesforce_account_is_stable_too(raw: dict[str, Any]) -> None:
    mapping, part = ours("salesforce.Account"), target(ours("salesforce.Account"), "account")
    drawn = draw(mapping, raw)
    if drawn.error is not None:
        return
    rendered = part.render(drawn.parts[0].data)
    again = draw(mapping, rendered)
    assert part.render(again.parts[0].data) == rendered
