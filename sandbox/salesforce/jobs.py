"""Bulk API 2.0 of the simulated org: query jobs and their results as CSV.

Dialect from the Bulk API 2.0 guide: a job goes UploadComplete, InProgress, JobComplete (or Failed, Aborted); results
come from a locator on, the next one in the header `Sforce-Locator` ("null" at the end); a time ends with Z in CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.salesforce.records import Refused, iso
from sandbox.salesforce.soql import parse
from sandbox.simulator import answer
from sandbox.state import Json

if TYPE_CHECKING:
    from sandbox.salesforce.simulator import Salesforce

Handler = Callable[[Request, Any], Response]
ENDS = {"LF": "\n", "CRLF": "\r\n"}
_ENDED = ("JobComplete", "Failed", "Aborted")


def paths(org: Salesforce, base: str) -> list[tuple[str, Handler, list[str]]]:
    """The resources of jobs; an org made anew behind its port has other jobs."""
    one = f"{base}/jobs/query/{{job}}"
    return [
        (f"{one}/results", lambda request, body: org.jobs.results(request), ["GET"]),
        (one, lambda request, body: org.jobs.state(request), ["GET"]),
        (f"{base}/jobs/query", lambda request, body: org.jobs.query(body), ["POST"]),
    ]


class Jobs:
    """The org's jobs, by id."""

    def __init__(self, org: Salesforce) -> None:
        """`looks`: how often a job is looked at before it is complete. `fails`: what newly made jobs end as. `most`: rows on a page."""
        self._org, self.looks, self.fails, self.most = org, 2, "", 50_000
        self.allowed = True
        self.begun: list[str] = []
        self.jobs: dict[str, Json] = {}
        self.rows: dict[str, list[list[str]]] = {}

    def drop(self) -> None:
        """Forget every job, as after seven days."""
        self.jobs.clear()
        self.rows.clear()

    def query(self, body: Json) -> Response:
        """Make a query job."""
        query = parse(str(body.get("query", "")))
        if not self.allowed:
            raise Refused("FEATURENOTENABLED", "Bulk API is not enabled for this organization")
        if query.count or query.offset or body.get("operation") not in ("query", "queryAll"):
            raise Refused("INVALIDJOB", "the query is not supported by Bulk API 2.0")
        return self._made(body | {"object": query.resource}, "UploadComplete")

    def _made(self, body: Json, state: str) -> Response:
        number = self._org.state.serial("jobs")
        job = {
            "id": f"750SB{number:010d}AAA",
            "operation": body["operation"],
            "object": body["object"],
            "createdDate": iso(self._org.state.now()),
            "state": state,
            "lineEnding": body.get("lineEnding", "LF"),
            "columnDelimiter": body.get("columnDelimiter", "COMMA"),
            "contentType": "CSV",
            "concurrencyMode": "Parallel",
            "apiVersion": 62.0,
        }
        self.begun.append(job["id"])
        self.jobs[job["id"]] = {**job, "_body": body, "_looks": self.looks}
        return answer(job)

    def _job(self, request: Request) -> Json:
        found = self.jobs.get(request.path_params["job"])
        if found is None:
            raise Refused("NOT_FOUND", "The requested resource does not exist")
        return found

    def state(self, request: Request) -> Response:
        """Look at a job, which brings it on."""
        job = self._job(request)
        if job["state"] not in (*_ENDED, "Open"):
            job["_looks"] -= 1
            job["state"] = "InProgress"
            if job["_looks"] < 0:
                self._end(job)
        return answer({name: value for name, value in job.items() if not name.startswith("_")})

    def _end(self, job: Json) -> None:
        job["state"] = self.fails or "JobComplete"
        if job["state"] != "JobComplete":
            job["errorMessage"] = "InternalServerError: simulated"
            return
        query, found = self._org.found(job["_body"]["query"], deleted=job["operation"] == "queryAll")
        rows = [[_text(self._org.records.value(query.resource, one, name)) for name in query.fields] for one in found]
        self.rows[job["id"]] = [list(query.fields), *rows]
        job["numberRecordsProcessed"] = len(rows)

    def results(self, request: Request) -> Response:
        """A page of rows."""
        job = self._job(request)
        if job["state"] != "JobComplete":
            raise Refused("INVALIDJOBSTATE", "the job is not complete")
        header, *rows = self.rows[job["id"]]
        locator, most = (
            request.query_params.get("locator", "MA"),
            int(request.query_params.get("maxRecords", self.most)),
        )
        most = min(most, self.most)
        if not locator.startswith("MA"):
            raise Refused("INVALIDLOCATOR", "the locator is invalid")
        start = int(locator[2:] or 0)
        shown, more = rows[start : start + most], start + most < len(rows)
        told = {"Sforce-NumberOfRecords": str(len(shown)), "Sforce-Locator": f"MA{start + most}" if more else "null"}
        return Response(as_csv([header, *shown], ENDS[job["lineEnding"]]), 200, told, "text/csv")


def as_csv(rows: Sequence[Sequence[str]], end: str = "\n") -> str:
    """Rows as Salesforce writes them: every cell quoted."""
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f"{text[:-5]}Z" if text.endswith("+0000") else text
