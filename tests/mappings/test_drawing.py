"""Drawing: one outcome per record, what is absent, null or bad, parts, references, and records that crash."""

from __future__ import annotations

from typing import Any

import pytest

import mappings
from kernel.causes import CAUSES
from kernel.records import SourceRecord
from mappings import transforms
from mappings.drawn import Ref
from mappings.steps import Step
from tests.mappings.ground import data, draw, fields, ours, written


def test_absent_null_and_empty_stay_apart() -> None:
    mapping = fields("first_name: {path: a}\nlast_name: {path: b.c}\nemail: {path: d}\njob_title: {path: e}")
    assert data(mapping, {"a": "", "b": None, "d": " ", "e": " CTO "}) == {
        "first_name": "",
        "last_name": None,
        "email": None,
        "job_title": "CTO",
    }
    assert data(mapping, {"b": {}}) == {}
    assert data(mapping, {"b": "text", "a": None}) == {"first_name": None}


def test_defaults_constants_and_several_paths() -> None:
    mapping = fields(
        "source: {const: import}\n"
        "language: {path: lang, default: en}\n"
        "first_name: {first_of: [a, b.0.x]}\n"
        "last_name: {from: [c, d], transform: [{join: {separator: '-'}}]}\n"
        "notes: {jmespath: \"items[?k=='n'].v | [0]\"}\n"
    )
    assert data(mapping, {"a": " ", "b": [{"x": "Ann"}], "c": "X", "d": None, "items": [{"k": "n", "v": "hi"}]}) == {
        "source": "import",
        "language": "en",
        "first_name": "Ann",
        "last_name": "X",
        "notes": "hi",
    }
    assert data(mapping, {"lang": None, "a": None}) == {"source": "import", "language": "en", "first_name": None}


def test_a_bad_optional_value_is_left_out_and_told_without_the_value() -> None:
    drawn = draw(fields("email: {path: e}\nfirst_name: {path: f}"), {"e": "secret-not-mail", "f": "Ann"})
    assert drawn.parts[0].data == {"first_name": "Ann"}
    assert [(warn.field, warn.rule) for warn in drawn.warnings] == [("p.email", "must be an e-mail address")]
    assert "secret" not in repr(drawn.warnings)


def test_a_missing_required_value_parks_and_names_field_and_rule() -> None:
    mapping = fields("name: {path: n}\nphone: {path: p}", entity="account")
    drawn = draw(mapping, {"n": " ", "p": "+442079460000"})
    assert drawn.error is not None
    assert (drawn.error.cause, drawn.error.field) == ("missing_required", "p.name")
    assert str(drawn.error) == "p.name is required"
    assert drawn.parts == []


def test_an_unknown_picklist_value_drafts_a_dictionary_change() -> None:
    drawn = draw(fields("lifecycle_stage: {path: s}"), {"s": "Whale"})
    assert drawn.parts[0].data == {}
    change = {"entity": "contact", "field": "lifecycle_stage", "value": "Whale", "resource": "crm.things"}
    assert drawn.warnings[0].change == change
    assert "lead" in drawn.warnings[0].allowed
    parked = draw(fields("subject: {path: t}\nstatus: {path: s}", entity="case"), {"t": "x", "s": "Weird"})
    assert parked.error is not None
    assert parked.error.cause == "unknown_value"
    assert "Weird" not in str(parked.error)
    assert "solved" in str(parked.error)
    assert parked.warnings[0].change is not None
    assert parked.warnings[0].change["value"] == "Weird"
    long = draw(fields("lifecycle_stage: {path: s}"), {"s": "x" * 500})
    assert long.warnings[0].change is None


