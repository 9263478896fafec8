"""A connector of plain lists: an address for each list, and below it one for each object.

Much of such a connector is the same for every vendor, so it is declared: `lists` say where a resource's objects are
listed, `asking` how they are asked "since when", `holds` where the answer about one object holds it, `record` and `body`
how it is read and written. Any verb may be written out where the vendor is odd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from connectors.base import Connector
from connectors.batches import applied, ids_of, one_by_one
from connectors.changes import Bounds, Listed, changes
from connectors.looks import looked
from connectors.shapes import as_asked, held, record_of
from kernel.clock import SECOND
from kernel.errors import Park, Stop
from kernel.records import Action, Check, Cursor, Json, Page, SourceRecord, WriteItem, WriteOutcome

GONE = (404, 410)
"""Statuses that say of an object, not of the address, that it is not there."""


class Rest(Connector):
    """Reads, checks and writes by what is declared; a subclass adds `find`, `body` and `webhook` where it has them."""

    lists: ClassVar[Mapping[str, Sequence[Listed]]] = {}
    """By resource: the lists that make up its stream. The first one's address is that of its objects."""
    asking: ClassVar[Bounds | None] = None
    """How the lists of an incremental resource are asked "since when"."""
    holds: ClassVar[str] = ""
    """The dotted path of the object in an answer about one; empty: the answer is the object."""
    ids: ClassVar[str] = r"(?!\.+$).+"
    """What the vendor's ids look like (a regular expression); anything else is no object's id and is never asked for."""
    changes_by: ClassVar[str] = "PATCH"
    """The method that changes an object and leaves alone what the body does not name."""
    see: ClassVar[str] = "let the credential's user read {}"
    """What to do about a resource that cannot be read."""

    def listed(self, resource: str) -> Sequence[Listed]:
        """The lists of a resource; a subclass whose settings have a say in them puts them together here."""
        return self.lists[resource]

    def record(self, resource: str, raw: Json) -> SourceRecord:
        """An object of a list, or one that was fetched or written, as a record."""
        return record_of(self.resources[resource], raw)

    def check(self) -> list[Check]:
        """Each resource: whether it can be read."""
        firsts = {name: self.listed(name)[0] for name in self.resources}
        asked = {name: partial(self.http.get, one.path, params=one.paging.asking(1)) for name, one in firsts.items()}
        return [looked(name, call, self.see.format(name)) for name, call in asked.items()]

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """What changed since, list after list; a resource that cannot be asked so comes whole."""
        spec = self.declared(resource)
        record, asking = partial(self.record, resource), self.asking if spec.incremental else None
        lists, lookback = self.listed(resource), spec.lookback
        return changes(self.http, lists, since, record, asking=asking, lookback=lookback, window=window)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """One request each. Webhooks are not always proven: an id is quoted, so that it leads to no other address."""
        spec, path = self.declared(resource), self.listed(resource)[0].path
        named = [quote(id, safe="") for id in ids if re.fullmatch(self.ids, id)]
        answers = [self.http.get(f"{path}/{id}", accept=GONE) for id in named]
        there = [self.record(resource, held(answer, self.holds)) for answer in answers if answer.status not in GONE]
        return as_asked(spec, ids, there)

    def lately(self, resource: str, seconds: int) -> list[SourceRecord]:
        """What the first list of a resource says was changed within so many seconds: for what an index does not show yet."""
        one, start = self.listed(resource)[0], self.http.clock.now() - seconds * SECOND
        asked = {**one.params, **(self.asking(start, None) if self.asking else {})}
        return [
            self.record(resource, raw) for raws, _, _ in one.paging.pages(self.http, one.path, asked) for raw in raws
        ]

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One request each. Where no id is known we look for our key first: what `find` finds is changed, not made again."""
        ids = ids_of(self.find(resource, [item.ext_key for item in items if not item.vendor_id]))
        return one_by_one(items, lambda item: self._sent(resource, item, item.vendor_id or ids.get(item.ext_key)))

    def body(self, resource: str, item: WriteItem, id: str | None) -> Json:
        """An item as the vendor takes it, with our key in it. `id`: of the object it changes; None: one is made."""
        raise Stop(f"{self.system} cannot write {resource}", cause="not_writable")

    def _sent(self, resource: str, item: WriteItem, id: str | None) -> WriteOutcome:
        path, trace = self.listed(resource)[0].path + (f"/{id}" if id else ""), item.trace_id
        if id is None and item.action not in (Action.UPSERT, Action.CLEAR):
            raise Park("nothing carries our key", cause="not_found", trace_id=trace)
        if item.action is Action.DELETE:
            gone = self.http.send("DELETE", path, write=True, trace_id=trace, accept=GONE)
            return WriteOutcome(id, status=gone.status, request_id=gone.request_id)
        body = self.body(resource, item, id)
        answer = self.http.send(self.changes_by if id else "POST", path, json=body, write=True, trace_id=trace)
        return applied(answer, self.record(resource, held(answer, self.holds)), created=id is None)
