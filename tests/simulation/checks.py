"""What must hold: while requests leave, after commits, and at the end, when vendors, sources and ledger are compared."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.base import WriteClass
from kernel.records import WriteItem
from tests.simulation.machine import Machine, Worker
from tests.simulation.source import Source
from tests.simulation.vendor import Thing, Vendor

OPEN = ("INFLIGHT", "UNKNOWN", "RECONCILING", "PLANNED", "WAITING", "CONFLICT")


@dataclass
class Verdict:
    """What one seed came to."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # invariants
    repeated: list[str] = field(default_factory=list)  # doubled, and the write class says that it happens

    @property
    def bad(self) -> list[str]:
        """Everything that should not be."""
        return [*self.lost, *self.doubled, *self.stale, *self.stuck, *self.broken]


@dataclass(slots=True)
class _Sent:
    worker: Worker | None
    resource: str
    items: Sequence[WriteItem]


def _differences(email: str, fields: dict[str, Any], thing: Thing, company: dict[str, Any]) -> list[str]:
    held = {**thing.fields, "company": company.get(thing.fields.get("company", ""))}
    wrong = [(name, value) for name, value in fields.items() if (held.get(name) or None) != (value or None)]
    return [f"{email}: {name} is {held.get(name)!r}, not {value!r}" for name, value in wrong]


