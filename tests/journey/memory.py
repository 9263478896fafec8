"""Systems in memory for the journey's own tests: real connectors by contract, without HTTP, that can fail on request."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from connectors.base import Resource, WriteClass, WriteSpec
from kernel.errors import ThroughlineError
from kernel.records import Action, Cursor, Delivered, Page, SourceRecord, WebhookRequest, WriteItem, WriteOutcome

ACTIONS = frozenset({Action.UPSERT, Action.DELETE, Action.ARCHIVE, Action.CLEAR, Action.ASSOCIATE})


def resource(name: str, write_class: WriteClass = WriteClass.UPSERT, **references: str) -> Resource:
    """A resource that is read and written, with `updated` as its version's time."""
    spec = WriteSpec(
        write_class,
        ext_field="ext",
        batch_size=10,
        actions=ACTIONS,
        references=references,
        settle=timedelta(seconds=5),
        max_processing=timedelta(seconds=3),
        key_window=timedelta(hours=23) if write_class is WriteClass.IDEMPOTENCY_KEY else None,
    )
    return Resource(name, updated_at="updated", write=spec)


@dataclass
class MemorySystem:
    """One account of an invented vendor. `log` is the vendor's own record of every accepted write."""

    system: str
    resources: dict[str, Resource]
    now: Callable[[], int]
    page_size: int = 3
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    deleted: dict[str, dict[str, int]] = field(default_factory=dict)
    log: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)  # (resource, action, id, body)
    keys: dict[str, WriteOutcome] = field(default_factory=dict)  # idempotency keys
    before_write: Callable[[str, Sequence[WriteItem]], None] | None = None  # may raise: nothing is applied
    after_write: Callable[[str, Sequence[WriteItem]], None] | None = None  # may raise: everything was applied
    refuse: Callable[[str, WriteItem], ThroughlineError | None] | None = None
    normalise: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    answers: bool = True  # write answers carry the object
    calls: int = 0
    by_ext: dict[tuple[str, str], str] = field(default_factory=dict)
    changed: Callable[[str, dict[str, Any]], None] = lambda resource, held: None  # whoever did it, we too

    def put(self, resource: str, id: str, **values: Any) -> None:
        """A person at the vendor creates or edits an object."""
        found = self.objects.setdefault(resource, {}).setdefault(id, {"id": id})
        found.update(self.normalise(values) if self.normalise else values, updated=self.now())
        self.deleted.get(resource, {}).pop(id, None)
        self.changed(resource, found)

    def remove(self, resource: str, id: str) -> None:
        """A person at the vendor deletes an object."""
        self.objects[resource].pop(id)
        self.deleted.setdefault(resource, {})[id] = self.now()

    def get(self, resource: str, id: str) -> dict[str, Any]:
        """An object as the vendor holds it."""
        return self.objects[resource][id]

    def all(self, resource: str) -> list[dict[str, Any]]:
        """Every object of a resource."""
        return list(self.objects.get(resource, {}).values())

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Ascending by (updated, id), from the cursor on."""
        after = (since["updated"], since["id"]) if since else (-1, "")
        started = self.now()
        rows = [SourceRecord(o["id"], copy.deepcopy(o), o["updated"]) for o in self.all(resource)]
        rows += [SourceRecord(id, {"id": id}, at, deleted=True) for id, at in self.deleted.get(resource, {}).items()]
        rows = sorted((r for r in rows if (r.updated_at, r.id) > after), key=lambda r: (r.updated_at or 0, r.id))
        for start in range(0, len(rows), self.page_size):
            part = rows[start : start + self.page_size]
            yield Page(
                part, {"updated": part[-1].updated_at, "id": part[-1].id}, started, start + self.page_size >= len(rows)
            )

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """All or, where `refuse` says so, some of the batch."""
        self.calls += 1
        assert len({item.ext_key for item in batch}) == len(batch)
        if self.before_write:
            self.before_write(resource, batch)
        outcomes = [self._write(resource, item) for item in batch]
        if self.after_write:
            self.after_write(resource, batch)
        return outcomes

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our key."""
        hits: dict[str, list[SourceRecord]] = {key: [] for key in ext_keys}
        for o in self.all(resource):
            if o.get("ext") in hits:
                hits[o["ext"]].append(SourceRecord(o["id"], copy.deepcopy(o), o["updated"]))
        return hits

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """By the vendor's own id; a missing one is a tombstone."""
        held = self.objects.get(resource, {})
        return [
            SourceRecord(id, copy.deepcopy(held[id]), held[id]["updated"])
            if id in held
            else SourceRecord(id, {"id": id}, deleted=True)
            for id in ids
        ]

    def holds_back(self, resource: str) -> str:
        """Why reads may not show everything."""
        return ""

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Names of objects to read again (hints), or whole records, as the sender chose."""
        told = orjson.loads(request.body)
        if told["hint"]:
            return Delivered(hints=[(told["resource"], told["id"])], dedupe_key=told["key"])
        record = SourceRecord(told["id"], told["raw"], told["raw"]["updated"])
        return Delivered(records=[(told["resource"], record)], dedupe_key=told["key"])

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Where our key is."""
        return ("ext",)

    def close(self) -> None:
        """Nothing to release."""

    def _write(self, resource: str, item: WriteItem) -> WriteOutcome:
        if self.refuse and (error := self.refuse(resource, item)):
            return WriteOutcome(error=error)
        spec = self.resources[resource].write
        assert spec is not None
        if spec.write_class is WriteClass.IDEMPOTENCY_KEY and item.idempotency_key in self.keys:
            return self.keys[item.idempotency_key]
        outcome = self._apply(resource, item, spec.write_class)
        self.keys[item.idempotency_key] = outcome
        return outcome

    def _apply(self, resource: str, item: WriteItem, write_class: WriteClass) -> WriteOutcome:
        held = self.objects.setdefault(resource, {})
        id = item.vendor_id
        if id is None and write_class is WriteClass.UPSERT:
            id = self.by_ext.get((resource, item.ext_key))
            id = id if id in held else None
        created = id is None
        id = id or f"{self.system}-{resource}-{len(self.log) + 1}"
        self.log.append((resource, str(item.action), id, dict(item.fields)))
        if item.action in (Action.DELETE, Action.ARCHIVE):
            held.pop(id, None)
            return WriteOutcome(vendor_id=id, status=204, request_id=f"req-{len(self.log)}")
        body = dict(item.fields.items())
        body |= {name: vendor_id for name, (_, vendor_id) in item.refs.items()}
        body = self.normalise(body) if self.normalise else body
        found = held.setdefault(id, {"id": id})
        found.update(body, ext=item.ext_key, updated=self.now())
        self.by_ext[(resource, item.ext_key)] = id
        self.changed(resource, found)
        record = SourceRecord(id, copy.deepcopy(found), found["updated"]) if self.answers else None
        return WriteOutcome(vendor_id=id, record=record, created=created, status=200, request_id=f"req-{len(self.log)}")
