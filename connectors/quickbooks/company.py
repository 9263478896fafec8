"""One company's lists: SQL-like queries by time of change, and the change data capture (CDC) for deletes.

* A query has no OR and gives at most 1,000 rows; a quote is escaped by a backslash; inactive list entries come only when
  asked for (developer.intuit.com, data queries; tap-quickbooks). Rows that change while we read move to the end, so
  pages are found by the time of the last row, and rows of one instant by how many of them are behind us.
* The CDC tells the last 30 days, at most 1,000 objects in an answer and in an order nobody promises
  (developer.intuit.com, change data capture).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.http import Answer, Http, PageGuard
from connectors.quickbooks.resources import ENTITIES, KEY, LISTS, RESOURCES, TIME
from connectors.shapes import held, parts, record_of
from connectors.verdicts import (
    DEFAULT_VERDICTS,
    FORBIDDEN,
    LOCKED,
    MAYBE_APPLIED,
    REFUSED_CREDENTIAL,
    RETRY_SOON,
    Verdict,
    Verdicts,
)
from kernel.clock import SECOND, instant_of, iso
from kernel.errors import Fate
from kernel.records import Cursor, Json, SourceRecord

PAGE = 1000
IDS = 100
CDC_MOST = 1000
CDC_KEPT = timedelta(days=29)
"""Deletes are told for 30 days; a day less leaves time to read them."""
MARK = re.compile(r"\s*\[throughline ([\w-]+)\]")


def _fault(body: Any) -> Mapping[str, Any]:
    """A Fault; a refused token's is written in small letters."""
    fault = (body.get("Fault") or body.get("fault")) if isinstance(body, dict) else None
    return fault if isinstance(fault, dict) else {}


def _errors(body: Any) -> list[Json]:
    errors = _fault(body).get("Error") or _fault(body).get("error")
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    by_code={
        "5010": LOCKED,  # stale: nothing was applied
        "6240": Verdict(Fate.PARK, "conflict"),
        "610": Verdict(Fate.PARK, "not_found"),
        **dict.fromkeys(("3001", "003001"), RETRY_SOON),
        **dict.fromkeys(("3200", "003200", "AuthenticationFault", "AUTHENTICATION"), REFUSED_CREDENTIAL),
        **dict.fromkeys(("3100", "003100", "AuthorizationFault"), FORBIDDEN),
        "SystemFault": MAYBE_APPLIED,
    },
    codes=lambda body: [*(one.get("code") for one in _errors(body)), _fault(body).get("type")],
    field=lambda body: str(next((one.get("element") for one in _errors(body)), "") or ""),
    request_id=("intuit_tid",),
)