class Guard:
    """Looks on from outside: its own connection sees only what is committed."""

    def __init__(self, machine: Machine, vendor: Vendor, sources: dict[str, Source], path: str) -> None:
        """`path`: the store's file."""
        self.machine, self.vendor, self.sources = machine, vendor, sources
        self.db = sqlite3.connect(path, isolation_level=None)
        self.broken: list[str] = []
        self._under_way: dict[int, _Sent] = {}
        self._number = 0
        self._seen_at: dict[str, int] = {}

    def close(self) -> None:
        """Release the connection."""
        self.db.close()

    # ── while requests leave ──────────────────────────────────────────────────────────────────────────────────────────

    def leaves(self, resource: str, batch: Sequence[WriteItem]) -> int:
        """I1, I2, I11 at the moment a request leaves."""
        worker = self.machine.current
        for item in batch:
            self._written_ahead(item)
            for other in self._under_way.values():
                for sent in other.items if other.resource == resource else ():
                    if sent.ext_key == item.ext_key:
                        self._together(sent, item, other, worker)
        self._number += 1
        self._under_way[self._number] = _Sent(worker, resource, batch)
        return self._number

    def over(self, sent: int) -> None:
        """A request can no longer land."""
        self._under_way.pop(sent, None)

    def _written_ahead(self, item: WriteItem) -> None:
        op_key, _, generation = item.idempotency_key.rpartition("-g")
        row = self.db.execute("SELECT state, generation, attempts FROM delivery WHERE op_key = ?", (op_key,)).fetchone()
        if row is None or row[0] != "INFLIGHT" or str(row[1]) != generation:
            self.broken.append(f"I1: a request left while its row was {row and row[0]}")

    def _together(self, sent: WriteItem, item: WriteItem, other: _Sent, worker: Worker | None) -> None:
        if sent.idempotency_key == item.idempotency_key and self.vendor.write_class in (
            WriteClass.UPSERT,
            WriteClass.IDEMPOTENCY_KEY,
            WriteClass.APPEND_ONLY,
        ):
            return  # the same again, as the class allows
        self.broken.append("I11: a newer write left while an older one could still land")

    # ── after commits ─────────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, point: str) -> None:
        """I4 and I6, whenever something landed."""
        if point != "land.committed":
            return
        rows = self.db.execute("SELECT connection, resource, vendor_id, source_at, id FROM object").fetchall()
        seen = {}
        for connection, resource, vendor_id, at, key in rows:
            seen[(connection, resource, vendor_id)] = at
            if (before := self._seen_at.get(key)) is not None and (at or 0) < before:
                self.broken.append(f"I6: a version of {connection}.{resource} went back in time")
            self._seen_at[key] = at or 0
        self._checkpoints(seen)

    def _checkpoints(self, seen: dict[tuple[str, str, str], int | None]) -> None:
        import json

        for connection, resource, text in self.db.execute("SELECT connection, resource, cursor FROM checkpoint"):
            source = self.sources.get(connection)
            if source is None:
                continue
            passed = json.loads(text)["updated"]
            for row in source.rows.get(resource, {}).values():
                if row.updated < passed and (seen.get((connection, resource, row.id)) or 0) < row.updated:
                    self.broken.append(f"I4: the checkpoint of {connection}.{resource} passed a version not landed")

    # ── at the end ────────────────────────────────────────────────────────────────────────────────────────────────────

    def verdict(self, expected: dict[str, dict[str, Any]], companies: dict[str, str], gone: set[str]) -> Verdict:
        """`expected`: e-mail -> fields; `companies`: domain -> name; `gone`: e-mails that must not be there."""
        found = Verdict(broken=[*self.broken, *self.vendor.complaints])
        self._compare_companies(companies, found)
        self._compare_contacts(expected, gone, found)
        self._doubles(found)
        self._monotone(found)
        self._settled(found)
        self._bound(found)
        if self.vendor.write_class is WriteClass.APPEND_ONLY:
            found.repeated, found.doubled = found.doubled, []
        return found

    def _compare_companies(self, companies: dict[str, str], found: Verdict) -> None:
        there: dict[str, list[Thing]] = {}
        for thing in self.vendor.all("companies"):
            there.setdefault(thing.fields.get("domain", "?"), []).append(thing)
        for domain, name in companies.items():
            things = there.get(domain, [])
            if not things:
                found.lost.append(f"company {domain} is not at the target")
            elif all(thing.fields.get("name") != name for thing in things):
                found.stale.append(f"company {domain} is {things[0].fields.get('name')!r}, not {name!r}")

    def _compare_contacts(self, expected: dict[str, dict[str, Any]], gone: set[str], found: Verdict) -> None:
        there: dict[str, list[Thing]] = {}
        company = {thing.id: thing.fields.get("domain") for thing in self.vendor.all("companies")}
        for thing in self.vendor.all("contacts"):
            there.setdefault(thing.fields.get("email", "?"), []).append(thing)
        for email, fields in expected.items():
            things = there.get(email, [])
            if not things:
                found.lost.append(f"{email} is not at the target")
                continue
            found.stale += min((_differences(email, fields, thing, company) for thing in things), key=len)
        for email in gone & set(there):
            found.stale.append(f"{email} is still at the target")

    def _doubles(self, found: Verdict) -> None:
        for resource, key in (("contacts", "email"), ("companies", "domain")):
            for by in (key, ""):
                counts = Counter(t.fields.get(by, "?") if by else t.ext for t in self.vendor.all(resource))
                found.doubled += [f"{name} is {n} times in {resource}" for name, n in counts.items() if n > 1]

    def _monotone(self, found: Verdict) -> None:
        newest: dict[str, int] = {}
        for entry in self.vendor.log:
            told = str(entry.fields.get("lastname") or "")
            if told.startswith("V"):
                version = int(told[1:])
                if self.vendor.write_class is WriteClass.APPEND_ONLY:
                    continue  # at least once, in any order
                if version < newest.get(entry.id, 0):
                    found.stale.append(f"{entry.id}: version {version} was written after {newest[entry.id]}")
                newest[entry.id] = max(version, newest.get(entry.id, 0))

    def _settled(self, found: Verdict) -> None:
        for table, condition, what in (
            ("delivery", f"state IN {OPEN}", "state"),
            ("dead_letter", "state IN ('open','replaying')", "cause"),
            ("receipt", "state = 'received'", "state"),
            ("dirty", "1=1", "reason"),
            ("run", "state = 'running'", "kind"),
        ):
            query = f"SELECT {what}, count(*) FROM {table} WHERE {condition} GROUP BY 1"  # noqa: S608 - our own words
            found.stuck += [f"{n} {table} {name}" for name, n in self.db.execute(query)]
        known = "'landed','filtered','parked','superseded','discarded'"
        (odd,) = self.db.execute(f"SELECT count(*) FROM version WHERE state NOT IN ({known})").fetchone()  # noqa: S608
        if odd:
            found.broken.append(f"I5: {odd} versions are in no state")

    def _bound(self, found: Verdict) -> None:
        twice = "SELECT connection, resource, vendor_id FROM binding WHERE vendor_id IS NOT NULL GROUP BY 1,2,3 HAVING count(*) > 1"
        for row in self.db.execute(twice):
            found.broken.append(f"I7: {row[1]} {row[2]} has several bindings")
        there = {(resource, id) for resource, held in self.vendor.things.items() for id in held}
        ours = {(t.ext, r, i) for r, held in self.vendor.things.items() for i, t in held.items()}
        query = "SELECT b.resource, b.vendor_id, b.ext_key, coalesce(s.present, 0) FROM binding b LEFT JOIN target_state s ON s.binding_id = b.id WHERE b.connection = 'crm'"
        bound = set()
        for resource, vendor_id, ext, present in self.db.execute(query):
            bound.add((ext, resource, vendor_id))
            if present and (resource, vendor_id) not in there:
                found.broken.append(f"ledger: {resource} {vendor_id} is not there any more")
        for _ext, resource, id in ours - bound:
            if self.vendor.write_class is not WriteClass.APPEND_ONLY:
                found.broken.append(f"ledger: {resource} {id} is at the target and has no binding")
