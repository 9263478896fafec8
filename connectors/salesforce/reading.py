"""Reading Salesforce: SOQL in order of (SystemModstamp, Id), so that any page can be gone on from.

Cursors (instants as Salesforce writes them):
    {"modified"}                     everything changed before it is read
    {"modified", "id", "going": 1}   inside a read, after that record: no look-back when it goes on
A read from the beginning has "whole": 1 and leaves the recycle bin out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.http import Answer, PageGuard
from connectors.salesforce.api import Org
from connectors.salesforce.schema import source_record
from kernel.clock import SECOND, Clock, instant, moment
from kernel.errors import Park
from kernel.records import Cursor, Json, Page

ORDER = " ORDER BY SystemModstamp, Id"


class Reader:
    """Reads one resource of one connection."""

    def __init__(
        self, org: Org, resource: str, fields: Sequence[str], lookback: float, clock: Clock, connection: str
    ) -> None:
        self._org, self._resource, self._clock, self._connection = org, resource, clock, connection
        self._lookback = int(lookback * SECOND)
        self.select = f"SELECT {', '.join(fields)} FROM {resource}"  # nosec B608 # noqa: S608 - names come from the org's describe

    def pages(self, since: Cursor | None, window: tuple[int, int] | None) -> Iterator[Page]:
        """Pages after `since`, or of records last modified inside the window of instants [from, to)."""
        whole: Json = {"whole": 1} if since is None or since.get("whole") else {}
        deleted = window is None and not whole
        newest = since["modified"] if since else _stamp(self._clock.now() - self._lookback)
        answer = self._query(since, window, deleted=deleted)
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
            answer = self._next(body["nextRecordsUrl"], after, window, deleted=deleted)

    def _query(self, since: Cursor | None, window: tuple[int, int] | None, *, deleted: bool) -> Answer:
        rules, values = self._where(since, window)
        where = f" WHERE {' AND '.join(rules)}" if rules else ""
        return self._org.query(self.select + where + ORDER, values, deleted=deleted)

    def _where(self, since: Cursor | None, window: tuple[int, int] | None) -> tuple[list[str], dict[str, Any]]:
        """The conditions of the query, and the values to be quoted into them."""
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
        return rules, values

    def _next(self, link: str, after: Cursor, window: tuple[int, int] | None, *, deleted: bool) -> Answer:
        """The next page; when Salesforce has dropped the query meanwhile, a new one from where we are."""
        try:
            return self._org.more(link)
        except Park as error:
            if error.cause != "expired_page":
                raise
            return self._query(after, window, deleted=deleted)


def _stamp(at: int) -> str:
    """An instant as a SOQL literal."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(told: str) -> str:
    """Salesforce's own notation as a SOQL literal (`+0000` is no literal's zone)."""
    return datetime.fromisoformat(told).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
