"""The shipped rules on labelled record sets, read in place: prints pairwise precision, recall and F1; tuned to none.

Exact keys are the floor that scored matching will stand on: their precision is what counts here. Each record is taken
as coming from a system of its own, because the sets list duplicates that no system had told apart.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import phonenumbers
import pytest

import dictionary
from dedup.resolving import Node, resolve
from dedup.rules import Rules, load_rules
from kernel.ids import derived_id

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(os.environ.get("THROUGHLINE_REAL", ROOT / ".." / "shared" / "real")) / "identity"

pytestmark = pytest.mark.skipif(not SETS.is_dir(), reason=f"no labelled record sets at {SETS}")

Row = Mapping[str, str]


@pytest.fixture(scope="module")
def shipped() -> Rules:
    return load_rules(ROOT / "dedup" / "rules", dictionary.load(ROOT / "dictionary"))


def rows(name: str) -> list[dict[str, str]]:
    with (SETS / name).open(encoding="utf-8", newline="") as stream:
        return [{key.strip(): (value or "").strip() for key, value in row.items()} for row in csv.DictReader(stream)]


def phone(text: str) -> str | None:
    """As a mapping's phone transform would read it in the United States."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(text, "US"), phonenumbers.PhoneNumberFormat.E164)
    except phonenumbers.NumberParseException:
        return None


def scores(
    entity: str, records: Iterable[tuple[str, str, dict[str, Any]]], shipped: Rules
) -> tuple[int, float, float, float]:
    """(records, precision, recall, F1) over pairs, for (id, true entity, data)."""
    entity_rules = shipped.for_entity(entity)
    nodes, truth = [], {}
    for arrival, (name, true, data) in enumerate(records):
        clean = {key: value for key, value in data.items() if value}
        keys = tuple((key.kind, derived_id(key.value)) for key in entity_rules.keys(clean))
        nodes.append(Node(name, keys, arrival, None, name, "records"))
        truth[name] = true
    found = resolve(nodes, (), entity_rules).assignments
    assert found.keys() == truth.keys()
    right = _pairs(Counter((found[name], truth[name]) for name in truth))
    said, there = _pairs(Counter(found.values())), _pairs(Counter(truth.values()))
    precision, recall = right / max(said, 1), right / there
    return len(nodes), precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def _pairs(sizes: Counter[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def test_deterministic_identity_on_labelled_sets(shipped: Rules, capsys: pytest.CaptureFixture[str]) -> None:
    table = {
        name: scores(entity, records, shipped)
        for name, entity, records in (
            ("febrl1", "contact", _febrl("febrl1", number=False)),
            ("febrl3", "contact", _febrl("febrl3", number=False)),
            ("febrl3 + number", "contact", _febrl("febrl3", number=True)),
            ("splink_fake_1000", "contact", _fake()),
            ("fodors_zagats", "account", _restaurants()),
            ("chicago", "account", _sites()),
        )
    }
    with capsys.disabled():
        print("\nexact keys as shipped   records  precision  recall     F1")  # noqa: T201
        for name, (count, precision, recall, f1) in table.items():
            print(f"{name:<22} {count:>8} {precision:>10.3f} {recall:>7.3f} {f1:>6.3f}")  # noqa: T201


def _febrl(name: str, *, number: bool) -> Iterable[tuple[str, str, dict[str, Any]]]:
    truth = {row["rec_id"]: row["entity"] for row in rows(f"{name}/truth_clusters.csv")}
    for row in rows(f"{name}/records.csv"):
        street = f"{row['street_number']} {row['address_1']}".strip()
        data: dict[str, Any] = {"first_name": row["given_name"], "last_name": row["surname"]}
        if street and row["postcode"]:
            data["addresses"] = [{"kind": "main", "street": street, "postal_code": row["postcode"]}]
        if number:
            data["customer_number"] = row["soc_sec_id"]
        yield row["rec_id"], truth[row["rec_id"]], data


def _fake() -> Iterable[tuple[str, str, dict[str, Any]]]:
    for row in rows("splink_fake_1000/records.csv"):
        data = {"first_name": row["first_name"], "last_name": row["surname"], "email": row["email"]}
        yield row["unique_id"], row["cluster"], data


def _restaurants() -> Iterable[tuple[str, str, dict[str, Any]]]:
    matches = {row["zagats_id"]: row["fodors_id"] for row in rows("fodors_zagats/truth_matches.csv")}
    for side in ("fodors", "zagats"):
        for row in rows(f"fodors_zagats/{side}.csv"):
            own = f"fodors {row['id']}"
            true = (
                own
                if side == "fodors"
                else f"fodors {matches[row['id']]}"
                if row["id"] in matches
                else f"zagats {row['id']}"
            )
            yield f"{side} {row['id']}", true, {"name": row["name"], "phone": phone(row["phone"])}


def _sites() -> Iterable[tuple[str, str, dict[str, Any]]]:
    for row in rows("chicago_early_childhood/records.csv"):
        yield row["Id"], row["True Id"], {"name": row["Site name"], "phone": phone(row["Phone"])}
