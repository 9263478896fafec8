"""Incremental exports.

Facts (developer.zendesk.com, incremental exports; recorded answers): up to 1,000 rows a page; what changed within the
last minute is left out, and a start within it is an error; the cursor goes on for ever, and is null when nothing
follows; organizations are exported by time only, the rows of the seam's second come again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.http import Answer, Http, PageGuard
from connectors.zendesk.api import Exports
from connectors.zendesk.kinds import KINDS, record_of
from kernel.clock import SECOND
from kernel.records import Cursor, Json, Page, SourceRecord

PER_PAGE = 1000
TOO_RECENT = 61
"""Seconds before now at which an export may start at the latest."""

Window = tuple[int, int] | None


class Reader:
    """Reads one connection's exports."""

    def __init__(self, http: Http) -> None:
        self._http, self._exports = http, Exports(http)

    def read(self, resource: str, since: Cursor | None, window: Window) -> Iterator[Page]:
        """Pages; the cursor is {"cursor": Zendesk's own} or, of organizations, {"start_time": epoch seconds}."""
        return (
            self._by_time(resource, since, window)
            if resource == "organizations"
            else self._by_cursor(resource, since, window)
        )

    def _by_cursor(self, resource: str, since: Cursor | None, window: Window) -> Iterator[Page]:
        cursor = (since or {}).get("cursor")
        guard = PageGuard(self._http.connection)
        while True:
            place: Json = {"cursor": cursor} if cursor else {"start_time": self._start(None, window)}
            path = f"api/v2/incremental/{resource}/cursor"
            answer = self._exports.get("incremental-exports-cursor", path, {**place, "per_page": PER_PAGE})
            body, rows = _rows(answer, resource)
            beyond = _beyond(rows, window)
            last = bool(body.get("end_of_stream")) or beyond
            if not last:
                guard.advance(body.get("after_cursor"))
            cursor = body.get("after_cursor") or cursor
            at_rest: Cursor = {"cursor": cursor} if cursor else {}
            yield Page(_kept(rows, window), at_rest, started_at=answer.sent_at, last=last)
            if last:
                return

    def _by_time(self, resource: str, since: Cursor | None, window: Window) -> Iterator[Page]:
        start = self._start((since or {}).get("start_time"), window)
        guard = PageGuard(self._http.connection)
        while True:
            guard.advance(start)
            params = {"start_time": start, "per_page": PER_PAGE}
            answer = self._exports.get("incremental-exports", f"api/v2/incremental/{resource}", params)
            body, rows = _rows(answer, resource)
            last = bool(body.get("end_of_stream", len(rows) < PER_PAGE)) or _beyond(rows, window)
            start = self._start(body.get("end_time") or start, None)
            yield Page(_kept(rows, window), {"start_time": start}, started_at=answer.sent_at, last=last)
            if last:
                return

    def _start(self, start: int | None, window: Window) -> int:
        wanted = start if start is not None else window[0] // SECOND if window else 0
        return max(0, min(wanted, self._http.clock.now() // SECOND - TOO_RECENT))


def _rows(answer: Answer, resource: str) -> tuple[Json, list[SourceRecord]]:
    body: Any = answer.json()
    rows = body.get(KINDS[resource].plural) if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise answer.unreadable(f"no {resource} in the answer")
    if not isinstance(body.get("end_of_stream", False), bool):
        raise answer.unreadable("the answer does not say whether it is the last page")
    return body, [record_of(resource, row) for row in rows]


def _beyond(rows: list[SourceRecord], window: Window) -> bool:
    """Whether an export in the order of time has passed the window's end."""
    times = [row.updated_at for row in rows if row.updated_at is not None]
    return window is not None and bool(times) and max(times) >= window[1]


def _kept(rows: list[SourceRecord], window: Window) -> list[SourceRecord]:
    if window is None:
        return rows
    return [row for row in rows if row.updated_at is None or window[0] <= row.updated_at < window[1]]
