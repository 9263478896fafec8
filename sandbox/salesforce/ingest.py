"""Bulk API 2.0 of the simulated org, the writing half: ingest jobs, their rows as CSV, and what became of each.

Dialect from the Bulk API 2.0 guide: a job goes Open, UploadComplete, InProgress, JobComplete (or Failed, Aborted); one
upload a job; an empty cell leaves a field alone, `#N/A` empties it; a wrong header fails the whole job; rows that were
processed stay so whatever becomes of the job; results come as CSV, in no order, with the columns that were sent.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.salesforce.jobs import ENDS, Handler, as_csv
from sandbox.salesforce.records import WRITABLE, Refused, iso
from sandbox.simulator import answer
from sandbox.state import Json

if TYPE_CHECKING:
    from sandbox.salesforce.simulator import Salesforce

ENDED = ("JobComplete", "Failed", "Aborted")
_OPERATIONS = ("insert", "upsert", "update", "delete")
_NULL = "#N/A"


def paths(org: Salesforce, base: str) -> list[tuple[str, Handler, list[str]]]:
    """The resources of ingest jobs; an org made anew behind its port has other jobs."""
    one = f"{base}/jobs/ingest/{{job}}"

    def results(kind: str) -> Handler:
        return lambda request, body: org.ingest.results(request, kind)

    return [
        (f"{one}/batches", lambda request, body: org.ingest.upload(request, body), ["PUT"]),
        *((f"{one}/{name}", results(kind), ["GET"]) for name, kind in _RESULTS.items()),
        (one, lambda request, body: org.ingest.state(request), ["GET"]),
        (one, lambda request, body: org.ingest.move(request, body), ["PATCH"]),
        (one, lambda request, body: org.ingest.delete(request), ["DELETE"]),
        (f"{base}/jobs/ingest", lambda request, body: org.ingest.create(body), ["POST"]),
        (f"{base}/jobs/ingest", lambda request, body: org.ingest.listed(), ["GET"]),
    ]


class Ingest:
    """The org's ingest jobs, by id."""

    def __init__(self, org: Salesforce) -> None:
        """`looks`: how often a job is looked at before it is complete. `fails`: what jobs end as, after `processed` rows.

        `loses`: rows that no result tells of. `refuses`: a row that is not taken, by its cells.
        """
        self._org, self.looks, self.fails, self.processed, self.loses = org, 2, "", 0, 0
        self.refuses: Callable[[Json], Refused | None] = lambda row: None
        self.allowed, self.most_bytes = True, 150_000_000
        self.begun: list[str] = []
        self.jobs: dict[str, Json] = {}

    def drop(self) -> None:
        """Forget every job, as after seven days."""
        self.jobs.clear()

    def create(self, body: Json) -> Response:
        """Make a job, open for its rows."""
        operation, resource = body.get("operation"), str(body.get("object"))
        if not self.allowed:
            raise Refused("FEATURENOTENABLED", "Bulk API is not enabled for this organization")
        if operation not in _OPERATIONS or resource not in WRITABLE or resource in self._org.forbidden:
            raise Refused("INVALIDJOB", f"Unable to find object: {resource}")
        if (operation == "upsert") != bool(body.get("externalIdFieldName")):
            raise Refused("INVALIDJOB", "upsert, and only that, takes an externalIdFieldName")
        now, id = iso(self._org.state.now()), f"750SC{self._org.state.serial('ingest'):010d}AAA"
        job = {
            "id": id,
            "operation": operation,
            "object": resource,
            "createdById": self._org.records.user(),
            "createdDate": now,
            "systemModstamp": now,
            "state": "Open",
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 62.0,
            "contentUrl": f"services/data/v62.0/jobs/ingest/{id}/batches",
            "lineEnding": body.get("lineEnding", "LF"),
            "columnDelimiter": body.get("columnDelimiter", "COMMA"),
        }
        job |= {"externalIdFieldName": body["externalIdFieldName"]} if operation == "upsert" else {}
        self.begun.append(id)
        self.jobs[id] = {**job, "_looks": self.looks, "_told": {kind: [] for kind in _RESULTS.values()}}
        return answer(job)

    def upload(self, request: Request, body: Any) -> Response:
        """Take the rows, once."""
        job = self._job(request)
        if job["state"] != "Open":
            raise Refused("INVALIDJOBSTATE", f"the job is {job['state']}")
        if "_rows" in job:
            raise Refused("CLIENTINPUTERROR", f"Found multiple contents for job: {job['id']}")
        if not isinstance(body, str) or len(body) > self.most_bytes:
            raise Refused("INVALIDBATCH", "the data is no CSV, or too large")
        job["_rows"] = body
        return Response(status_code=201)

    def move(self, request: Request, body: Json) -> Response:
        """Close a job, or abort it; what was processed by then stays."""
        job, wanted = self._job(request), body.get("state")
        allowed = ("Open",) if wanted == "UploadComplete" else ("Open", "UploadComplete", "InProgress")
        if wanted not in ("UploadComplete", "Aborted") or job["state"] not in allowed:
            raise Refused("INVALIDJOBSTATE", f"a job that is {job['state']} cannot become {wanted}")
        closed, job["state"] = job["state"] != "Open", wanted
        if wanted == "Aborted":
            self._run(job, self.processed if closed else 0)
        return answer(_shown(job))

    def state(self, request: Request) -> Response:
        """Look at a job, which brings it on."""
        job = self._job(request)
        if job["state"] in ("UploadComplete", "InProgress"):
            job["_looks"] -= 1
            job["state"] = "InProgress"
            if job["_looks"] < 0:
                job["state"] = self.fails or "JobComplete"
                self._run(job, self.processed if self.fails else None)
        return answer(_shown(job))

    def listed(self) -> Response:
        """Every job."""
        return answer({"done": True, "records": [_shown(job) for job in self.jobs.values()], "nextRecordsUrl": None})

    def delete(self, request: Request) -> Response:
        """Forget a job that ended."""
        job = self._job(request)
        if job["state"] not in (*ENDED, "UploadComplete"):
            raise Refused("INVALIDJOBSTATE", f"a job that is {job['state']} cannot be deleted")
        del self.jobs[job["id"]]
        return Response(status_code=204)

    def results(self, request: Request, kind: str) -> Response:
        """The rows of one fate, with what was told of each in front."""
        job = self._job(request)
        if job["state"] not in ENDED:
            raise Refused("INVALIDJOBSTATE", "the job has not ended")
        told: list[list[str]] = job["_told"][kind]
        own = {"successful": ["sf__Id", "sf__Created"], "failed": ["sf__Id", "sf__Error"], "unprocessed": []}[kind]
        content = as_csv([[*own, *job.get("_header", [])], *reversed(told)], ENDS[job["lineEnding"]])
        return Response(content if "_header" in job else "", 200, media_type="text/csv")

    def _job(self, request: Request) -> Json:
        found = self.jobs.get(request.path_params["job"])
        if found is None:
            raise Refused("NOT_FOUND", "The requested resource does not exist")
        return found

    def _run(self, job: Json, most: int | None) -> None:
        """Process at most so many rows; a file that is wrong as a whole fails the job before the first."""
        wrong = self._wrong(job)
        if wrong and job["state"] != "Aborted":
            job["state"], job["errorMessage"] = "Failed", wrong
        rows = _rows(job)
        header: list[str] = rows.pop(0) if rows else []
        if header:
            job["_header"] = header
        most = 0 if wrong else len(rows) if most is None else most
        doubles = _doubles(rows, header, job)
        for row in rows[:most]:
            self._process(job, header, row, doubles)
        job["_told"]["unprocessed"] += rows[most:]
        if job["_told"]["successful"] and self.loses:
            del job["_told"]["successful"][: self.loses]
        failed = len(job["_told"]["failed"])
        job |= {"numberRecordsProcessed": min(most, len(rows)), "numberRecordsFailed": failed, "retries": 0}

    def _wrong(self, job: Json) -> str:
        header = (_rows(job) or [[]])[0]
        if job.get("_rows", "").partition("\n")[0].endswith("\r") and job["lineEnding"] == "LF":
            return "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"
        known = {name.lower() for name in self._org.records.fields[job["object"]]}
        strange = next((name for name in header if name.lower() not in known), None)
        key = {"upsert": job.get("externalIdFieldName"), "insert": None}.get(job["operation"], "Id")
        if strange is None and key is not None and key not in header:
            strange = key
        return "" if strange is None else f"InvalidBatch : Field name not found : {strange}"

    def _process(self, job: Json, header: list[str], row: list[str], doubles: set[str]) -> None:
        sent = {name: None if cell == _NULL else cell for name, cell in zip(header, row, strict=True) if cell != ""}
        resource, key = job["object"], str(job.get("externalIdFieldName") or "Id")
        try:
            if refused := self.refuses(sent):
                raise refused
            if str(sent.get(key, "")).lower() in doubles:
                raise Refused("DUPLICATE_VALUE", f"Duplicate external id specified: {sent[key]}", key)
            made, created = self._apply(job["operation"], resource, key, sent)
        except Refused as error:
            told = f"{error.code}:{error.message}:{','.join(error.fields)}{' ' if error.fields else ''}--"
            job["_told"]["failed"].append([str(sent.get("Id") or ""), told, *row])
            return
        job["_told"]["successful"].append([made["Id"], str(bool(created)).lower(), *row])

    def _apply(self, operation: str, resource: str, key: str, sent: Json) -> tuple[Json, bool | None]:
        if operation == "upsert":
            return self._org.upsert(resource, key, sent)
        if operation == "insert":
            return self._org.records.create(resource, self._org.records.check(resource, sent, None)), True
        if operation == "delete":
            return self._org.records.delete(resource, str(sent.get("Id"))), None
        return self._org.update(resource, sent)


_RESULTS = {
    "successfulResults": "successful",
    "failedResults": "failed",
    "unprocessedrecords": "unprocessed",
    "unprocessedRecords": "unprocessed",  # as simple-salesforce writes it
}


def _rows(job: Json) -> list[list[str]]:
    """Header and rows, as they were uploaded."""
    return [row for row in csv.reader(io.StringIO(job.get("_rows", ""), newline="")) if row]


def _doubles(rows: list[list[str]], header: list[str], job: Json) -> set[str]:
    """External ids that stand in more than one row."""
    key = job.get("externalIdFieldName")
    if key not in header:
        return set()
    seen = [row[header.index(key)].lower() for row in rows]
    return {one for one in seen if one and seen.count(one) > 1} if len(set(seen)) < len(seen) else set()


def _shown(job: Json) -> Json:
    return {name: value for name, value in job.items() if not name.startswith("_")}
