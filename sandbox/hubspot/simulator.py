"""The HubSpot simulator: paths, paging, batches with partial failures, search, webhooks it signs.

Dialect from HubSpot's OpenAPI files and recorded exchanges: object types go by plural, singular, upper case or type id;
a batch whose inputs all carry an `objectWriteTraceId` answers 207 per input, any other fails as a whole.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.hubspot.batch import Batches
from sandbox.hubspot.properties import SINGULAR, TYPE_IDS
from sandbox.hubspot.search import BadSearch, search
from sandbox.hubspot.store import PORTAL, Refused, Store, iso
from sandbox.simulator import Simulator, answer
from sandbox.state import Json, State

MAX_BATCH = 100
_NAMES = {spelt: kind for kind, one in SINGULAR.items() for spelt in (kind, one, TYPE_IDS[kind])}
_CATEGORIES = {
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    404: "OBJECT_NOT_FOUND",
    423: "LOCKED",
    429: "RATE_LIMITS",
}
_SIGNED_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class HubSpot(Simulator):
    """One HubSpot account."""

    system = "hubspot"
    files: ClassVar[Mapping[str, str]] = {
        name: name for name in ("contacts", "companies", "deals", "tickets", "owners")
    }

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.store = Store(self.state)
        self.batches = Batches(self.store, self._tell)
        self.refresh_token = "sandbox-hubspot-refresh"
        self.missing_scopes: set[str] = set()
        """Object types this token may not touch (403)."""

    def routes(self) -> list[BaseRoute]:
        """CRM v3 objects and properties, owners, associations v4, OAuth, account info."""
        objects, pairs = "/crm/v3/objects/{kind}", "/crm/v4/associations/{kind}/{other}/batch"
        return [
            Route(f"{objects}/search", self._guarded(self._search), methods=["POST"]),
            Route(f"{objects}/batch/{{verb}}", self._guarded(self._batch), methods=["POST"]),
            Route(f"{objects}/{{id}}", self._guarded(self._one), methods=["GET", "PATCH", "DELETE"]),
            Route(objects, self._guarded(self._all), methods=["GET", "POST"]),
            Route(f"{pairs}/read", self._guarded(self._associations), methods=["POST"]),
            Route(f"{pairs}/associate/default", self._guarded(self._associate), methods=["POST"]),
            Route(f"{pairs}/create", self._guarded(self._associate), methods=["POST"]),
            Route(f"{pairs}/archive", self._guarded(self._dissociate), methods=["POST"]),
            Route("/crm/v3/properties/{kind}/{name}", self._guarded(self._property), methods=["GET"]),
            Route("/crm/v3/properties/{kind}", self._guarded(self._properties), methods=["GET", "POST"]),
            Route("/crm/v3/owners/{id}", self._guarded(self._owner), methods=["GET"]),
            Route("/crm/v3/owners/", self._guarded(self._owners), methods=["GET"]),
            Route("/crm/v3/owners", self._guarded(self._owners), methods=["GET"]),
            Route("/account-info/v3/details", self._guarded(self._account), methods=["GET"]),
            Route("/oauth/v1/token", self._token, methods=["POST"]),
        ]

    def make(self, resource: str, **fields: Any) -> Json:
        """An object as if made in HubSpot's own screens; `company=`, `contact=`, `deal=` take ids to associate with."""
        n = self.state.serial(f"made_{resource}")
        if resource == "owners":
            return self._make_owner(n, fields)
        links = {kind: str(fields.pop(one)) for kind, one in SINGULAR.items() if str(fields.get(one, "")).isdigit()}
        if resource not in ("contacts",):
            fields = {"contacts": {}, "companies": {"name": f"Company {n}"}, "deals": {"dealname": f"Deal {n}"}}.get(
                resource, {"tickets": {"subject": f"Ticket {n}", "hs_pipeline_stage": "1"}}.get(resource, {})
            ) | fields
        made = self.store.create(resource, self.store.check(resource, fields, None))
        for other, other_id in links.items():
            self.store.associate(resource, made["id"], other, other_id)
        self._tell(resource, "creation", made)
        return self.store.show(resource, made, list(made["properties"]))

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Change an object as a person would in HubSpot's own screens."""
        target = self.store.find(resource, id)
        assert target is not None, f"no {resource} {id}"
        after, changed = self.store.update(resource, target, self.store.check(resource, fields, target))
        self.batches.tell_changes(resource, after, changed)
        return after

    def remove(self, resource: str, id: str) -> None:
        """Delete an object as a person would."""
        gone = self.store.archive(resource, id)
        if gone is not None:
            self._tell(resource, "deletion", gone)

    def load_record(self, resource: str, record: Json) -> bool:
        """Store one recorded object under its own id."""
        return super().load_record(resource, record) if resource == "owners" else self.store.load(resource, record)

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """HubSpot's error body."""
        told = {
            "status": "error",
            "message": message or ("You have reached your secondly limit." if status == 429 else f"simulated {status}"),
            "correlationId": str(uuid.uuid4()),
            "category": code or _CATEGORIES.get(status, "VALIDATION_ERROR" if status < 500 else "INTERNAL_ERROR"),
        }
        return answer(told, status)

    def authorize(self, request: Request) -> Response | None:
        """A bearer token, but for the token endpoint itself."""
        open_to_all = request.url.path == "/oauth/v1/token"
        return None if open_to_all or super().authorize(request) is None else self.error(401)

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """Signature v3 with the app's secret, over the URI as HubSpot decodes it."""
        stamp = str(self.state.now() // 1000)
        uri = _SIGNED_DECODED.sub(lambda found: chr(int(found[1], 16)), hook["url"])
        signed = b"POST" + uri.encode() + body + stamp.encode()
        digest = hmac.new(hook["secret"].encode(), signed, hashlib.sha256).digest()
        return {"X-HubSpot-Signature-v3": base64.b64encode(digest).decode(), "X-HubSpot-Request-Timestamp": stamp}

    # answering --------------------------------------------------------------------------------------------------------
    def _guarded(self, handler: Callable[[Request, Json], Response]) -> Callable[[Request], Any]:
        """A path's handler: object type, scopes, JSON body, refusals, rate headers."""

        async def handle(request: Request) -> Response:
            try:
                body = orjson.loads(await request.body() or b"{}")
            except orjson.JSONDecodeError:
                return self.error(400, "VALIDATION_ERROR", "Invalid input JSON")
            try:
                with self.state.lock:
                    response = handler(request, body)
            except Refused as refused:
                told = refused.as_json() | {"correlationId": str(uuid.uuid4())}
                response = answer(told, refused.status)
            response.headers["x-hubspot-correlation-id"] = str(uuid.uuid4())
            if not request.url.path.endswith("/search"):  # search answers carry no rate headers
                response.headers.update(
                    {
                        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
                        "X-HubSpot-RateLimit-Max": "110",
                        "X-HubSpot-RateLimit-Remaining": "107",
                    }
                )
            return response

        return handle

    def _kind(self, request: Request, part: str = "kind") -> str:
        kind = _NAMES.get(request.path_params[part].lower()) or _NAMES.get(f"{request.path_params[part].lower()}s")
        if kind is None:
            raise Refused(400, "VALIDATION_ERROR", "Unable to infer object type from: " + request.path_params[part])
        if kind in self.missing_scopes:
            scopes = [f"crm.objects.{kind}.read", f"crm.objects.{kind}.write"]
            told = "This app hasn't been granted all required scopes to make this call."
            raise Refused(403, "MISSING_SCOPES", told, requiredGranularScopes=scopes)
        return kind

    def _all(self, request: Request, body: Json) -> Response:
        kind = self._kind(request)
        if request.method == "POST":
            made = self.store.create(kind, self.store.check(kind, body.get("properties", {}), None))
            self._tell(kind, "creation", made)
            return answer(self.store.show_written(kind, made, body.get("properties", {})), 201)
        query = request.query_params
        limit = int(query.get("limit", 10))
        if not 1 <= limit <= 100:
            raise Refused(400, "VALIDATION_ERROR", "limit must be between 1 and 100")
        wanted, others = (
            _listed(query.getlist("properties")),
            [_NAMES[one] for one in _listed(query.getlist("associations"))],
        )
        archived = query.get("archived", "false").lower() == "true"
        after = int(query.get("after") or 0)
        rest = sorted(
            (int(obj["id"]), obj)
            for obj in self.state.all(kind)
            if obj["archived"] is archived and int(obj["id"]) > after
        )
        page: list[Json] = [obj for _, obj in rest[:limit]]
        told: Json = {"results": [self.store.show(kind, obj, wanted, others) for obj in page]}
        if len(rest) > limit:
            told["paging"] = {
                "next": {
                    "after": page[-1]["id"],
                    "link": f"https://api.hubapi.com{request.url.path}?after={page[-1]['id']}",
                }
            }
        return answer(told)

    def _one(self, request: Request, body: Json) -> Response:
        kind, id_property = self._kind(request), request.query_params.get("idProperty", "")
        target = self.store.find(kind, request.path_params["id"], id_property)
        if request.method == "DELETE":
            self.remove(kind, request.path_params["id"])
            return Response(status_code=204)
        if target is None:
            raise Refused(404, "OBJECT_NOT_FOUND", "Object not found.  objectId are usually numeric.")
        if request.method == "PATCH":
            after, changed = self.store.update(kind, target, self.store.check(kind, body.get("properties", {}), target))
            self.batches.tell_changes(kind, after, changed)
            return answer(self.store.show_written(kind, after, body.get("properties", {})))
        wanted = _listed(request.query_params.getlist("properties"))
        others = [_NAMES[one] for one in _listed(request.query_params.getlist("associations"))]
        return answer(self.store.show(kind, target, wanted, others))

    def _search(self, request: Request, body: Json) -> Response:
        kind = self._kind(request)
        lagging = self.state.visible(kind) if self.state.search_lag else self.state.all(kind)
        try:
            total, page, after = search(
                [obj for obj in lagging if not obj["archived"]], body, list(self.store.properties(kind))
            )
        except BadSearch as error:
            raise Refused(400, "VALIDATION_ERROR", str(error)) from None
        told: Json = {"total": total, "results": [self.store.show(kind, obj, body.get("properties")) for obj in page]}
        return answer(told | ({"paging": {"next": {"after": after}}} if after else {}))

    # batches ----------------------------------------------------------------------------------------------------------
    def _batch(self, request: Request, body: Json) -> Response:
        kind, verb, inputs = self._kind(request), request.path_params["verb"], body.get("inputs")
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= MAX_BATCH:
            raise Refused(400, "VALIDATION_ERROR", f"The maximum number of items is {MAX_BATCH}")
        if verb == "archive":
            for one in inputs:
                self.remove(kind, str(one["id"]))
            return Response(status_code=204)
        if verb == "read":
            results, errors = self.batches.read(kind, inputs, body.get("idProperty") or "", body.get("properties"))
            return self._batch_answer(results, errors)
        if verb not in ("create", "update", "upsert"):
            return self.error(404)
        fault = self.fault(request)
        spoil = fault.options if fault and fault.kind == "partial" else None
        results, errors = self.batches.write(kind, verb, inputs, spoil)
        if fault and fault.kind == "wrong_length":
            results = results[: -fault.options.get("missing", 1)]
        return self._batch_answer(results, errors, 201 if verb == "create" else 200)

    def _batch_answer(self, results: list[Json], errors: list[Json], status: int = 200) -> Response:
        now = iso(self.state.now())
        told: Json = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            told |= {"numErrors": len(errors), "errors": errors}
        return answer(told, 207 if errors else status)

    # associations -----------------------------------------------------------------------------------------------------
    def _associations(self, request: Request, body: Json) -> Response:
        kind, other = self._kind(request), self._kind(request, "other")
        results, errors = [], []
        for one in body.get("inputs", []):
            ids = self.store.associated(kind, str(one["id"]), other)
            kinds = [{"category": "HUBSPOT_DEFINED", "typeId": 1, "label": None}]
            if ids:
                to = [{"toObjectId": int(id), "associationTypes": kinds} for id in ids]
                results.append({"from": {"id": str(one["id"])}, "to": to})
            else:
                told = f"No {SINGULAR[other]} is associated with {SINGULAR[kind]} {one['id']}."
                refused = Refused(404, "OBJECT_NOT_FOUND", told, fromObjectId=[str(one["id"])])
                errors.append(refused.as_json() | {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"})
        return self._batch_answer(results, errors)

    def _associate(self, request: Request, body: Json) -> Response:
        kind, other = self._kind(request), self._kind(request, "other")
        results, errors = [], []
        for one in body.get("inputs", []):
            ends = str(one["from"]["id"]), str(one["to"]["id"])
            try:
                self.store.associate(kind, ends[0], other, ends[1])
            except Refused as refused:
                errors.append(refused.as_json())
                continue
            spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
            results.append({"from": {"id": ends[0]}, "to": {"id": ends[1]}, "associationSpec": spec})
        return self._batch_answer(results, errors)

    def _dissociate(self, request: Request, body: Json) -> Response:
        kind, other = self._kind(request), self._kind(request, "other")
        for one in body.get("inputs", []):
            for to in one["to"]:
                self.store.associate(kind, str(one["from"]["id"]), other, str(to["id"]), undo=True)
        return Response(status_code=204)

    # the rest ---------------------------------------------------------------------------------------------------------
    def _properties(self, request: Request, body: Json) -> Response:
        kind, now = self._kind(request), iso(self.state.now())
        if request.method == "POST":
            return answer(self.store.add_property(kind, body).as_json(kind, now), 201)
        return answer({"results": [prop.as_json(kind, now) for prop in self.store.properties(kind).values()]})

    def _property(self, request: Request, body: Json) -> Response:
        kind, name = self._kind(request), request.path_params["name"]
        prop = self.store.properties(kind).get(name)
        if prop is None:
            raise Refused(404, "OBJECT_NOT_FOUND", f'Property "{name}" does not exist')
        return answer(prop.as_json(kind, iso(self.state.now())))

    def _owners(self, request: Request, body: Json) -> Response:
        after, limit = int(request.query_params.get("after") or 0), int(request.query_params.get("limit", 100))
        rest = sorted((int(owner["id"]), owner) for owner in self._employed() if int(owner["id"]) > after)
        told: Json = {"results": [owner for _, owner in rest[:limit]]}
        return answer(told | ({"paging": {"next": {"after": str(rest[limit - 1][0])}}} if len(rest) > limit else {}))

    def _owner(self, request: Request, body: Json) -> Response:
        found = self.state.get("owners", request.path_params["id"])
        if found is None or found.get("archived"):
            raise Refused(404, "OBJECT_NOT_FOUND", "resource not found")
        return answer(found)

    def _employed(self) -> list[Json]:
        """The owners that a list without `archived=true` shows."""
        return [owner for owner in self.state.all("owners") if not owner.get("archived")]

    def _make_owner(self, n: int, fields: Mapping[str, Any]) -> Json:
        now, id = iso(self.state.now()), 30_000_000 + n
        names = {"email": f"owner{n}@example.com", "type": "PERSON", "firstName": "Owner", "lastName": str(n)}
        owner = {"id": str(id), **names, "userId": id, "userIdIncludingInactive": id, **fields}
        owner |= {"createdAt": now, "updatedAt": now, "archived": False}
        self.state.put("owners", owner["id"], owner)
        return owner

    def _account(self, request: Request, body: Json) -> Response:
        told = {"portalId": PORTAL, "accountType": "STANDARD", "timeZone": "US/Eastern", "companyCurrency": "USD"}
        more = {"additionalCurrencies": [], "utcOffset": "-04:00", "utcOffsetMilliseconds": -14_400_000}
        return answer(told | more | {"uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"})

    async def _token(self, request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&") if "=" in pair)
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return answer({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, 400)
        told = {
            "refresh_token": self.refresh_token,
            "access_token": self.token,
            "token_type": "bearer",
            "expires_in": 1800,
        }
        return answer(told)

    def _tell(self, kind: str, what: str, obj: Json, **more: Any) -> None:
        if not self.state.ids("_hooks"):
            return
        n = self.state.serial("events")
        event: Json = {
            "eventId": n,
            "subscriptionId": 1000 + len(what),
            "portalId": PORTAL,
            "appId": 4242,
            "occurredAt": self.state.now() // 1000,
            "subscriptionType": f"{SINGULAR[kind]}.{what}",
            "attemptNumber": 0,
            "objectId": int(obj["id"]),
            "changeSource": "CRM",
        }
        self.emit(event["subscriptionType"], [event | more])


def _listed(given: Sequence[str]) -> list[str]:
    """A query parameter given once with commas, or several times."""
    return [name for text in given for name in text.split(",") if name]