def test_a_record_that_crashes_a_transform_is_parked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(value: Any) -> Any:
        return value["no such key"]

    crashing = transforms.Transform(
        "text", transforms.NoParams, lambda params, field: Step(crash, yields="text"), False
    )
    monkeypatch.setattr(transforms, "TRANSFORMS", {**transforms.TRANSFORMS, "text": crashing})
    monkeypatch.setattr("mappings.compiling.TRANSFORMS", transforms.TRANSFORMS)
    for body in ("email: {path: e}\nnotes: {path: n}", "email: {path: e}\nnotes: {first_of: [n, m]}"):
        mapping = fields(body)
        records = [SourceRecord(str(n), {"e": "a@x.io", **({"n": "private"} if n == 1 else {})}) for n in range(3)]
        drawn = mapping.draw(records, connection="c")
        assert [one.error.cause if one.error else "" for one in drawn] == ["", "transform_crashed", ""]
        assert drawn[1].error is not None
        assert drawn[1].error.field == "p.notes"
        assert str(drawn[1].error) == "p.notes: a transform failed (TypeError)"


def test_raw_that_is_not_what_it_should_be_never_raises() -> None:
    for resource in ("hubspot.contacts", "stripe.invoices", "shopify.orders", "typeform.responses"):
        for raw in ({}, {"properties": [1]}, {"properties": None, "lines": "x", "answers": 5, "lineItems": {"a": 1}}):
            drawn = draw(ours(resource), raw)
            states = [bool(drawn.parts), drawn.error is not None, drawn.filtered is not None]
            assert states.count(True) == 1


def test_filtered_and_tombstones() -> None:
    mapping = fields(
        "email: {path: e}", head="when: {all: [{path: kind, is: equals, value: person}, {path: e, is: present}]}"
    )
    assert draw(mapping, {"kind": "robot", "e": "a@x.io"}).filtered == "kind is equals person and e is present"
    assert draw(mapping, {"kind": "person", "e": "a@x.io"}).filtered is None
    gone = mapping.draw([SourceRecord("1", {"id": "1"}, deleted=True)], connection="c")[0]
    assert (gone.parts, gone.error, gone.filtered, gone.warnings) == ([], None, None, [])


def test_a_park_rule_holds_records_back_for_a_person() -> None:
    held = draw(fields("email: {path: e}", head="park: {when: {path: odd, is: 'true'}}"), {"odd": True, "e": "a@x.io"})
    assert held.error is not None
    assert held.error.cause == "needs_person"
    assert held.parts == []


def test_no_part_that_fits_is_a_filter_too() -> None:
    mapping = written("resource: a.b\nproduces:\n  p: {entity: contact, when: {path: x, is: present}}\n")
    assert draw(mapping, {}).filtered == "no part of the mapping fits"


EACH = """
resource: crm.orders
produces:
  line:
    entity: product
    each: basket.lines
    key: sku
    when: {path: free, is: not_equals, value: true}
    fields:
      name: {path: title}
      price: {path: cents, transform: [{money: {currency: {path: $.basket.currency}, unit: minor}}]}
"""


def test_each_element_gives_a_part_with_its_own_key() -> None:
    mapping = written(EACH)
    lines: list[Any] = [{"sku": "a", "title": "A", "cents": 150}, {"sku": 7, "title": "B"}, {"sku": "c", "free": True}]
    drawn = draw(mapping, {"basket": {"currency": "eur", "lines": lines}})
    assert [(part.name, part.key, part.data) for part in drawn.parts] == [
        ("line", "a", {"name": "A", "price": {"amount": "1.50", "currency": "EUR"}}),
        ("line", "7", {"name": "B"}),
    ]
    for bad in ([{"title": "A"}], [{"sku": "a", "title": "A"}, {"sku": "a", "title": "B"}]):
        parked = draw(mapping, {"basket": {"lines": bad}})
        assert parked.error is not None
        assert parked.error.cause == "bad_value"
    assert draw(mapping, {"basket": {"lines": None}}).filtered == "no part of the mapping fits"


