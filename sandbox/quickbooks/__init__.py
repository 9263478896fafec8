"""QuickBooks Online's dialect on loopback: queries, CDC, batches, SyncTokens, rotating refresh tokens, two webhook formats.

Shapes are those of recorded exchanges (tests/sandbox); what was never recorded (CDC, batch, faults, tokens) is built
from the facts sheet. QuickBooks writes times in its own zone, with whole seconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.quickbooks import shapes
from sandbox.quickbooks.queries import select
from sandbox.quickbooks.rules import Refused, checked, merged
from sandbox.salesforce.soql import BadQuery, comparable
from sandbox.simulator import Simulator, answer
from sandbox.state import Json

BATCH = 30
_FAULTS = {401: ("3200", "AUTHENTICATION"), 403: ("3100", "AuthorizationFault"), 429: ("3001", "SERVICE")}


class QuickbooksSimulator(Simulator):
    """One company."""

    system: ClassVar[str] = "quickbooks"
    files: ClassVar[Mapping[str, str]] = {entity: name for name, entity in shapes.ENTITIES.items()}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.realm = shapes.REALM
        self.client = ("sandbox-client", "sandbox-client-secret")
        self.first_refresh = "sandbox-refresh-0"
        self.strict = False
        """A former refresh token is refused at once, though its successor was never used."""
        self.cloud_events = True
        self.cdc_most = 1000
        self.cdc_newest = False
        """The CDC shows the newest of too many changes, not the oldest."""
        self.names: set[str] = set()
        """Names of vendors and employees, in small letters: no customer may have them."""

    def routes(self) -> list[BaseRoute]:
        """Tokens, queries, changes, batches, single objects."""
        company = "/v3/company/{realm}"
        return [
            Route("/oauth2/v1/tokens/bearer", self._token, methods=["POST"]),
            Route(f"{company}/query", self._query, methods=["GET", "POST"]),
            Route(f"{company}/cdc", self._cdc, methods=["GET"]),
            Route(f"{company}/batch", self._batch, methods=["POST"]),
            Route(f"{company}/companyinfo/{{id}}", self._company, methods=["GET"]),
            Route(f"{company}/{{entity}}", self._write, methods=["POST"]),
            Route(f"{company}/{{entity}}/{{id}}", self._get, methods=["GET"]),
        ]

    # what people do ---------------------------------------------------------------------------------------------------
    def make(self, resource: str, **fields: Any) -> Json:
        """A new object, made in QuickBooks' own screens."""
        number = self.state.serial("_ids")
        made = {**shapes.blank(resource, number), **fields, "Id": str(fields.get("Id") or number), "SyncToken": "0"}
        now = self._time()
        made["MetaData"] = {"CreateTime": now, "LastUpdatedTime": now}
        self._put(resource, made, "Create")
        return made

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Edit an object in the screens."""
        before = self.state.get(resource, id)
        if before is None:
            raise KeyError(id)
        return self._touched(resource, {**before, **fields})

    def remove(self, resource: str, id: str) -> None:
        """Delete a transaction; the entries of lists can only be made inactive."""
        if resource in shapes.LISTS:
            raise NotImplementedError("list entries are made inactive, never deleted")
        entity = shapes.ENTITIES[resource]
        told = {"Id": id, "domain": "QBO", "status": "Deleted", "MetaData": {"LastUpdatedTime": self._time()}}
        self.state.put("_deleted", f"{entity}:{id}", told)
        self.state.delete(resource, id)
        self._tell(entity, id, "Delete")

    def merge(self, id: str, into: str) -> None:
        """Merge a customer into another one: it is gone."""
        self.state.delete("customers", id)
        self._tell("Customer", into, "Merge", gone=id)

    def load_record(self, resource: str, record: Json) -> bool:
        """A recorded object."""
        if not record.get("Id") or self.state.get(resource, str(record["Id"])) is not None:
            return False
        self.state.put(resource, str(record["Id"]), record)
        return True

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """`intuit-signature` by the verifier token."""
        made = hmac.new(str(hook["secret"]).encode(), body, hashlib.sha256).digest()
        return {"intuit-signature": base64.b64encode(made).decode()}

    def _put(self, resource: str, obj: Json, operation: str, key: str = "") -> Json:
        self.state.put(resource, obj["Id"], obj, key=key)
        self._tell(shapes.ENTITIES[resource], obj["Id"], operation)
        return obj

    def _touched(self, resource: str, obj: Json, key: str = "") -> Json:
        """The next version of an object."""
        token = str(int(obj.get("SyncToken") or 0) + 1)
        meta = {**(obj.get("MetaData") or {}), "LastUpdatedTime": self._time()}
        return self._put(resource, {**obj, "SyncToken": token, "MetaData": meta}, "Update", key)

    def _tell(self, entity: str, id: str, operation: str, gone: str = "") -> None:
        number = self.state.serial("_events")
        shape = shapes.cloud_event if self.cloud_events else shapes.notification
        now = shapes.time(self.state.now(), zone="UTC")
        self.emit(f"{entity}.{operation}", shape(self.realm, entity, id, operation, now, number, gone))

    def _time(self) -> str:
        return shapes.time(self.state.now())

    # answers ----------------------------------------------------------------------------------------------------------
    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """A Fault; a refused token's is written in small letters."""
        known, kind = _FAULTS.get(status, ("10000", "SystemFault") if status >= 500 else ("", "ValidationFault"))
        told = {
            "Message": message or f"simulated {status}",
            "Detail": "simulated",
            "code": code or known,
            "element": "",
        }
        if status == 401:
            small = {"error": [{name.lower(): value for name, value in told.items()}], "type": kind}
            return self._answer({"warnings": None, "intuitObject": None, "fault": small, "time": None}, status)
        return self._answer({"Fault": {"Error": [told], "type": kind}, "time": self._time()}, status)

    def authorize(self, request: Request) -> Response | None:
        """A bearer token, except where tokens are given."""
        if request.url.path == "/oauth2/v1/tokens/bearer":
            pair = base64.b64encode(":".join(self.client).encode()).decode()
            good = request.headers.get("authorization") == f"Basic {pair}"
            return None if good else answer({"error": "invalid_client"}, 401)
        return super().authorize(request) or self._foreign(request)

    def _foreign(self, request: Request) -> Response | None:
        ours = request.url.path.startswith(f"/v3/company/{self.realm}/")
        return None if ours else self.error(403, message="ApplicationAuthorizationFailed")

    def _answer(self, body: Json, status: int = 200) -> Response:
        return answer(body, status, {"intuit_tid": f"1-{self.state.serial('_tid'):08x}-sandbox"})

    def _fault(self, refused: Refused) -> Json:
        told = {"Message": refused.message, "Detail": refused.detail, "code": refused.code, "element": refused.element}
        return {"Fault": {"Error": [told], "type": "ValidationFault"}}

    # tokens -----------------------------------------------------------------------------------------------------------
    async def _token(self, request: Request) -> Response:
        asked = dict(urllib.parse.parse_qsl((await request.body()).decode()))
        known = self.state.recall("tokens") or {"current": self.first_refresh, "former": "", "count": 0}
        given = asked.get("refresh_token", "")
        if asked.get("grant_type") != "refresh_token" or given not in (known["current"], known["former"]) or not given:
            return answer({"error": "invalid_grant", "error_description": "Incorrect or invalid refresh token"}, 400)
        if given == known["former"] and self.strict:
            return answer({"error": "invalid_grant"}, 400)
        if given == known["current"]:  # the former one stays good until this one's successor is used
            count = known["count"] + 1
            known = {"current": f"sandbox-refresh-{count}", "former": given, "count": count}
            self.state.remember("tokens", known)
        told = {"access_token": self.token, "expires_in": 3600, "refresh_token": known["current"]}
        return self._answer({**told, "token_type": "bearer", "x_refresh_token_expires_in": 8_726_400})

    # reading ----------------------------------------------------------------------------------------------------------
    async def _query(self, request: Request) -> Response:
        text = request.query_params.get("query") or (await request.body()).decode()
        try:
            entity, rows, start = select(text, lambda resource: self.state.visible(resource))
        except BadQuery as bad:
            return self._answer(
                {**self._fault(Refused("4001", "QueryValidationError", str(bad))), "time": self._time()}, 400
            )
        if entity == "":
            return self._answer({"QueryResponse": {"totalCount": start}, "time": self._now()})
        found = {entity: rows, "startPosition": start, "maxResults": len(rows)} if rows else {}
        return self._answer({"QueryResponse": found, "time": self._now()})

    async def _cdc(self, request: Request) -> Response:
        since = comparable(request.query_params["changedSince"])
        parts = []
        for entity in request.query_params["entities"].split(","):
            resource = shapes.RESOURCES.get(entity)
            if resource is None:
                return self.error(400, "4001", f"{entity} is not known")
            prefix = f"{entity}:"
            gone = [self.state.get("_deleted", id) for id in self.state.ids("_deleted") if id.startswith(prefix)]
            rows = [row for row in (*self.state.all(resource), *(one for one in gone if one)) if _changed(row) >= since]
            rows.sort(key=_changed)
            rows = rows[-self.cdc_most :] if self.cdc_newest else rows[: self.cdc_most]
            found = {entity: rows[::-1] if self.cdc_newest else rows, "startPosition": 1, "maxResults": len(rows)}
            parts.append(found if rows else {})
        return self._answer({"CDCResponse": [{"QueryResponse": parts}], "time": self._now()})

    async def _company(self, request: Request) -> Response:
        info = {"CompanyName": "Sandbox Company", "Country": "US", "Id": "1", "SyncToken": "4", "domain": "QBO"}
        return self._answer({"CompanyInfo": info, "time": self._now()})

    async def _get(self, request: Request) -> Response:
        entity = shapes.BY_PATH.get(request.path_params["entity"], "")
        found = self.state.get(shapes.RESOURCES.get(entity, ""), request.path_params["id"])
        if found is None:
            return self._answer({**self._fault(Refused("610", "Object Not Found")), "time": self._now()}, 400)
        return self._answer({entity: found, "time": self._now()})

    def _now(self) -> str:
        return shapes.time(self.state.now(), milliseconds=True)

    # writing ----------------------------------------------------------------------------------------------------------
    async def _write(self, request: Request) -> Response:
        entity, body = shapes.BY_PATH.get(request.path_params["entity"], ""), orjson.loads(await request.body())
        if entity not in shapes.RESOURCES:
            return self.error(400, "2500", "Invalid Reference")
        kept = self._replayed(request, 50)
        if kept is None:
            verb = request.query_params.get("operation") or ("update" if body.get("Id") else "create")
            try:
                kept = {entity: self._applied(entity, verb, body), "time": self._now()}
            except Refused as refused:
                return self._answer({**self._fault(refused), "time": self._now()}, 400)
            self._remember(request, kept)
        return self._answer(kept)

    async def _batch(self, request: Request) -> Response:
        asked = orjson.loads(await request.body()).get("BatchItemRequest") or []
        if len(asked) > BATCH or any(len(str(one.get("bId"))) > 10 for one in asked):
            return self.error(400, "1040", "Batch request exceeds its limits")
        kept = self._replayed(request, 36)
        if kept is None:
            fault = self.fault(request)
            spoiled = fault.options.get("index") if fault is not None and fault.kind == "partial" else None
            told = [self._item(one, refuse=place == spoiled) for place, one in enumerate(asked)]
            kept = {"BatchItemResponse": told, "time": self._now()}
            self._remember(request, kept)
            if fault is not None and fault.kind == "wrong_length":
                kept = {**kept, "BatchItemResponse": told[: -fault.options.get("missing", 1)]}
        return self._answer(kept)

    def _item(self, asked: Json, *, refuse: bool) -> Json:
        entity = next((name for name in asked if name in shapes.RESOURCES), "")
        try:
            if refuse or not entity:
                raise Refused("6000", "A business validation error has occurred")
            return {entity: self._applied(entity, asked["operation"], asked[entity]), "bId": asked["bId"]}
        except Refused as refused:
            return {**self._fault(refused), "bId": asked["bId"]}

    def _applied(self, entity: str, verb: str, body: Json) -> Json:
        """Create, update or delete one object; raises Refused."""
        resource = shapes.RESOURCES[entity]
        if verb == "create":
            checked(entity, body, self._taken(resource, body, ""))
            fields = merged({}, body)
            return self.make(resource, **shapes.derived(entity, fields))
        before = self.state.get(resource, str(body.get("Id")))
        if before is None:
            raise Refused("610", "Object Not Found", "Something you're trying to use has been made inactive", "Id")
        if str(body.get("SyncToken")) != before["SyncToken"]:
            raise Refused("5010", "Stale Object Error", "You and another user were working on this at the same time")
        if verb == "delete":
            self.remove(resource, before["Id"])
            return {"Id": before["Id"], "domain": "QBO", "status": "Deleted"}
        checked(entity, body, self._taken(resource, body, before["Id"]))
        whole = (
            before if body.get("sparse") else {name: before[name] for name in ("Id", "SyncToken", "MetaData", "domain")}
        )
        return self._touched(resource, shapes.derived(entity, merged(whole, body)))

    def _taken(self, resource: str, body: Json, own: str) -> bool:
        """Whether another object, an inactive one too, has the name."""
        name = {"customers": "DisplayName", "items": "Name"}.get(resource, "")
        wanted = str(body.get(name) or "").lower()
        others = (one for one in self.state.all(resource) if one["Id"] != own) if name and wanted else ()
        return wanted in self.names or any(str(one.get(name)).lower() == wanted for one in others)

    def _replayed(self, request: Request, most: int) -> Json | None:
        """The first answer to a request id, whatever is in the body now."""
        id = request.query_params.get("requestid", "")
        if len(id) > most:
            return {
                "Fault": {"Error": [{"Message": "requestid is too long", "code": "2030"}], "type": "ValidationFault"}
            }
        kept: Json | None = self.state.recall(f"requestid:{id}") if id else None
        return kept

    def _remember(self, request: Request, kept: Json) -> None:
        if id := request.query_params.get("requestid"):
            self.state.remember(f"requestid:{id}", kept)


def _changed(row: Json) -> datetime:
    found: datetime = comparable(row["MetaData"]["LastUpdatedTime"])
    return found
