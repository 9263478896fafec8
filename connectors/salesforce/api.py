"""simple-salesforce over our HTTP layer: the SDK knows the paths and quotes the queries, we keep the bytes.

It is given a session id and the instance, never a login, because its own re-login recurses without end; our Auth puts
the real token on each request. It always writes https; the bridge keeps the base URL's own scheme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import requests
from simple_salesforce.api import Salesforce as Sdk
from simple_salesforce.bulk2 import JobState, LineEnding, Operation, ResultsType
from simple_salesforce.format import format_soql

from connectors.budget import Told
from connectors.http import Answer, Http
from connectors.sdk import RequestsAdapter
from kernel.errors import Stop

_NEXT = re.compile(r"/services/data/v\d+\.\d+/query(All)?/[\w-]+")
_ASKS = re.compile(r"(/composite/sobjects/\w+|/jobs/query)$")
_USAGE = re.compile(r"(?:^|[^-])api-usage=(\d+)/(\d+)")


def is_write(method: str, url: str) -> bool:
    """A collection's retrieve and a query job are a POST that changes nothing."""
    return method.upper() != "GET" and not (method.upper() == "POST" and _ASKS.search(url.split("?")[0]))


def pool_left(headers: httpx.Headers, share: float) -> list[Told]:
    """What every answer tells of the org's daily pool; `share` of it is ours and everybody's, the rest is nobody's."""
    usage = _USAGE.search(headers.get("sforce-limit-info", ""))
    if usage is None:
        return []
    most = int(int(usage[2]) * share)
    return [Told("daily", most - int(usage[1]), most=most)]


class _Client(Sdk):
    """The SDK, without its slow ordered parsing: our Answer parses the bytes, once and strictly."""

    def parse_result_to_json(self, result: requests.Response) -> Any:
        return result.content


class Org:
    """The calls this connector makes."""

    def __init__(self, http: Http, *, version: str) -> None:
        """One per connection."""
        self._http = http
        adapter = RequestsAdapter(http, is_write=is_write)
        self._bridge = adapter.bridge
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", adapter)
        self._sdk = _Client(session_id="-", instance_url=str(http.base_url), version=version, session=session)
        del self._sdk.headers["X-PrettyPrint"]
        self.path = f"/services/data/v{version}/"

    def query(self, soql: str, values: Mapping[str, Any], *, deleted: bool = False) -> Answer:
        """The first page of a query; `values` are quoted into it. `deleted` adds what is in the recycle bin."""
        return self._call(self._sdk.query, format_soql(soql, **values), include_deleted=deleted)

    def more(self, link: str) -> Answer:
        """The next page. A link that leads anywhere but into a query of this org stops the stream."""
        if not _NEXT.fullmatch(link):
            raise Stop(f"{self._http.connection}: a next-page link is no query", cause="foreign_host")
        return self._call(self._sdk.query_more, link, identifier_is_url=True)

    def query_job(self, soql: str, values: Mapping[str, Any]) -> Answer:
        """Begin a query whose answer is fetched when it is ready (Bulk API 2.0)."""
        body = orjson.dumps({"operation": "query", "query": format_soql(soql, **values), "lineEnding": "LF"})
        return self._call(self._sdk.restful, "jobs/query", method="POST", data=body)

    def query_state(self, job: str) -> Answer:
        """How far a query job is."""
        return self._call(self._sdk.restful, f"jobs/query/{quote(job, safe='')}")

    def query_results(self, job: str, locator: str, most: int) -> Answer:
        """At most so many rows of a finished query job, as CSV, from a locator on ("" from the beginning)."""
        params = {"maxRecords": most, **({"locator": locator} if locator else {})}
        path = f"{self.path}jobs/query/{quote(job, safe='')}/results"
        return self._http.get(path, params=params, headers={"Accept": "text/csv"}, raw=True)  # the SDK parses JSON only

    def ingest_job(self, resource: str, operation: Operation, key_field: str = "") -> Answer:
        """Make a job that takes rows; nothing is processed before it is closed (Bulk API 2.0)."""
        told = {"object": resource, "operation": operation, "contentType": "CSV", "lineEnding": LineEnding.LF}
        body = orjson.dumps(told | ({"externalIdFieldName": key_field} if key_field else {}))
        return self._call(self._sdk.restful, "jobs/ingest", method="POST", data=body)

    def ingest_rows(self, job: str, rows: bytes) -> Answer:
        """Upload a job's rows, all of them: it takes one file."""
        path, kind = (
            f"{self.path}jobs/ingest/{quote(job, safe='')}/batches",
            {"Content-Type": "text/csv; charset=UTF-8"},
        )
        return self._http.send("PUT", path, content=rows, headers=kind, write=True)

    def ingest_move(self, job: str, state: JobState) -> Answer:
        """Close a job, so that it is processed; or abort it."""
        body = orjson.dumps({"state": state})
        return self._call(self._sdk.restful, f"jobs/ingest/{quote(job, safe='')}", method="PATCH", data=body)

    def ingest_state(self, job: str) -> Answer:
        """How far a job is."""
        return self._call(self._sdk.restful, f"jobs/ingest/{quote(job, safe='')}")

    def ingest_results(self, job: str, kind: ResultsType) -> Answer:
        """The rows of one fate, as CSV."""
        name = "unprocessedrecords" if kind is ResultsType.unprocessed else kind.value  # as the guide spells it
        path = f"{self.path}jobs/ingest/{quote(job, safe='')}/{name}"
        return self._http.get(path, headers={"Accept": "text/csv"}, raw=True)  # the SDK parses JSON only

    def upsert(self, resource: str, key_field: str, records: Sequence[Mapping[str, Any]], trace_id: str) -> Answer:
        """Create or update by external id, each record for itself."""
        return self._write("PATCH", f"composite/sobjects/{resource}/{key_field}", records, trace_id)

    def update(self, records: Sequence[Mapping[str, Any]], trace_id: str) -> Answer:
        """Update by id, each record for itself."""
        return self._write("PATCH", "composite/sobjects", records, trace_id)

    def delete(self, ids: Sequence[str]) -> Answer:
        """Move to the recycle bin, each record for itself."""
        params = {"ids": ",".join(ids), "allOrNone": "false"}
        return self._call(self._sdk.restful, "composite/sobjects", params=params, method="DELETE")

    def retrieve(self, resource: str, ids: Sequence[str], fields: Sequence[str]) -> Answer:
        """Records by id, in order; null for one that is not there."""
        body = orjson.dumps({"ids": list(ids), "fields": list(fields)})
        return self._call(self._sdk.restful, f"composite/sobjects/{resource}", method="POST", data=body)

    def describe(self, resource: str) -> Answer:
        """An object's fields and permissions."""
        return self._call(self._sdk.restful, f"sobjects/{resource}/describe")

    def limits(self) -> Answer:
        """The org's pools."""
        return self._call(self._sdk.restful, "limits")

    def close(self) -> None:
        """Release the session."""
        self._sdk.session.close()

    def _write(self, method: str, path: str, records: Sequence[Mapping[str, Any]], trace_id: str) -> Answer:
        body = orjson.dumps({"allOrNone": False, "records": list(records)})
        self._bridge.trace_id = trace_id
        try:
            return self._call(self._sdk.restful, path, method=method, data=body)
        finally:
            self._bridge.trace_id = ""

    def _call(self, call: Any, *arguments: Any, **options: Any) -> Answer:
        call(*arguments, **options)
        return self._bridge.answer
