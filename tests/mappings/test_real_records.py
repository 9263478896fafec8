"""Every recorded record of these systems ends in exactly one state, with a documented cause where it is parked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kernel.causes import CAUSES
from kernel.records import SourceRecord
from mappings.drawn import Drawn
from tests.mappings.ground import our_mappings, ours

SYSTEMS = ("stripe", "hubspot", "salesforce", "shopify", "zendesk", "quickbooks")
RESOURCES = {
    "stripe": {one: f"{one}s" for one in ("customer", "product", "invoice", "payment_intent", "subscription")},
    "hubspot": {one: one for one in ("contacts", "companies", "deals", "tickets")},
    "salesforce": {one: one for one in ("Account", "Contact", "Case", "Opportunity")},
    "shopify": {"products": "products"},
    "zendesk": {one: one for one in ("users", "organizations", "tickets")},
    "quickbooks": {one: f"{one.lower()}s" for one in ("Customer", "Item", "Invoice", "Payment")},
}


def state(drawn: Drawn, record: SourceRecord) -> str:
    told = {
        "landed": bool(drawn.parts),
        "filtered": drawn.filtered is not None,
        "parked": drawn.error is not None,
        "tombstone": record.deleted and not (drawn.parts or drawn.filtered or drawn.error),
    }
    states = [name for name, holds in told.items() if holds]
    assert len(states) == 1, states
    return states[0]


def records(path: Path) -> list[SourceRecord]:
    raws = [json.loads(line) for line in path.read_text().splitlines()]
    return [SourceRecord(str(n), raw, deleted=raw.get("deleted") is True) for n, raw in enumerate(raws)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_record_ends_in_exactly_one_state(real: Path, system: str) -> None:
    files = sorted((real / system / "records").glob("*.jsonl"))
    assert files
    for path in files:
        kind = path.stem.partition("__")[0]
        resource = f"{system}.{RESOURCES[system].get(kind, kind)}"
        found = records(path)
        mapping = our_mappings().get(resource)
        if mapping is None:
            continue  # the journey parks these as no_mapping
        drawn = mapping.draw(found, connection=f"{system}_test")
        assert len(drawn) == len(found)
        for one, record in zip(drawn, found, strict=True):
            state(one, record)
            if one.error is not None:
                assert one.error.cause in CAUSES
                assert not any(_told(value, str(one.error)) for value in _personal(record.raw))


def test_most_of_what_is_mapped_lands(real: Path) -> None:
    found = records(real / "hubspot" / "records" / "contacts.jsonl")
    drawn = ours("hubspot.contacts").draw(found, connection="hubspot_test")
    assert all(one.parts for one in drawn)


def _personal(raw: dict[str, Any]) -> list[str]:
    """Texts of a record that no message may hold."""
    flat = {**raw, **(raw.get("properties") or {})}
    names = ("email", "Email", "phone", "Phone", "lastname", "LastName", "name", "Name")
    return [value for name in names if isinstance(value := flat.get(name), str) and len(value) > 4]


def _told(value: str, message: str) -> bool:
    return value.lower() in message.lower()


@pytest.mark.parametrize(
    ("file", "resource"),
    [("accounts", "csv.accounts"), ("products", "csv.products"), ("sales_pipeline", "csv.deals")],
)
def test_a_crm_s_csv_files_land(real: Path, file: str, resource: str) -> None:
    with (real / "datasets" / "maven_crm" / f"{file}.csv").open(newline="") as stream:
        rows: list[dict[str, Any]] = list(csv.DictReader(stream))
    mapping = ours(resource)
    drawn = mapping.draw([SourceRecord("", row) for row in rows], connection="csv_test")
    assert {state(one, SourceRecord("", row)) for one, row in zip(drawn, rows, strict=True)} == {"landed"}
