"""A vendor's server: objects, rules of its write class, and its own log. It knows nothing of us."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.base import WriteClass
from kernel.clock import SECOND
from kernel.records import Action, WriteItem
from tests.simulation.machine import Machine

CLIENT_TIMEOUT = 2.0  # seconds until our client gives up
MAX_PROCESSING = 3.0  # seconds after which a request that was sent can no longer land
SEARCH_LAG = 1.5  # seconds until a search shows what was written, at most
SETTLE = MAX_PROCESSING + SEARCH_LAG + 0.5
KEY_WINDOW = timedelta(hours=23)
KEY_MEMORY = timedelta(hours=24)


class Refused(Exception):
    """The vendor says no, for good."""


class Exists(Exception):
    """Class C: an object with this key is there already."""

    def __init__(self, id: str) -> None:
        """`id`: of that object."""
        super().__init__(id)
        self.id = id


class Stored(Exception):
    """Class B: this key's stored answer is a 5xx."""


@dataclass(slots=True)
class Entry:
    """One line of the vendor's own log."""

    at: int
    resource: str
    action: str
    id: str
    ext: str
    fields: dict[str, Any]
    created: bool


@dataclass(slots=True)
class Thing:
    """One object at the vendor."""

    id: str
    ext: str
    fields: dict[str, Any]
    updated: int  # seconds: vendors do not tell more
    shown_at: int = 0  # a search shows it from here on


@dataclass
class Vendor:
    """One account of a target."""

    machine: Machine
    write_class: WriteClass
    things: dict[str, dict[str, Thing]] = field(default_factory=dict)
    tombs: dict[str, dict[str, int]] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)
    keys: dict[str, tuple[int, Any]] = field(default_factory=dict)  # key -> (first use, answer)
    made: int = 0
    complaints: list[str] = field(default_factory=list)  # what a client must never do
    _bodies: dict[str, str] = field(default_factory=dict)  # key -> what it was first used for

    def second(self) -> int:
        """Now, as the vendor stamps it."""
        return self.machine.at // SECOND * SECOND

    def all(self, resource: str) -> list[Thing]:
        """Every object of a resource."""
        return list(self.things.get(resource, {}).values())

    def apply(self, resource: str, item: WriteItem) -> Thing | None:
        """Carry out one request; None for a deletion."""
        if self.write_class is WriteClass.IDEMPOTENCY_KEY:
            return self._keyed(resource, item)
        return self._apply(resource, item)

    def fail_stored(self, item: WriteItem) -> None:
        """Class B: execution began and broke off; the answer stays with the key."""
        self.keys.setdefault(item.idempotency_key, (self.machine.at, Stored()))

    def touch(self, resource: str, id: str, fields: dict[str, Any]) -> None:
        """A person at the vendor edits an object."""
        thing = self.things[resource][id]
        thing.fields.update(fields)
        thing.updated = self.second()

    def search(self, resource: str, ext: str) -> list[Thing]:
        """By our key; with the lag of a search where the class is the one that must search."""
        lagging = self.write_class is WriteClass.SEARCH_FIRST
        return [t for t in self.all(resource) if t.ext == ext and (not lagging or t.shown_at <= self.machine.at)]

    def _keyed(self, resource: str, item: WriteItem) -> Thing | None:
        key = item.idempotency_key
        body = repr((resource, item.action, item.vendor_id, sorted(item.fields.items()), sorted(item.refs.items())))
        if self._bodies.setdefault(key, body) != body:
            self.complaints.append("I8: an idempotency key came again with another body")
        if key in self.keys:
            age = (self.machine.at - self.keys[key][0]) / SECOND
            if age > KEY_WINDOW.total_seconds():
                self.complaints.append("I8: an idempotency key came again after its window")
            if age >= KEY_MEMORY.total_seconds():
                del self.keys[key]
        if key not in self.keys:
            answer: Any
            try:
                answer = copy.deepcopy(self._apply(resource, item))
            except Refused as refused:
                answer = refused
            self.keys[key] = (self.machine.at, answer)
        answer = self.keys[key][1]
        if isinstance(answer, Exception):
            raise answer
        return copy.deepcopy(answer)

    def _apply(self, resource: str, item: WriteItem) -> Thing | None:
        held = self.things.setdefault(resource, {})
        thing = self._addressed(resource, held, item)
        if item.action in (Action.DELETE, Action.ARCHIVE):
            if thing is not None:
                del held[thing.id]
                self.tombs.setdefault(resource, {})[thing.id] = self.second()
                self._note(resource, item, thing.id, {}, False)
            return None
        created = thing is None
        if thing is None:
            self.made += 1
            lag = self.machine.random.uniform(0, SEARCH_LAG)
            thing = Thing(f"{resource[:2]}{self.made}", item.ext_key, {}, 0, self.machine.at + int(lag * SECOND))
            held[thing.id] = thing
        body = {**item.fields, **{name: vendor_id for name, (_, vendor_id) in item.refs.items()}}
        thing.fields.update(body)
        thing.fields = {name: value for name, value in thing.fields.items() if value is not None}
        thing.updated = self.second()
        self._note(resource, item, thing.id, body, created)
        return thing

    def _addressed(self, resource: str, held: dict[str, Thing], item: WriteItem) -> Thing | None:
        if item.vendor_id is not None:
            if item.vendor_id not in held and item.action is not Action.DELETE:
                raise Refused
            return held.get(item.vendor_id)
        same = next((t for t in held.values() if t.ext == item.ext_key), None)
        if self.write_class is WriteClass.UPSERT:
            return same
        if self.write_class is WriteClass.CONFLICT and same is not None:
            raise Exists(same.id)
        return None

    def _note(self, resource: str, item: WriteItem, id: str, body: dict[str, Any], created: bool) -> None:
        self.log.append(Entry(self.machine.at, resource, str(item.action), id, item.ext_key, body, created))
