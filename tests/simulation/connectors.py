"""Our side of the simulated vendors: connectors by contract, with every kind of trouble between us and them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol

import orjson

from connectors.base import Bulk, Resource, WriteClass, WriteSpec
from kernel.clock import SECOND
from kernel.errors import Park, Reauthenticate, Retry, RetryAt, ThroughlineError, Unknown
from kernel.records import (
    Action,
    Cursor,
    Delivered,
    JobStep,
    Page,
    SourceRecord,
    WebhookRequest,
    WriteItem,
    WriteOutcome,
)
from tests.simulation import faults
from tests.simulation.faults import Faults
from tests.simulation.jobs import Road
from tests.simulation.machine import Machine
from tests.simulation.source import SAFETY_LAG, Row, Source
from tests.simulation.vendor import (
    CLIENT_TIMEOUT,
    KEY_WINDOW,
    MAX_PROCESSING,
    SETTLE,
    Exists,
    Refused,
    Stored,
    Thing,
    Vendor,
)

ACTIONS = frozenset({Action.UPSERT, Action.DELETE, Action.ARCHIVE, Action.CLEAR, Action.ASSOCIATE})
BATCHES = {
    WriteClass.UPSERT: 5,
    WriteClass.IDEMPOTENCY_KEY: 1,
    WriteClass.CONFLICT: 2,
    WriteClass.SEARCH_FIRST: 3,
    WriteClass.APPEND_ONLY: 2,
}


def writable(name: str, write_class: WriteClass, bulk: Bulk | None = None, **references: str) -> Resource:
    """A target's resource, its times those of the vendor."""
    spec = WriteSpec(
        write_class,
        ext_field="ext",
        batch_size=BATCHES[write_class],
        actions=ACTIONS,
        references=references,
        settle=timedelta(seconds=SETTLE),
        max_processing=timedelta(seconds=MAX_PROCESSING),
        bulk=bulk,
        key_window=KEY_WINDOW if write_class is WriteClass.IDEMPOTENCY_KEY else None,
    )
    return Resource(name, updated_at="updated", write=spec)


def _wire(machine: Machine, point: str) -> None:
    """A request on its way: others go on, and this process may die before it leaves."""
    machine.point(point)
    slow = machine.random.random() < 0.02
    machine.advance(machine.at + (25 * SECOND if slow else machine.random.randrange(10_000, 300_000)))


class SourceConnector:
    """Reads a source; honours its lag."""

    def __init__(self, system: str, source: Source, resources: Sequence[str], faults: Faults, page_size: int) -> None:
        """`page_size`: rows a page."""
        self.system, self.source, self.faults, self.page_size = system, source, faults, page_size
        lag = timedelta(seconds=SAFETY_LAG)
        self.resources = {name: Resource(name, updated_at="updated", safety_lag=lag) for name in resources}

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """From the cursor on, its instant included: what was stamped then may have changed once more."""
        machine = self.source.machine
        started = machine.at
        floor = int(since["updated"]) if since else 0
        safe = started - SAFETY_LAG * SECOND
        after, reached, size = (-1, ""), floor, self.page_size
        while True:
            _wire(machine, "read.page")
            _fail_read(self.faults)
            rows = self.source.list(resource, floor, after, size)
            if not rows:
                return
            trouble = self.faults.draw(faults.PAGES)
            kept = rows[: max(1, len(rows) - 1)] if trouble == "short_page" else rows
            after = (kept[-1].updated, kept[-1].id)
            reached = max(reached, min(kept[-1].updated, safe))
            shown = list(kept)
            if trouble == "overlapping_page":
                shown = self.source.list(resource, floor, (-1, ""), 2) + shown
            if trouble == "reordered_page":
                machine.random.shuffle(shown)
            page = Page([_record(row) for row in shown], {"updated": reached}, started, len(rows) < size)
            yield page
            if trouble == "duplicate_page":
                yield Page([_record(row) for row in shown], {"updated": reached}, started)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """By id: the truth, without the index."""
        _wire(self.source.machine, "read.page")
        _fail_read(self.faults)
        found = [self.source.newest(resource, id) for id in ids]
        return [_record(row) for row in copy.deepcopy(found) if row is not None]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """One row, or a hint at one."""
        told = orjson.loads(request.body)
        if told["hint"]:
            return Delivered(hints=[(told["resource"], told["id"])], dedupe_key=told["key"])
        record = SourceRecord(told["id"], told["values"], told["updated"], told["deleted"])
        return Delivered(records=[(told["resource"], record)], dedupe_key=told["key"])

    def close(self) -> None:
        """Nothing to release."""


