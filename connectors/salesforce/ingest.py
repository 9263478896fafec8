"""Large writes by Bulk API 2.0: one ingest job by our key (or by id), its rows as CSV, and what became of each row.

Facts (Bulk API 2.0 guide): nothing is processed before a job is closed; one upload a job; an empty cell leaves a field
alone and `#N/A` empties it; every row ends as successful, failed or unprocessed, in no order, with the columns that were
sent; whatever becomes of the job, what was processed stays; results are kept for 7 days.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simple_salesforce.bulk2 import JobState, Operation, ResultsType

from connectors.http import Answer, Http
from connectors.jobs import looking
from connectors.salesforce.api import Org
from connectors.salesforce.rows import Rows
from connectors.salesforce.schema import source_record
from connectors.salesforce.writing import refusal
from kernel.errors import Broken, Park, Retry, ThroughlineError, Unknown
from kernel.records import JobStep, Json, WriteItem, WriteOutcome

PART = 1000
"""Rows that are read back and told together."""

_ENDED = (JobState.job_complete, JobState.failed, JobState.aborted)
_CODE, _NAMES = re.compile(r"[A-Z][A-Z0-9_]+(?=:)"), re.compile(r":([\w, ]*)--\s*$")


class IngestJob:
    """The bulk road of one resource of one connection."""

    def __init__(self, org: Org, http: Http, resource: str, key_field: str, read_back: Sequence[str]) -> None:
        """`read_back`: the fields to read after the write; none: no read."""
        self._org, self._http, self._resource, self._key = org, http, resource, key_field
        self._fields = read_back

    def steps(self, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        """See `Connector.write_job`."""
        info = self._state(job) if job else {}
        by_id = info["operation"] == Operation.update if job else batch[0].vendor_id is not None
        rows = Rows(self._resource, self._key, batch, by_id=by_id)
        job = job or self._begin(rows)
        yield JobStep(job)
        refused = None if info else self._send(job, rows)
        if refused is not None or info.get("state") == JobState.open:
            yield JobStep(job, [*rows.apart, *self._never(job, rows, refused)])
            return
        yield JobStep(job, rows.apart)
        for _ in looking(lambda: self._state(job)["state"] in _ENDED, self._http.clock, self._http.connection):
            yield JobStep(job)
        known = self._results(job, rows)
        # What failed comes in one step: what is tried again together may go by a job again.
        yield JobStep(job, [each for each in known if each[1].error])
        applied = [each for each in known if not each[1].error]
        for start in range(0, len(applied), PART):
            part = applied[start : start + PART]
            self._read_back([outcome for _, outcome in part])
            yield JobStep(job, part)

    def _begin(self, rows: Rows) -> str:
        """A new job. One whose id never came stays empty and open, and is processed never."""
        if not rows.by_id and any(item.vendor_id for item in rows.batch):
            raise Broken("a record whose id is known may not be written by key: it may not carry it")
        operation, key = (Operation.update, "") if rows.by_id else (Operation.upsert, self._key)
        try:
            return str(self._org.ingest_job(self._resource, operation, key).json()["id"])
        except Unknown as lost:
            raise Retry("no answer to a new job; it stays empty", cause=lost.cause, status=lost.status) from None

    def _send(self, job: str, rows: Rows) -> ThroughlineError | None:
        """Upload and close; why it was not closed. Raises where that is not known and nobody can be asked."""
        try:
            self._org.ingest_rows(job, rows.content)
            self._org.ingest_move(job, JobState.upload_complete)
        except (Unknown, Park) as error:
            return error if self._state(job)["state"] == JobState.open else None
        except ThroughlineError as error:
            return error
        return None

    def _never(self, job: str, rows: Rows, why: ThroughlineError | None) -> list[tuple[int, WriteOutcome]]:
        """End a job that was never closed: no row of it is processed. Raises where that cannot be made sure of."""
        info = self._look(self._org.ingest_move, job, JobState.aborted).json()
        info |= self._state(job)
        if info["state"] != JobState.aborted or int(info.get("numberRecordsProcessed") or 0):
            return self._results(job, rows)  # it was closed in that very moment
        # What this road cannot take is sent by the other; what was in the way of both is told as it is.
        if why is None or isinstance(why, Unknown | Park):
            why = Retry("the job was ended before it began", cause=why.cause if why else "unprocessed")
        return [(place, WriteOutcome(error=why)) for place in rows.places.values()]

    def _results(self, job: str, rows: Rows) -> list[tuple[int, WriteOutcome]]:
        """What became of each row. Raises Unknown where the results do not account for every row, each once."""
        known: dict[int, WriteOutcome] = {}
        for kind in ResultsType:
            answer = self._look(self._org.ingest_results, job, kind)
            for told in _table(answer):
                place = rows.places.get(told.get("id" if rows.by_id else self._key.lower(), "").lower())
                if place is None or place in known:
                    raise _unaccounted(answer)
                known[place] = self._outcome(kind, told, answer, rows.batch[place])
        if len(known) != len(rows.places):  # sent = successful + failed + unprocessed
            raise _unaccounted(answer)
        return sorted(known.items())

    def _outcome(self, kind: ResultsType, told: Mapping[str, str], answer: Answer, item: WriteItem) -> WriteOutcome:
        facts: dict[str, Any] = {"status": answer.status, "request_id": answer.request_id}
        if kind is ResultsType.successful and told.get("sf__id"):
            return WriteOutcome(told["sf__id"], created=told.get("sf__created") == "true", **facts)
        if kind is ResultsType.unprocessed:
            lost = Retry("the job ended before it came to this row", cause="unprocessed", trace_id=item.trace_id)
            return WriteOutcome(error=lost, **facts)
        return WriteOutcome(error=refusal(self._http, self._key, _error(told), answer, item), **facts)

    def _state(self, job: str) -> Json:
        info: Json = self._look(self._org.ingest_state, job).json()
        return info

    def _look(self, call: Any, *asked: Any) -> Answer:
        """Ask about a job; one the vendor no longer knows can tell no more."""
        try:
            answer: Answer = call(*asked)
        except Park as error:
            told = f"{self._http.connection}: the vendor no longer tells of a job"
            raise Unknown(told, cause="job_lost", status=error.status, request_id=error.request_id) from None
        except Unknown as error:
            raise Retry(error.message, cause=error.cause, status=error.status, request_id=error.request_id) from None
        return answer

    def _read_back(self, outcomes: Sequence[WriteOutcome]) -> None:
        """What the org made of the records; without it the outcomes stand all the same."""
        if not outcomes or not self._fields:
            return
        try:
            answer = self._org.retrieve(self._resource, [str(one.vendor_id) for one in outcomes], self._fields)
            records = {raw["Id"]: source_record(raw) for raw in answer.json() if raw}
        except ThroughlineError:
            return
        for outcome in outcomes:
            outcome.record = records.get(str(outcome.vendor_id))


def _table(answer: Answer) -> Iterator[dict[str, str]]:
    """Rows by column, names in small letters; an answer without any has not even a header."""
    lines = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    header = [name.lower() for name in next(lines, [])]
    for line in lines:
        if len(line) != len(header):
            raise _unaccounted(answer)
        yield dict(zip(header, line, strict=True))


def _error(told: Mapping[str, str]) -> Json:
    """`CODE:message:Field,Field --` as a collection's result lists it."""
    text = told.get("sf__error", "")
    code, names = _CODE.match(text), _NAMES.search(text)
    fields = [name for part in (names[1].split(",") if names else []) if (name := part.strip())]
    return {"errors": [{"statusCode": code[0] if code else "", "message": text, "fields": fields}]}


def _unaccounted(answer: Answer) -> Unknown:
    told = "the results of a job do not account for every row, each once"
    return Unknown(told, cause="job_lost", status=answer.status, request_id=answer.request_id)