class Company:
    """The lists of one company."""

    def __init__(self, http: Http, realm: str, version: int, page: int) -> None:
        """`version`: the minor version of the API; `page`: rows asked for at once."""
        self.http, self._realm, self.version, self._page = http, realm, version, page

    def path(self, verb: str) -> str:
        """The path of one of the company's addresses."""
        return f"/v3/company/{self._realm}/{verb}"

    def query(self, resource: str, where: str, tail: str) -> tuple[list[Json], Answer]:
        """The rows of one query, inactive ones among them."""
        entity, also = ENTITIES[resource], " AND Active IN (true, false)" if resource in LISTS else ""
        text = f"SELECT * FROM {entity} WHERE {where}{also} {tail}"  # nosec B608 # noqa: S608 - values are quoted or instants of ours
        answer = self.http.get(self.path("query"), params={"query": text, "minorversion": self.version})
        found = held(answer, "QueryResponse")
        rows = found.get(entity, None if _holds(found) else [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("Id") for row in rows):
            raise answer.unreadable("the answer holds no objects")
        return rows, answer

    def among(self, resource: str, field: str, values: Sequence[str]) -> Iterator[Json]:
        """The objects whose field has one of these values."""
        for some in parts(values, IDS):
            listed = ", ".join(map(_quoted, some))
            yield from self.query(resource, f"{field} IN ({listed})", f"MAXRESULTS {PAGE}")[0]

    def changed(self, resource: str, cursor: Cursor, before: str = "") -> Iterator[tuple[list[Json], Cursor, Answer]]:
        """(rows, position, answer) of what changed since `at`, oldest first; the last position has no `last`.

        `skip` rows of that very instant are behind us. The last of them is asked for again: where another stands there
        now, one of them changed meanwhile, and the rows of that instant are read anew.
        """
        guard = PageGuard(self.http.connection)
        at, skip, last = cursor.get("at", "1970-01-01T00:00:00Z"), cursor.get("skip", 0), cursor.get("last", "")
        while True:
            tail = f"ORDER BY {TIME} ASC STARTPOSITION {max(skip, 1)} MAXRESULTS {self._page}"
            rows, answer = self.query(resource, f"{TIME} >= '{at}'{before}", tail)
            if skip and not (rows and rows[0]["Id"] == last):
                skip = 0
                continue
            full, rows = len(rows) == self._page, rows[1:] if skip else rows
            if rows:
                newest = changed_at(rows[-1])
                same = sum(changed_at(row) == newest for row in rows)
                skip = skip + same if newest == instant_of(at) else same
                at, last = iso(newest), str(rows[-1]["Id"])
            yield rows, {"at": at, "skip": skip, "last": last} if full else {"at": at}, answer
            if not full:
                return
            guard.advance((at, skip, last))

    def deleted(self, resource: str, since: int) -> Iterator[SourceRecord]:
        """Tombstones. What may be missing is told as a record that nobody can read: it is parked, so a person hears."""
        entity = ENTITIES[resource]
        at = max(since, self.http.clock.now() - int(CDC_KEPT.total_seconds()) * SECOND)
        if at > since:
            yield _gap(resource, since, "deletes are told for 30 days, and the last read was before")
        while True:
            params = {"entities": entity, "changedSince": iso(at), "minorversion": self.version}
            answer = self.http.get(self.path("cdc"), params=params)
            try:
                parts = [part for told in answer.json()["CDCResponse"] for part in told["QueryResponse"]]
                rows = [row for part in parts for row in part.get(entity, ())]
                times = [changed_at(row) for row in rows]
            except (KeyError, TypeError, AttributeError, ValueError):
                raise answer.unreadable("the answer holds no changes") from None
            gone = [(row, time) for row, time in zip(rows, times, strict=True) if row.get("status") == "Deleted"]
            yield from (SourceRecord(str(row["Id"]), row, time, deleted=True) for row, time in gone)
            if len(rows) < CDC_MOST:
                return
            if times != sorted(times) or times[-1] <= at:  # only the newest were told, or all are of one instant
                yield _gap(resource, at, f"more than {CDC_MOST} changes since: not every delete is told")
                return
            at = times[-1]


def record(resource: str, row: Json) -> SourceRecord:
    """A row as a record; our key stands apart from the Notes."""
    notes = str(row.get("Notes") or "")
    if found := MARK.search(notes):
        row = {**row, "Notes": MARK.sub("", notes), KEY: found[1]}
    return record_of(RESOURCES[resource], row)


def changed_at(row: Json) -> int:
    """When an object changed last (an instant, of whole seconds)."""
    return instant_of(row["MetaData"]["LastUpdatedTime"])


def _holds(found: Json) -> bool:
    """Whether an answer has rows under some name; one without any tells nothing but its place and its counts."""
    return bool(found.get("maxResults")) or any(isinstance(told, dict | list) for told in found.values())


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _gap(resource: str, since: int, why: str) -> SourceRecord:
    told = f"{why}; compare with a complete read of {resource} since then, and delete what is not there"
    return SourceRecord(f"deletes-{iso(since)}", {"since": iso(since)}, fault=told)
