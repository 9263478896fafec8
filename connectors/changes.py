"""Streams read by time of change, list after list: one cursor for every vendor whose lists can be asked "since when".

A read starts `lookback` before its cursor and the next one starts no later than this one began, so that what changed
while it was read comes again. Cursor: {since} between reads; within one also {begun, top, list, next}. Times are instants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.http import Http
from connectors.paging import Paging
from kernel.clock import SECOND, iso
from kernel.records import Cursor, Json, Page, SourceRecord

Asking = Callable[[int | None, int | None], Mapping[str, Any]]
"""(from, to) as the vendor's parameters; None: no bound."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The usual `Asking`: two parameters in whole seconds, as ISO 8601. What is asked is never less than the stretch.

    `after`: the vendor's lower bound is exclusive, so the second before is named. `zone` ends each time; empty where a time
    must come without. `also`: what is sent along with a bound.
    """

    since: str
    until: str
    after: bool = False
    zone: str = "Z"
    also: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, start: int | None, end: int | None) -> Json:
        """The parameters for what changed from `start` on, and before `end`."""
        first = start and start - (SECOND if self.after else 0)
        bounds = {self.since: first, self.until: end and end + SECOND - 1}
        told = {name: iso(when - when % SECOND).removesuffix("Z") + self.zone for name, when in bounds.items() if when}
        return {**told, **self.also} if told else {}


@dataclass(frozen=True, slots=True)
class Listed:
    """One list of a stream.

    `goes_on`: only asked when a read goes on from a cursor, such as what was deleted. `bounded`: asked "since when";
    otherwise it comes whole each time, because deleting an object need not count as a change of it.
    """

    path: str
    paging: Paging
    params: Mapping[str, Any] = field(default_factory=dict)
    goes_on: bool = False
    bounded: bool = True


def changes(
    http: Http,
    lists: Sequence[Listed],
    since: Cursor | None,
    record: Callable[[Json], SourceRecord],
    *,
    asking: Asking | None = None,
    lookback: timedelta = timedelta(0),
    window: tuple[int, int] | None = None,
) -> Iterator[Page]:
    """Pages of all lists from a cursor, or of a window. Without `asking` the lists are complete each time."""
    going = dict(since or {})
    start, begun, top = going.get("since"), going.get("begun") or http.clock.now(), going.get("top") or 0
    back = start and start - int(lookback.total_seconds() * 1_000_000)
    bounds = asking(*(window or (back, None))) if asking else {}
    lists = [one for one in lists if not one.goes_on or (start and window is None)]
    for place in range(going.get("list", 0), len(lists)):
        one = lists[place]
        params = {**one.params, **(bounds if one.bounded else {})}
        for items, token, answer in one.paging.pages(http, one.path, params, going.pop("next", None)):
            records = [record(raw) for raw in items]
            top = max([top, *(each.updated_at or 0 for each in records)])
            last = token is None and place == len(lists) - 1
            step: Json = {"list": place + 1} if token is None else {"list": place, "next": token}
            cursor = {"since": start, "begun": begun, "top": top, **step}
            ended = {"since": min(top or start or begun, begun)} if asking else {}
            yield Page(records, ended if last else cursor, answer.sent_at, last=last)