def _record(row: Row) -> SourceRecord:
    return SourceRecord(row.id, dict(row.values), row.updated, row.deleted)


def _fail_read(faulty: Faults) -> None:
    kind = faulty.draw(faults.READ)
    if kind == "read_throttled":
        raise Retry("throttled", after=2)
    if kind == "read_token_expired":
        raise Reauthenticate("the token ran out")
    if kind:
        raise Retry("no readable answer", cause="bad_answer")


class Watch(Protocol):
    """Looks on while requests are under way."""

    def leaves(self, resource: str, batch: Sequence[WriteItem]) -> int:
        """A request leaves now; its number."""

    def over(self, sent: int) -> None:
        """It was carried out, or never will be."""


class TargetConnector:
    """Writes to a vendor, reads it where it is a stream too, and looks for what a lost answer left there."""

    system = "crm"

    def __init__(self, vendor: Vendor, resources: dict[str, Resource], faults: Faults) -> None:
        """`watch`, where there is one, is told of every request before it leaves and once it can no longer land."""
        self.vendor, self.resources, self.faults = vendor, resources, faults
        self.watch: Watch | None = None
        self.road = Road(self)

    def write_job(self, resource: str, batch: Sequence[WriteItem], job: str = "") -> Iterator[JobStep]:
        """By the vendor's bulk road."""
        return self.road.steps(resource, batch, job)

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Ascending by stamp, from the cursor's second on."""
        machine, vendor = self.vendor.machine, self.vendor
        started, floor = machine.at, int(since["updated"]) if since else 0
        _wire(machine, "read.page")
        _fail_read(self.faults)
        found = [(t.updated, t.id, self._record(t)) for t in vendor.all(resource)]
        found += [(at, id, SourceRecord(id, {"id": id}, at, True)) for id, at in vendor.tombs.get(resource, {}).items()]
        rows = sorted((row for row in found if row[0] >= floor), key=lambda row: row[:2])
        safe = started - 2 * SECOND
        for start in range(0, len(rows), 4):
            part = rows[start : start + 4]
            yield Page([row[2] for row in part], {"updated": max(floor, min(part[-1][0], safe))}, started)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """By id."""
        held = self.vendor.things.get(resource, {})
        return [self._record(held[id]) if id in held else SourceRecord(id, {"id": id}, None, True) for id in ids]

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our key."""
        _wire(self.vendor.machine, "find.asked")
        if self.faults.draw(faults.FIND):
            raise Retry("no answer", cause="timeout")
        return {key: [self._record(thing) for thing in self.vendor.search(resource, key)] for key in ext_keys}

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One request a batch; where it is cut short, some of it may have been carried out."""
        machine = self.vendor.machine
        machine.point("send.leaving")
        sent = self.watch.leaves(resource, batch) if self.watch else 0
        kind = self.faults.draw(self._kinds())
        if kind == "late":
            self._late(resource, batch, sent)
        try:
            machine.point("send.waiting")
            machine.advance(machine.at + machine.random.randrange(20_000, 400_000))
            return self._answered(resource, batch, kind)
        finally:
            if kind != "late" and self.watch:
                self.watch.over(sent)

    def close(self) -> None:
        """Nothing to release."""

    def _kinds(self) -> tuple[str, ...]:
        keyed = self.vendor.write_class is WriteClass.IDEMPOTENCY_KEY
        return (*faults.WRITE, faults.STORED) if keyed else faults.WRITE

    def _answered(self, resource: str, batch: Sequence[WriteItem], kind: str) -> list[WriteOutcome]:
        machine = self.vendor.machine
        if kind in ("timeout_before", "timeout_after", "late"):
            machine.advance(machine.at + int(CLIENT_TIMEOUT * SECOND))
        _refuse(kind, machine, batch)
        if kind == faults.STORED:
            self.vendor.fail_stored(batch[0])
        if kind.endswith("_before") or kind == "late":
            raise Unknown("no answer", cause="timeout")
        allowed = self._allowed(batch, kind)
        outcomes = [error or self.one(resource, item) for item, error in zip(batch, allowed, strict=True)]
        for item, error in zip(batch, allowed, strict=True):  # of what we know nothing, some was carried out
            if error and isinstance(error.error, Unknown) and machine.random.random() < 0.5:
                self.one(resource, item)
        machine.point("send.applied")
        if kind == "connector_crash":
            raise ZeroDivisionError
        if kind == "wrong_length":
            return outcomes[:-1]
        if kind in faults.AFTER_APPLY and kind != "partial":
            raise Unknown("the answer was lost", cause="connection_lost")
        return outcomes

    def _allowed(self, batch: Sequence[WriteItem], kind: str) -> list[WriteOutcome | None]:
        """For a batch of which only some items are let through: the others' outcomes."""
        random = self.vendor.machine.random
        found: list[WriteOutcome | None] = [None] * len(batch)
        if kind == "refused_item":
            found[random.randrange(len(batch))] = WriteOutcome(error=Park("not today", cause="refused_by_target"))
        if kind == "partial":
            for n in range(len(batch)):
                if random.random() < 0.5:
                    error: ThroughlineError = random.choice((Retry("locked"), Unknown("the item's answer is missing")))
                    found[n] = WriteOutcome(error=error)
        return found

    def one(self, resource: str, item: WriteItem) -> WriteOutcome:
        """The vendor carries out one item."""
        try:
            thing = self._apply(resource, item)
        except Refused:
            return WriteOutcome(error=Park("no such object", cause="not_found", status=404))
        except Stored:
            return WriteOutcome(error=Unknown("the vendor failed", cause="server_error", status=500))
        if thing is None:
            return WriteOutcome(vendor_id=item.vendor_id or "gone", status=204)
        record = self._record(thing) if self.vendor.machine.random.random() < 0.8 else None
        return WriteOutcome(vendor_id=thing.id, record=record, status=200, request_id=f"r{len(self.vendor.log)}")

    def _apply(self, resource: str, item: WriteItem) -> Thing | None:
        try:
            return self.vendor.apply(resource, item)
        except Exists as conflict:  # as the contract asks: the existing object is taken up, and updated by its id
            found = copy.copy(item)
            found.vendor_id = conflict.id
            return self.vendor.apply(resource, found)

    def _late(self, resource: str, batch: Sequence[WriteItem], sent: int) -> None:
        """The request is on its way inside the vendor; whatever happens to us, it lands."""
        items = copy.deepcopy(list(batch))

        def land() -> None:
            for item in items:
                self.one(resource, item)
            if self.watch:
                self.watch.over(sent)

        self.vendor.machine.after(self.vendor.machine.random.uniform(0.01, MAX_PROCESSING), land)

    @staticmethod
    def _record(thing: Thing) -> SourceRecord:
        return SourceRecord(
            thing.id, {"id": thing.id, "ext": thing.ext, "updated": thing.updated, **thing.fields}, thing.updated
        )


def _refuse(kind: str, machine: Machine, batch: Sequence[WriteItem]) -> None:
    """Answers by which the vendor says that it did nothing."""
    if kind == "throttled":
        raise Retry("throttled", cause="throttled", status=429)
    if kind == "throttled_told":
        raise Retry("throttled", after=machine.random.choice((1, 3)), cause="throttled", status=429)
    if kind == "budget_spent":
        raise RetryAt("the budget is spent", at=machine.at + 40 * SECOND, cause="budget", status=429)
    if kind == "token_expired":
        raise Reauthenticate("the token ran out", status=401)
    if kind == "refused_batch":
        raise Park("the batch is not valid", cause="refused_by_target", status=400)


def hook_request(resource: str, row: Row, hint: bool, key: str) -> WebhookRequest:
    """What a source posts."""
    told: dict[str, Any] = {
        "resource": resource,
        "id": row.id,
        "values": row.values,
        "updated": row.updated,
        "deleted": row.deleted,
        "hint": hint,
        "key": key,
    }
    return WebhookRequest("POST", "https://hooks.example/shop", {}, orjson.dumps(told))