def test_embedded_lists_are_keyed_and_keep_going_past_a_bad_value() -> None:
    mapping = fields(
        "number: {path: n}\n"
        "line_items: {each: lines, fields: {id: {path: id}, quantity: {path: q}, title: {path: t}}}\n"
        "addresses: {items: {billing: {city: {path: bc}, country: {path: bl, transform: [country]}},"
        " shipping: {city: {path: sc}}}}",
        entity="order",
    )
    drawn = draw(
        mapping, {"n": "1", "lines": [{"id": 1, "q": "many", "t": "x"}, {"id": 2, "q": 2}], "bc": "Bonn", "bl": "?"}
    )
    assert drawn.parts[0].data == {
        "number": "1",
        "line_items": [{"id": "1", "title": "x"}, {"id": "2", "quantity": "2"}],
        "addresses": [{"kind": "billing", "city": "Bonn"}],
    }
    assert [warn.field for warn in drawn.warnings] == ["p.line_items.quantity", "p.addresses.country"]
    assert "line_items" not in data_of_warned(mapping, {"n": "1", "lines": [{"q": 1}]})
    assert "line_items" not in data_of_warned(mapping, {"n": "1", "lines": {"id": 1}})
    assert data(mapping, {"n": "1", "lines": None, "bc": None, "bl": ""}) == {
        "number": "1", "line_items": None, "addresses": [],
    }  # fmt: skip


def data_of_warned(mapping: mappings.Mapping, raw: dict[str, Any]) -> dict[str, Any]:
    drawn = draw(mapping, raw)
    assert drawn.warnings
    return drawn.parts[0].data


def test_references_by_object_and_by_identifier() -> None:
    mapping = fields(
        "email: {path: email}\n"
        "account: {ref: account, by: {domain: email}}\n"
        "owner: {ref: user, by: {object: {path: owner, transform: [{strip_prefix: {prefix: u/}}]}, resource: users}}",
    )
    drawn = draw(mapping, {"email": "Ann@Acme.io", "owner": "u/12"})
    assert drawn.parts[0].refs == {
        "account": Ref("account", "identifier", "domain", "acme.io"),
        "owner": Ref("user", "object", "users", "12"),
    }
    assert drawn.parts[0].refs["owner"].resource == "users"
    assert drawn.parts[0].refs["account"].identifier == "domain"
    assert draw(mapping, {"email": "ann@gmail.com", "owner": None}).parts[0].refs == {}
    assert draw(mapping, {"email": "", "owner": 0}).parts[0].refs == {"owner": Ref("user", "object", "users", "0")}


def test_a_required_reference_parks_when_it_is_missing() -> None:
    mapping = fields(
        "contact: {ref: contact, by: {email: mail}}\npurpose: {const: marketing}\nchannel: {const: email}\n"
        "state: {const: granted}\nbasis: {const: explicit}\nrecorded_at: {path: at}",
        entity="consent",
    )
    parked = draw(mapping, {"at": "2026-01-01T00:00:00Z"})
    assert parked.error is not None
    assert parked.error.field == "p.contact"
    assert draw(mapping, {"at": "2026-01-01T00:00:00Z", "mail": "a@x.io"}).error is None


def test_identify_by_the_mapping_s_own_declaration() -> None:
    head = "id: meta.key\nupdated_at: {path: at, transform: [{datetime: {unit: s}}]}"
    mapping = fields("email: {path: e}", head=head)
    assert mapping.identify({"meta": {"key": " 7 "}, "at": 2}) == ("7", 2_000_000)
    assert mapping.identify({"meta": {"key": 7}, "at": "soon"}) == ("7", None)
    assert mapping.identify({"meta": {"key": ""}, "at": 2}) is None
    assert mapping.identify({}) is None
    assert fields("email: {path: e}").identify({"id": "1"}) is None


def test_what_is_drawn_names_its_mapping() -> None:
    mapping = ours("hubspot.contacts")
    assert mapping.resource == "hubspot.contacts"
    assert len(mapping.revision) == 32
    assert {name: entity.name for name, entity in mapping.parts.items()} == {"person": "contact"}


def test_every_cause_of_drawing_is_in_the_catalogue() -> None:
    codes = {"missing_required", "bad_value", "unknown_value", "transform_crashed", "no_id", "no_mapping"}
    assert codes <= set(CAUSES)
    assert all(CAUSES[code].stage == "map" and CAUSES[code].fix for code in codes)
