"""The Salesforce simulator: queries with locators, single records, collections with partial failures, describes.

Dialect from the REST API guide and recorded exchanges: errors are lists of {message, errorCode, fields}; collections
answer 200 whatever became of their records; every answer tells the org's usage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.salesforce import ingest, jobs
from sandbox.salesforce.records import Records, Refused, missing
from sandbox.salesforce.schema import DEFAULTS, PREFIXES, describe
from sandbox.salesforce.soql import BadQuery, Query, parse, select
from sandbox.simulator import Simulator, answer
from sandbox.state import Json, State

KEY_FIELD = "Throughline_Key__c"
MAX_COLLECTION, MAX_RETRIEVE, MAX_PAGE = 200, 2000, 2000
_BASE = "/services/data/v{version}"
_CODES = {401: "INVALID_SESSION_ID", 403: "REQUEST_LIMIT_EXCEEDED", 404: "NOT_FOUND", 503: "SERVER_UNAVAILABLE"}

Handler = Callable[[Request, Any], Response]


class Salesforce(Simulator):
    """One org."""

    system = "salesforce"
    files: ClassVar[Mapping[str, str]] = {
        name: name for name in ("Account", "Contact", "Lead", "Opportunity", "Case", "User")
    }

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.records = Records(self.state, KEY_FIELD)
        self.jobs, self.ingest = jobs.Jobs(self), ingest.Ingest(self)
        self.client = ("sandbox-client", "sandbox-secret")
        self.refresh_token = "sandbox-salesforce-refresh"
        self.daily_limit, self.used = 15_000, 0
        self.versions = [f"{number}.0" for number in range(42, 67)]
        self.page_size = MAX_PAGE
        """Rows of a query page; smaller ones make paging testable."""
        self.forbidden: set[str] = set()
        """Objects that the connection's user may not see: as if they were not there."""
        self.locators: dict[str, tuple[Query, list[Json]]] = {}

    def routes(self) -> list[BaseRoute]:
        """The REST resources of one version, and OAuth."""
        objects, collections = f"{_BASE}/sobjects/{{resource}}", f"{_BASE}/composite/sobjects"
        listed: list[tuple[str, Handler, list[str]]] = [
            (f"{_BASE}/query/{{locator}}", self._more, ["GET"]),
            (f"{_BASE}/queryAll/{{locator}}", self._more, ["GET"]),
            (f"{_BASE}/query", self._query, ["GET"]),
            (f"{_BASE}/queryAll", self._query, ["GET"]),
            (f"{_BASE}/limits/recordCount", self._counts, ["GET"]),
            (f"{_BASE}/limits", self._limits, ["GET"]),
            (f"{_BASE}/sobjects", self._global, ["GET"]),
            (f"{objects}/describe", self._describe, ["GET"]),
            (f"{objects}/{{field}}/{{value:path}}", self._by_external_id, ["GET", "PATCH"]),
            (f"{objects}/{{id}}", self._one, ["GET", "PATCH", "DELETE"]),
            (objects, self._create, ["POST"]),
            (f"{collections}/{{resource}}/{{field}}", self._upsert_many, ["PATCH"]),
            (f"{collections}/{{resource}}", self._retrieve, ["POST", "GET"]),
            (collections, self._many, ["POST", "PATCH", "DELETE"]),
            ("/services/data", self._versions, ["GET"]),
            *jobs.paths(self, _BASE),
            *ingest.paths(self, _BASE),
        ]
        routes = [
            Route(path + end, self._guarded(call), methods=verbs) for path, call, verbs in listed for end in ("", "/")
        ]
        return [*routes, Route("/services/oauth2/token", self._token, methods=["POST"])]

    def make(self, resource: str, **fields: Any) -> Json:
        """A record as if made in Salesforce's own screens."""
        n = self.state.serial(f"made_{resource}")
        usual: dict[str, Json] = {
            "Account": {"Name": f"Account {n}"},
            "Contact": {"LastName": f"Person {n}"},
            "Lead": {"LastName": f"Person {n}", "Company": f"Company {n}"},
            "Opportunity": {"Name": f"Deal {n}", "StageName": "Prospecting", "CloseDate": "2026-12-31"},
            "Case": {"Subject": f"Case {n}", "Origin": "Web"},
            "Product2": {"Name": f"Product {n}", "IsActive": True},
            "Task": {"Subject": "Call"},
            "User": {"Username": f"user{n}@example.com", "Email": f"user{n}@example.com", "LastName": f"User {n}"},
        }
        made = self.records.create(resource, self.records.check(resource, {**usual[resource], **fields}, None))
        return self._shown(resource, made, list(made))

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Change a record as a person would."""
        target = self.records.get(resource, id)
        assert target is not None, f"no {resource} {id}"
        return self.records.update(resource, target, self.records.check(resource, fields, target))

    def remove(self, resource: str, id: str) -> None:
        """Move a record to the recycle bin as a person would."""
        self.records.delete(resource, id)

    def load_record(self, resource: str, record: Json) -> bool:
        """Store one recorded record under its own id."""
        return self.records.load(resource, record)

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """Salesforce's error body: a list."""
        told = message or ("Session expired or invalid" if status == 401 else f"simulated {status}")
        return answer([{"message": told, "errorCode": code or _CODES.get(status, "UNKNOWN_EXCEPTION")}], status)

    def authorize(self, request: Request) -> Response | None:
        """A bearer token, but for the token endpoint itself."""
        open_to_all = request.url.path == "/services/oauth2/token"
        return None if open_to_all or super().authorize(request) is None else self.error(401)

    # answering --------------------------------------------------------------------------------------------------------
    def _guarded(self, handler: Handler) -> Callable[[Request], Any]:
        """A path's handler: version, daily pool, JSON body, refusals, usage header."""

        async def handle(request: Request) -> Response:
            self.used += 1
            if self.used > self.daily_limit:
                return self.error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            if request.path_params.get("version", self.versions[-1]) not in self.versions:
                return self.error(404)
            try:
                sent, rows = await request.body(), request.headers.get("content-type", "").startswith("text/csv")
                body = sent.decode() if rows else orjson.loads(sent or b"{}")
                with self.state.lock:
                    response = handler(request, body)
            except orjson.JSONDecodeError:
                response = self.error(400, "JSON_PARSER_ERROR", "Unexpected character")
            except Refused as refused:
                status = 404 if refused.code == "NOT_FOUND" else 400
                told = {"message": refused.message, "errorCode": refused.code}
                response = answer([told | ({"fields": refused.fields} if refused.fields else {})], status)
            except BadQuery as error:
                response = self.error(400, error.code, str(error))
            response.headers["Sforce-Limit-Info"] = f"api-usage={self.used}/{self.daily_limit}"
            response.headers["X-Request-Id"] = f"{self.used:032x}"
            return response

        return handle

    def _resource(self, request: Request) -> str:
        name: str = request.path_params["resource"]
        if name not in DEFAULTS or name in self.forbidden:
            raise Refused("NOT_FOUND", "The requested resource does not exist")
        return name

    def _shown(self, resource: str, record: Json, names: Sequence[str]) -> Json:
        """A record with its attributes and these fields, relationships nested."""
        url = f"/services/data/v62.0/sobjects/{resource}/{record['Id']}"
        shown: Json = {"attributes": {"type": resource, "url": url}}
        for name in names:
            value = self.records.value(resource, record, name)
            head, _, rest = name.partition(".")
            if not rest:
                shown[head] = value
            elif value is None and shown.get(head) is None:
                shown[head] = None
            else:
                nested = shown.get(head) or {"attributes": {"type": head, "url": ""}}
                shown[head] = nested | {rest: value}
        return shown

    # queries ----------------------------------------------------------------------------------------------------------
    def found(self, soql: str, *, deleted: bool) -> tuple[Query, list[Json]]:
        """A query and the records it finds. Raises BadQuery and Refused."""
        query = parse(soql)
        known = {
            name.lower(): name for name in [*self.records.fields, "RecordType", "Profile"] if name not in self.forbidden
        }
        if query.resource.lower() not in known:
            raise BadQuery(f"sObject type '{query.resource}' is not supported.", "INVALID_TYPE")
        query.resource = resource = known[query.resource.lower()]
        records = [one for one in self.state.all(resource) if deleted or not one.get("IsDeleted")]
        if resource not in self.records.fields:
            records = []
        for name in [*query.fields, *query.named] if resource in self.records.fields else []:
            self.records.value(resource, {"Id": ""}, name)
        return query, select(query, records, lambda record, name: self.records.value(resource, record, name))

    def _query(self, request: Request, body: Any) -> Response:
        query, found = self.found(request.query_params.get("q", ""), deleted="queryAll" in request.url.path)
        if query.count == "*":
            return answer({"totalSize": len(found), "done": True, "records": []})
        if query.count:
            row = {"attributes": {"type": "AggregateResult"}, "expr0": len(found)}
            return answer({"totalSize": 1, "done": True, "records": [row]})
        locator = f"01gSB{self.state.serial('locators'):010d}AAA"
        self.locators[locator] = query, found
        for old in list(self.locators)[:-100]:
            del self.locators[old]
        return self._page(request, locator, 0)

    def _more(self, request: Request, body: Any) -> Response:
        locator, _, start = request.path_params["locator"].rpartition("-")
        if locator not in self.locators or not start.isdigit():
            raise BadQuery("invalid query locator", "INVALID_QUERY_LOCATOR")
        return self._page(request, locator, int(start))

    def _page(self, request: Request, locator: str, start: int) -> Response:
        query, found = self.locators[locator]
        size = self.page_size
        wanted = request.headers.get("sforce-query-options", "")
        if wanted.startswith("batchSize="):
            size = min(max(int(wanted.removeprefix("batchSize=")), 200), MAX_PAGE)
        rows = [self._shown(query.resource, record, query.fields) for record in found[start : start + size]]
        done = start + size >= len(found)
        told: Json = {"totalSize": len(found), "done": done, "records": rows}
        if not done:
            told["nextRecordsUrl"] = f"/services/data/v{request.path_params['version']}/query/{locator}-{start + size}"
        return answer(told)

    # single records ---------------------------------------------------------------------------------------------------
    def _create(self, request: Request, body: Any) -> Response:
        resource = self._resource(request)
        made = self.records.create(resource, self.records.check(resource, body, None))
        return answer({"id": made["Id"], "success": True, "errors": []}, 201)

    def _one(self, request: Request, body: Any) -> Response:
        resource, id = self._resource(request), request.path_params["id"]
        found = self.records.get(resource, id)
        if found is None:
            raise Refused("NOT_FOUND", "The requested resource does not exist")
        if request.method == "GET":
            wanted = [name for name in request.query_params.get("fields", "").split(",") if name]
            return answer(self._shown(resource, found, wanted or list(self.records.fields[resource])))
        if request.method == "DELETE":
            self.records.delete(resource, found["Id"])
        else:
            self.records.update(resource, found, self.records.check(resource, body, found))
        return Response(status_code=204)

    def _by_external_id(self, request: Request, body: Any) -> Response:
        resource, name = self._resource(request), request.path_params["field"]
        found = self.records.by_external_id(resource, name, request.path_params["value"])
        if len(found) > 1:
            return answer([f"/services/data/v62.0/sobjects/{resource}/{one['Id']}" for one in found], 300)
        if request.method == "GET":
            if not found:
                raise Refused("NOT_FOUND", "Provided external ID field does not exist or is not accessible")
            return answer(self._shown(resource, found[0], list(self.records.fields[resource])))
        made, created = self._put(resource, name, {**body, name: request.path_params["value"]}, found)
        return answer({"id": made["Id"], "success": True, "errors": [], "created": created}, 201 if created else 200)

    def _put(self, resource: str, name: str, sent: Json, found: Sequence[Json]) -> tuple[Json, bool]:
        """(record, created)."""
        key, sent = str(sent.get(name) or ""), {n: v for n, v in sent.items() if n.lower() != "id"}
        if found:
            return self.records.update(resource, found[0], self.records.check(resource, sent, found[0]), key=key), False
        return self.records.create(resource, self.records.check(resource, sent, None), key=key), True

    # collections ------------------------------------------------------------------------------------------------------
    def _each(self, request: Request, records: Any, apply: Callable[[Json], tuple[Json, bool | None]]) -> Response:
        """The outcome of each record, in order; the fault switches `partial` and `wrong_length` spoil it."""
        if not isinstance(records, list) or len(records) > MAX_COLLECTION:
            raise Refused("INVALID_INPUT", f"The request may contain at most {MAX_COLLECTION} records")
        fault, told = self.fault(request), list[Json]()
        for place, one in enumerate(records):
            try:
                if fault and fault.kind == "partial" and place == fault.options.get("index", 0):
                    raise Refused(
                        fault.options.get("code", "UNABLE_TO_LOCK_ROW"), fault.options.get("message", "simulated")
                    )
                made, created = apply(one)
            except Refused as refused:
                row: Json = {"success": False, "errors": [refused.as_json()]}
                told.append(row | ({"created": False} if request.path_params.get("field") else {}))
                continue
            told.append(
                {"id": made["Id"], "success": True, "errors": []} | ({} if created is None else {"created": created})
            )
        if fault and fault.kind == "wrong_length":
            told = told[: -fault.options.get("missing", 1)]
        return answer(told)

    def _many(self, request: Request, body: Any) -> Response:
        if request.method == "DELETE":
            ids = [one for one in request.query_params.get("ids", "").split(",") if one]
            return self._each(request, [{"id": one} for one in ids], self._delete_one)
        return self._each(
            request, body.get("records"), self._create_one if request.method == "POST" else self._update_one
        )

    def _upsert_many(self, request: Request, body: Any) -> Response:
        resource, name = self._resource(request), request.path_params["field"]
        keys = [str(one.get(name) or "").lower() for one in body.get("records", [])]

        def apply(one: Json) -> tuple[Json, bool]:
            resource_told, sent = _split(one)
            key = str(sent.get(name) or "")
            if resource_told != resource:
                raise Refused("INVALID_TYPE", "all records must be of the type in the URL")
            if not key and name != "Id":
                raise Refused("MISSING_ARGUMENT", f"{name} not specified")
            if key and keys.count(key.lower()) > 1:
                raise Refused("DUPLICATE_VALUE", f"Duplicate external id specified: {key}", name)
            return self.upsert(resource, name, sent)

        return self._each(request, body.get("records"), apply)

    def _create_one(self, one: Json) -> tuple[Json, None]:
        resource, sent = _split(one)
        return self.records.create(resource, self.records.check(resource, sent, None)), None

    def _update_one(self, one: Json) -> tuple[Json, None]:
        return self.update(*_split(one))

    def upsert(self, resource: str, name: str, sent: Json) -> tuple[Json, bool]:
        """Create or update by an external id; (record, created). Raises Refused."""
        key = str(sent.get(name) or "")
        found = self.records.by_external_id(resource, name, key)
        if len(found) > 1:
            raise Refused("DUPLICATE_EXTERNAL_ID", f"{name}: more than one record found for external id field", name)
        if name == "Id" and key and not found:
            raise missing()
        return self._put(resource, name, sent, found)

    def update(self, resource: str, sent: Json) -> tuple[Json, None]:
        """Update by id. Raises Refused."""
        id = str(next((value for name, value in sent.items() if name.lower() == "id"), ""))
        found = self.records.get(resource, id)
        if found is None:
            there = self.state.get(resource, id) is not None
            raise Refused("ENTITY_IS_DELETED", "entity is deleted") if there else missing()
        return self._put(resource, "Id", sent, [found])[0], None

    def _delete_one(self, one: Json) -> tuple[Json, None]:
        resource = next((name for name, prefix in PREFIXES.items() if str(one["id"]).startswith(prefix)), "")
        if resource not in DEFAULTS:
            raise missing()
        return self.records.delete(resource, str(one["id"])), None

    def _retrieve(self, request: Request, body: Any) -> Response:
        resource, query = self._resource(request), request.query_params
        ids = body.get("ids") or query.get("ids", "").split(",")
        names = body.get("fields") or query.get("fields", "").split(",")
        if len(ids) > MAX_RETRIEVE:
            raise Refused("INVALID_INPUT", f"The request may contain at most {MAX_RETRIEVE} ids")
        found = [self.records.get(resource, one) for one in ids]
        return answer([self._shown(resource, one, names) if one else None for one in found])

    # the rest ---------------------------------------------------------------------------------------------------------
    def _describe(self, request: Request, body: Any) -> Response:
        resource = self._resource(request)
        return answer(describe(resource, self.records.fields[resource]))

    def _global(self, request: Request, body: Any) -> Response:
        told = [describe(name, {}) for name in self.records.fields]
        rows = [{name: value for name, value in one.items() if name != "fields"} for one in told]
        return answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": rows})

    def _limits(self, request: Request, body: Any) -> Response:
        daily = {"Max": self.daily_limit, "Remaining": self.daily_limit - self.used}
        pools = ("DailyBulkApiBatches", "DailyBulkV2QueryJobs", "DataStorageMB", "FileStorageMB")
        return answer({"DailyApiRequests": daily} | {name: {"Max": 15_000, "Remaining": 15_000} for name in pools})

    def _counts(self, request: Request, body: Any) -> Response:
        names = [name for name in request.query_params.get("sObjects", "").split(",") if name in self.records.fields]
        counts = [{"count": len(self.state.ids(name)), "name": name} for name in names]
        return answer({"sObjects": [one for one in counts if one["count"]]})

    def _versions(self, request: Request, body: Any) -> Response:
        told = [{"label": f"Release {one}", "url": f"/services/data/v{one}", "version": one} for one in self.versions]
        return answer(told)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        client = form.get("client_id") == self.client[0] and form.get("client_secret") == self.client[1]
        by_refresh = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == self.refresh_token
        if not by_refresh and not (form.get("grant_type") == "client_credentials" and client):
            return answer({"error": "invalid_grant", "error_description": "authentication failure"}, 400)
        told = {"access_token": self.token, "instance_url": self.base_url, "token_type": "Bearer"}
        return answer(
            told | {"issued_at": str(self.state.now() // 1000), "signature": "", "id": f"{self.base_url}/id/00D/005"}
        )


def _split(one: Json) -> tuple[str, Json]:
    """(type, fields) of a record in a collection."""
    kind = str((one.get("attributes") or {}).get("type"))
    if kind not in DEFAULTS:
        told = "Nested object for polymorphic foreign key must have an attributes field before any other fields."
        raise Refused("JSON_PARSER_ERROR", told)
    return kind, {name: value for name, value in one.items() if name != "attributes"}
