"""One outcome per item of a batch, whatever becomes of the batch: halving what is refused, keeping what is settled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from connectors.http import Answer, Http
from kernel.errors import Park, Retry, Stop, ThroughlineError, Unknown
from kernel.records import SourceRecord, WriteItem, WriteOutcome

Indexed = list[tuple[int, WriteItem]]
"""Items with their place in the batch."""


def untold(item: WriteItem) -> Unknown:
    """The error of an item the answers were silent about."""
    return Unknown("the answer does not say what became of this item", cause="bad_answer", trace_id=item.trace_id)


def refusing(
    read_only: Collection[str], batch: Sequence[WriteItem], send: Callable[[Sequence[WriteItem]], list[WriteOutcome]]
) -> list[WriteOutcome]:
    """What became of a batch, its items that name a read-only field refused before anything of them is sent."""
    never = frozenset(read_only)
    refused = {
        n: _read_only(name, item) for n, item in enumerate(batch) if (name := _never_sent(never, tuple(item.fields)))
    }
    rest = [item for n, item in enumerate(batch) if n not in refused]
    sent = iter(send(rest) if rest else [])
    return [refused.get(n) or next(sent, None) or WriteOutcome(error=untold(item)) for n, item in enumerate(batch)]


@lru_cache(maxsize=1024)
def _never_sent(read_only: frozenset[str], names: tuple[str, ...]) -> str:
    """The first name that is read-only, or within what is; a batch's items mostly have the same names."""
    return next((name for name in names if name in read_only or name.partition(".")[0] in read_only), "")


def _read_only(name: str, item: WriteItem) -> WriteOutcome:
    told = f"{name} is read-only at the vendor and is never sent"
    return WriteOutcome(error=Park(told, cause="read_only", field=name, trace_id=item.trace_id))


def one_by_one(batch: Sequence[WriteItem], send: Callable[[WriteItem], WriteOutcome]) -> list[WriteOutcome]:
    """What became of a batch whose items go in requests of their own: each failure is its item's alone.

    A Retry or Stop is raised while nothing was sent; later it ends the batch, because the rest would meet the same, and
    the items that were not sent may be sent again.
    """
    outcomes: list[WriteOutcome] = []
    for item in batch:
        try:
            outcomes.append(send(item))
        except ThroughlineError as error:
            ends = isinstance(error, Retry | Stop)
            if ends and not outcomes:
                raise
            outcomes.append(failed(error))
            if ends:
                rest = Retry(f"not sent: {error.message}", cause=error.cause) if isinstance(error, Stop) else error
                return outcomes + [failed(rest) for _ in batch[len(outcomes) :]]
    return outcomes


def applied(answer: Answer, record: SourceRecord, *, created: bool | None) -> WriteOutcome:
    """The outcome of an item that was applied, `record` being what the answer showed of it."""
    return WriteOutcome(record.id, record, created, None, answer.status, answer.request_id)


def ids_of(found: Mapping[str, Sequence[SourceRecord]]) -> dict[str, str]:
    """Our keys and the vendor's ids, of what `find` found."""
    return {key: records[0].id for key, records in found.items() if records}


def failed(error: ThroughlineError) -> WriteOutcome:
    """The outcome of an item that met an error."""
    return WriteOutcome(error=error, status=error.status, request_id=error.request_id)


def inside(http: Http, answer: Answer, status: int, told: Any, item: WriteItem) -> WriteOutcome:
    """The outcome of an item whose error, with the status it would have had alone, stands inside a good answer.

    What would stop a whole connection (a missing permission) is here about the one item, and parks it.
    """
    body = orjson.dumps(told)
    alone = replace(answer, status=status, content=body, write=True, trace_id=item.trace_id, _body=told)
    error = http.verdict(alone) or untold(item)
    if isinstance(error, Stop):
        message, trace_id = error.message, item.trace_id
        error = Park(message, cause="refused", status=status, request_id=answer.request_id, trace_id=trace_id)
    return failed(error)


class Outcomes:
    """The outcomes of one batch as they become known."""

    def __init__(self, batch: Iterable[WriteItem]) -> None:
        self.items: Indexed = list(enumerate(batch))
        self._known: dict[int, WriteOutcome] = {}

    def each(self, items: Indexed, send: Callable[[Indexed], None]) -> None:
        """Send; a refused part is halved until the refused item stands alone.

        Other errors are raised while nothing of the batch is settled; after that they are the outcome of the items.
        """
        if not items:
            return
        try:
            send(items)
        except Park as error:
            if len(items) == 1:
                self.fail(items, error)
                return
            middle = len(items) // 2
            self.each(items[:middle], send)
            self.each(items[middle:], send)
        except ThroughlineError as error:
            if not self._known:
                raise
            self.fail([(place, item) for place, item in items if place not in self._known], error)

    def settle(self, index: int, outcome: WriteOutcome) -> None:
        """Set the outcome of the item at a place."""
        self._known[index] = outcome

    def fail(self, items: Indexed, error: ThroughlineError) -> None:
        """Set an error as the outcome of these items."""
        for index, _ in items:
            self.settle(index, WriteOutcome(error=error, status=error.status, request_id=error.request_id))

    def again(self, items: Indexed, send: Callable[[Indexed], None]) -> None:
        """Send some items once more, if there are any; an error is their outcome."""
        try:
            if items:
                send(items)
        except ThroughlineError as error:
            self.fail(items, error)

    def named(self, items: Indexed, ids: Callable[[Sequence[str]], Mapping[str, str]]) -> Indexed:
        """The items with the vendor's id, which `ids` finds by our keys where it is not known; what is not there is parked."""
        unknown = [item.ext_key for _, item in items if not item.vendor_id]
        found, there = ids(unknown) if unknown else {}, Indexed()
        for place, item in items:
            if id := item.vendor_id or found.get(item.ext_key):
                there.append((place, replace(item, vendor_id=id)))
            else:
                missing = Park("nothing carries our key", cause="not_found", trace_id=item.trace_id)
                self.fail([(place, item)], missing)
        return there

    def taken(self, look: Callable[[WriteItem], SourceRecord | None]) -> Indexed:
        """The creates that met a conflict, as changes of what `look` finds for them; None: it is not ours to change.

        What two of them find goes to the first; the other stays refused.
        """
        ours, claimed = Indexed(), set[str]()
        for place, item in self.met("conflict"):
            try:
                hit = look(item) if item.vendor_id is None else None
            except ThroughlineError as error:
                self.fail([(place, item)], error)
                continue
            if hit is not None and hit.id not in claimed:
                claimed.add(hit.id)
                ours.append((place, replace(item, vendor_id=hit.id)))
        return ours

    def met(self, cause: str) -> Indexed:
        """The items whose outcome so far is an error of this cause."""
        known = ((place, item, self._known.get(place)) for place, item in self.items)
        return [(place, item) for place, item, told in known if told and told.error and told.error.cause == cause]

    def get(self, index: int) -> WriteOutcome | None:
        """The outcome of the item at a place, when it is known."""
        return self._known.get(index)

    def applied(self) -> list[tuple[int, WriteItem, str]]:
        """(place, item, vendor id) of what was applied so far."""
        found = [(index, item, self._known.get(index)) for index, item in self.items]
        return [(index, item, o.vendor_id) for index, item, o in found if o and o.vendor_id and not o.error]

    def in_order(self) -> list[WriteOutcome]:
        """All outcomes; an item the answers were silent about is unknown."""
        return [self._known.get(index) or WriteOutcome(error=untold(item)) for index, item in self.items]
