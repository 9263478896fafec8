"""Reading Salesforce: SOQL in order of (SystemModstamp, Id), so that any page can be gone on from.

Cursors (instants as Salesforce writes them):
    {"modified"}                     everything changed before it is read
    {"modified", "id", "going": 1}   inside a read, after that record: no look-back when it goes on
    {"job", …}                       inside a read that a bulk job answers (see `bulk`)
A read from the beginning has "whole": 1 and leaves the recycle bin out. One of many records, as its first page tells,
goes by a bulk job; where that is lost, the read begins again page by page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.base import Bulk
from connectors.http import Answer, PageGuard
from connectors.jobs import JobLost
from connectors.salesforce.api import Org
from connectors.salesforce.bulk import QueryJob
from connectors.salesforce.schema import source_record
from kernel.clock import SECOND, Clock, instant, moment
from kernel.errors import Park
from kernel.records import Cursor, Json, Page

ORDER = " ORDER BY SystemModstamp, Id"


class Reader:
    """Reads one resource of one connection."""

    def __init__(
        self,
        org: Org,
        resource: str,
        types: Mapping[str, str],
        lookback: float,
        clock: Clock,
        connection: str,
        bulk: Bulk,
    ) -> None:
        """`types`: the fields to read with the types of the describe."""
        self._org, self._clock, self._connection, self._bulk = org, clock, connection, bulk
        self._lookback = int(lookback * SECOND)
        self._job = QueryJob(org, resource, types, clock, connection)
        self.select = f"SELECT {', '.join(types)} FROM {resource}"  # nosec B608 # noqa: S608 - names come from the org's describe

    def pages(self, since: Cursor | None, window: tuple[int, int] | None) -> Iterator[Page]:
        """Pages after `since`, or of records last modified inside the window of instants [from, to)."""
        if since is None or not since.get("job"):
            answer = self._query(since, window)
            job = self._begin(answer, window) if since is None else None
            if job is None:
                yield from self._in_order(since, window, answer)
                return
            yield Page([], job, answer.sent_at)
            since = job
        try:
            yield from self._job.pages(since, self._bulk.batch_size)
        except JobLost:
            yield from self._in_order(None, window, self._query(None, window))

    def _begin(self, first: Answer, window: tuple[int, int] | None) -> Cursor | None:
        """The cursor of a bulk job for a read that is large enough; None where it goes page by page."""
        if not self._job.possible or first.json()["totalSize"] < self._bulk.threshold:
            return None
        return self._job.begin(*self._soql(None, window))

    def _in_order(self, since: Cursor | None, window: tuple[int, int] | None, answer: Answer) -> Iterator[Page]:
        whole: Json = {"whole": 1} if _is_whole(since) else {}
        newest = since["modified"] if since else _stamp(self._clock.now() - self._lookback)
        guard, after = PageGuard(self._connection), since
        while True:
            body = answer.json()
            records = [source_record(raw) for raw in body["records"]]
            if records:
                last = records[-1].raw
                after = {"modified": _plain(last["SystemModstamp"]), "id": last["Id"], "going": 1} | whole
                newest = after["modified"] if whole else max(newest, after["modified"])
            if not isinstance(body["done"], bool):
                raise answer.unreadable("the answer does not say whether it is the last page")
            if body["done"]:
                yield Page(records, {"modified": newest}, answer.sent_at, last=True)
                return
            if not records or after is None:
                raise answer.unreadable("a page that is not the last holds no records")
            yield Page(records, after, answer.sent_at)
            guard.advance(body["nextRecordsUrl"])
            answer = self._next(body["nextRecordsUrl"], after, window)

    def _query(self, since: Cursor | None, window: tuple[int, int] | None) -> Answer:
        soql, values = self._soql(since, window)
        return self._org.query(soql + ORDER, values, deleted=window is None and not _is_whole(since))

    def _soql(self, since: Cursor | None, window: tuple[int, int] | None) -> tuple[str, dict[str, Any]]:
        """The query, and the values to be quoted into it."""
        rules: list[str] = []
        values: dict[str, Any] = {}
        if since is not None and since.get("going"):
            rules.append("(SystemModstamp > {at:literal} OR (SystemModstamp = {at:literal} AND Id > {id}))")
            values |= {"at": _plain(since["modified"]), "id": since["id"]}
        elif since is not None and window is None:
            rules.append("SystemModstamp >= {at:literal}")
            values["at"] = _stamp(instant(datetime.fromisoformat(since["modified"])) - self._lookback)
        if window is not None:
            rules += ["SystemModstamp >= {start:literal}", "SystemModstamp < {end:literal}"]
            values |= {"start": _stamp(window[0]), "end": _stamp(window[1])}
        return self.select + (f" WHERE {' AND '.join(rules)}" if rules else ""), values

    def _next(self, link: str, after: Cursor, window: tuple[int, int] | None) -> Answer:
        """The next page; when Salesforce has dropped the query meanwhile, a new one from where we are."""
        try:
            return self._org.more(link)
        except Park as error:
            if error.cause != "expired_page":
                raise
            return self._query(after, window)


def _is_whole(since: Cursor | None) -> bool:
    """Whether a read began at the beginning: then what is in the recycle bin is no news."""
    return since is None or bool(since.get("whole"))


def _stamp(at: int) -> str:
    """An instant as a SOQL literal."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(told: str) -> str:
    """Salesforce's own notation as a SOQL literal (`+0000` is no literal's zone)."""
    return datetime.fromisoformat(told).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
