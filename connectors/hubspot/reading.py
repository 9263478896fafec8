"""Reading HubSpot: a list by id from the beginning, then searches by modification time, then the archived.

Cursors (times in epoch milliseconds, HubSpot's own):
    {"from", "after"}                      inside the first, complete list
    {"modified", "archived"}               everything modified (archived) before it is read
    {"modified", "archived", "going": 1}   inside a read of changes: no look-back when it goes on
        + "inside": id                     … inside one millisecond, walked by id
        + "sweep": after                   … among the archived (None: from the first)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.http import Answer, PageGuard
from connectors.hubspot.api import Crm
from connectors.hubspot.schema import ASSOCIATED, SINGULAR, modified_property, source_record
from connectors.hubspot.settings import Settings
from kernel.clock import SECOND, Clock, instant
from kernel.records import Cursor, Json, Page, SourceRecord

SEARCH_LIMIT = 200
MILLISECOND = SECOND // 1000
NO_ASSOCIATION = "OBJECT_NOT_FOUND"  # the category of v4's "no associations found"


class Reader:
    """Reads one resource of one connection."""

    def __init__(
        self, crm: Crm, resource: str, properties: Sequence[str], settings: Settings, clock: Clock, connection: str
    ) -> None:
        self._crm, self._resource, self._settings, self._clock = crm, resource, settings, clock
        self._modified = modified_property(resource)
        self._properties = list(dict.fromkeys([*properties, settings.key_property, self._modified, "hs_object_id"]))
        self._others = ASSOCIATED.get(resource, ())
        self._connection = connection

    def pages(self, since: Cursor | None, window: tuple[int, int] | None) -> Iterator[Page]:
        """Pages after `since`, or of objects last modified inside the window of instants [from, to)."""
        if window is not None:
            yield from self._window(since, window)
        elif since is None or "from" in since:
            yield from self._everything(since or {"from": self._clock.now() // MILLISECOND})
        else:
            yield from self._changes(since)

    def fetch(self, ids: Sequence[str], id_property: str = "") -> tuple[list[SourceRecord], Answer]:
        """The objects that are there, by id or unique property, in the vendor's order."""
        answer = self._crm.read(self._resource, ids, self._properties, id_property)
        results = answer.json()["results"]
        self._associate(results)
        return [source_record(raw) for raw in results], answer

    def _everything(self, since: Cursor) -> Iterator[Page]:
        start, after, guard = int(since["from"]), since.get("after"), PageGuard(self._connection)
        while True:
            answer = self._crm.list(self._resource, self._properties, after, associations=self._others)
            body = answer.json()
            self._inline_associations(body["results"])
            after = _after(body)
            records = [source_record(raw) for raw in body["results"]]
            if after is None:
                yield Page(records, {"modified": start, "archived": start}, answer.sent_at, last=True)
                return
            guard.advance(after)
            yield Page(records, {"from": start, "after": after}, answer.sent_at)

    def _changes(self, since: Cursor) -> Iterator[Page]:
        started = self._clock.now() // MILLISECOND
        modified, archived = int(since["modified"]), int(since["archived"])
        look_back = int(self._settings.lookback * 1000)
        sweep = not 0 <= started - archived < self._settings.archived_every * 1000
        if "sweep" not in since:
            start = modified if since.get("going") else modified - look_back
            for records, position, sent_at, done in self._modified_since(start, since.get("inside"), None):
                modified = max(modified, position["modified"])
                cursor = {"modified": modified, "archived": archived}
                if not done or sweep:
                    cursor = {**cursor, **({"sweep": None} if done else position), "going": 1}
                yield Page(records, cursor, sent_at, last=done and not sweep)
        if sweep:
            state = {"modified": modified, "archived": archived, "going": 1}
            yield from self._archived_since(archived - look_back, since.get("sweep"), state, started)

    def _window(self, since: Cursor | None, window: tuple[int, int]) -> Iterator[Page]:
        start, end = -(-window[0] // MILLISECOND), -(-window[1] // MILLISECOND)
        since = since or {"modified": start}
        for records, position, sent_at, done in self._modified_since(since["modified"], since.get("inside"), end):
            yield Page(records, {**position, "going": 1}, sent_at, last=done)

    def _modified_since(
        self, at: int, inside: str | None, end: int | None
    ) -> Iterator[tuple[list[SourceRecord], Json, int, bool]]:
        """(records, position after them, sent at, done): searches in order of modification, never using `after`.

        Each starts at the last instant seen. So neither the ceiling of 10,000 results is met, nor does an object that
        is modified meanwhile (and moves to the end) make another one slip through between two pages.
        """
        seen = set[str]()
        while True:
            answer = self._search(at, inside, end)
            body = answer.json()
            results, more = body["results"], _after(body) is not None
            last_at = max((self._stamp(raw) for raw in results), default=at)
            if inside is None and more and last_at == at:
                inside = "0"  # a whole page within one millisecond: walk it by id
                continue
            fresh = [raw for raw in results if raw["id"] not in seen]
            self._associate(fresh)
            done = inside is None and not more
            if inside is not None:
                at, inside, seen = (at, str(results[-1]["id"]), seen) if more else (at + 1, None, set())
            else:
                at, seen = last_at, {raw["id"] for raw in results if self._stamp(raw) == last_at}
            position = {"modified": at} | ({"inside": inside} if inside else {})
            yield [source_record(raw) for raw in fresh], position, answer.sent_at, done
            if done:
                return

    def _search(self, at: int, inside: str | None, end: int | None) -> Answer:
        operator = "GTE" if inside is None else "EQ"
        filters = [{"propertyName": self._modified, "operator": operator, "value": str(at)}]
        if inside is not None:
            filters.append({"propertyName": "hs_object_id", "operator": "GT", "value": inside})
        elif end is not None:
            filters.append({"propertyName": self._modified, "operator": "LT", "value": str(end)})
        order = self._modified if inside is None else "hs_object_id"
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": order, "direction": "ASCENDING"}],
            "properties": self._properties,
            "limit": SEARCH_LIMIT,
        }
        return self._crm.search(self._resource, body)

    def _archived_since(self, oldest: int, after: str | None, state: Json, started: int) -> Iterator[Page]:
        """Tombstones: HubSpot lists what was archived in the last 90 days, by id and without a time filter."""
        guard = PageGuard(self._connection)
        while True:
            answer = self._crm.list(self._resource, [self._settings.key_property], after, archived=True)
            body = answer.json()
            after = _after(body)
            gone = [source_record(raw, deleted=True) for raw in body["results"] if _ms(raw.get("archivedAt")) >= oldest]
            if after is None:
                cursor = {"modified": state["modified"], "archived": started}
                yield Page(gone, cursor, answer.sent_at, last=True)
                return
            guard.advance(after)
            if gone:
                yield Page(gone, {**state, "sweep": after}, answer.sent_at)

    def _stamp(self, raw: Mapping[str, Any]) -> int:
        return _ms(raw["properties"].get(self._modified) or raw.get("updatedAt"))

    def _inline_associations(self, results: Sequence[Json]) -> None:
        """Bring what a list tells about associations into the one shape `_associate` makes, or ask where it is cut."""
        for raw in results:
            told = raw.pop("associations", None) or {}
            for other, listed in told.items():
                if (listed.get("paging") or {}).get("next"):
                    self._associate([raw], [other])
                else:
                    self._attach(raw, other, {str(one["id"]) for one in listed.get("results", [])})

    def _associate(self, results: Sequence[Json], others: Sequence[str] | None = None) -> None:
        """Add each object's associations, as a list would have shown them; searches and batch reads leave them out."""
        for other in self._others if others is None else others:
            found: dict[str, set[str]] = {}
            inputs = [{"id": raw["id"]} for raw in results]
            while inputs:
                answer = self._crm.associations(self._resource, other, inputs)
                body = answer.json()
                if any(error.get("category") != NO_ASSOCIATION for error in body.get("errors", [])):
                    raise answer.unreadable("some associations could not be read")
                inputs = []
                for one in body["results"]:
                    ids = found.setdefault(str(one["from"]["id"]), set())
                    ids.update(str(to["toObjectId"]) for to in one["to"])
                    if after := _after(one):
                        inputs.append({"id": one["from"]["id"], "after": after})
            for raw in results:
                self._attach(raw, other, found.get(str(raw["id"]), set()))

    def _attach(self, raw: Json, other: str, ids: set[str]) -> None:
        if ids:
            kind = f"{SINGULAR[self._resource]}_to_{SINGULAR[other]}"
            listed = [{"id": one, "type": kind} for one in sorted(ids, key=lambda one: (len(one), one))]
            raw.setdefault("associations", {})[other] = {"results": listed}


def _after(body: Mapping[str, Any]) -> str | None:
    """Where a list goes on; None at its end, where HubSpot says nothing. `paging` that says something else is no end."""
    paging = body.get("paging")
    if paging is None or set(paging) == {"prev"}:
        return None
    told = paging["next"]["after"]
    if not isinstance(told, str | int):
        raise TypeError("paging")
    return str(told)


def _ms(stamp: str | None) -> int:
    return instant(datetime.fromisoformat(stamp)) // MILLISECOND if stamp else 0
