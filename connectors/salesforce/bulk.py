"""Large reads by Bulk API 2.0: one query job, its rows as CSV in pages by locator, in no order.

A job is asked for once and found again by its id, which travels in the cursor: {"job", "modified", "asked", "locator"?}.
Source: Bulk API 2.0 guide (job states, Sforce-Locator, Sforce-NumberOfRecords; results are kept for 7 days).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.http import Answer, PageGuard
from connectors.jobs import JobLost, waiting
from connectors.salesforce.api import Org
from connectors.salesforce.schema import source_record
from kernel.clock import Clock
from kernel.errors import Park, Retry
from kernel.records import Cursor, Page, SourceRecord

_IN_NO_CSV = frozenset({"address", "location", "base64", "complexvalue"})

csv.field_size_limit(4 * 1024 * 1024)  # a long text area alone may hold 131,072 characters


class QueryJob:
    """The bulk road of one resource of one connection."""

    def __init__(self, org: Org, resource: str, types: Mapping[str, str], clock: Clock, connection: str) -> None:
        """`types`: the fields to read, in order, with the types of the describe."""
        self._org, self._resource, self._clock, self._connection = org, resource, clock, connection
        self._names = list(types)
        self._readers = {name: _READERS[kind] for name, kind in types.items() if kind in _READERS}
        self.possible = not _IN_NO_CSV.intersection(types.values())

    def begin(self, soql: str, values: Mapping[str, Any]) -> Cursor | None:
        """Where to go on from once the job is there; None where this org or user has no Bulk API."""
        asked = self._clock.now()
        try:
            told = self._org.query_job(soql, values).json()
        except Park:
            return None
        made = datetime.fromisoformat(told["createdDate"]).astimezone(UTC)
        stamp = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"job": told["id"], "asked": asked, "modified": stamp}

    def pages(self, cursor: Cursor, size: int) -> Iterator[Page]:
        """The rows not read yet. The last page's cursor goes on from when the job was made, by the vendor's clock."""
        at, guard = dict(cursor), PageGuard(self._connection)
        if "locator" not in at:
            yield from waiting(lambda: self._done(cursor["job"]), at, self._clock, self._connection)
        while True:
            answer = _looked(self._org.query_results, at["job"], at.get("locator", ""), size)
            records = self._records(answer)
            locator = answer.headers.get("sforce-locator", "null")
            if locator in ("", "null"):
                yield Page(records, {"modified": at["modified"]}, at["asked"], last=True)
                return
            guard.advance(locator)
            at = {**at, "locator": locator}
            yield Page(records, dict(at), at["asked"])

    def _done(self, job: str) -> bool:
        state = _looked(self._org.query_state, job).json().get("state")
        if state in ("Failed", "Aborted"):
            raise JobLost
        return bool(state == "JobComplete")

    def _records(self, answer: Answer) -> list[SourceRecord]:
        """Rows as the REST API would have told them; fewer than promised is an answer that was cut short."""
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
        names = rows.pop(0) if rows and "Id" in rows[0] else self._names  # not every page is promised to repeat it
        if set(names) != set(self._names):
            raise JobLost  # asked for before the fields changed
        typed = [(place, self._readers[name]) for place, name in enumerate(names) if name in self._readers]
        told = answer.headers.get("sforce-numberofrecords", "")
        if (told.isdecimal() and int(told) != len(rows)) or any(len(row) != len(names) for row in rows):
            raise Retry("a page of a bulk query is cut short", cause="bad_answer", request_id=answer.request_id)
        attributes, records = {"type": self._resource}, []
        for row in rows:
            values: list[Any] = [value or None for value in row]  # Salesforce keeps no empty text
            for place, read in typed:
                if values[place] is not None:
                    values[place] = read(values[place])
            records.append(source_record({"attributes": attributes, **dict(zip(names, values, strict=True))}))
        return records


def _looked(call: Callable[..., Answer], *asked: Any) -> Answer:
    try:
        return call(*asked)
    except Park:
        raise JobLost from None


def _zone(text: str) -> str:
    """A time as the REST API writes it."""
    return f"{text[:-1]}+0000" if text.endswith("Z") else text


_READERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text == "true",
    "int": lambda text: int(float(text)),
    "long": int,
    **dict.fromkeys(("double", "currency", "percent"), float),
    "datetime": _zone,
}
