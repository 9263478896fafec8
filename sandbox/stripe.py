"""Stripe's dialect: form-encoded requests, lists by object id, events, idempotency keys, signed webhooks."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox import stripe_shapes as shapes
from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json
from sandbox.stripe_dialect import FILTERS, bound, cleared, cut, decoded, known, matches, merge

DAY = 86_400
KEPT = 30 * DAY
API_VERSION = "2026-10-28.endive"

PREFIX = {
    "customers": "cus",
    "products": "prod",
    "prices": "price",
    "invoices": "in",
    "payment_intents": "pi",
    "charges": "ch",
    "subscriptions": "sub",
    "refunds": "re",
}
SINGULAR = {name: name[:-1] for name in PREFIX}
_PLURAL = {singular: name for name, singular in SINGULAR.items()}
_EVENT = {**SINGULAR, "subscriptions": "customer.subscription"}
_DELETABLE = ("customers", "products", "prices")
_STATUS_EVENTS = {
    ("invoices", "open"): "invoice.finalized",
    ("invoices", "paid"): "invoice.paid",
    ("invoices", "void"): "invoice.voided",
    ("invoices", "uncollectible"): "invoice.marked_uncollectible",
    ("payment_intents", "succeeded"): "payment_intent.succeeded",
    ("payment_intents", "canceled"): "payment_intent.canceled",
    ("payment_intents", "processing"): "payment_intent.processing",
    ("payment_intents", "requires_action"): "payment_intent.requires_action",
    ("subscriptions", "canceled"): "customer.subscription.deleted",
}


class StripeSimulator(Simulator):
    """One Stripe account."""

    system: ClassVar[str] = "stripe"
    files: ClassVar[Mapping[str, str]] = {
        "customer": "customers",
        "product": "products",
        "invoice": "invoices",
        "payment_intent": "payment_intents",
        "subscription": "subscriptions",
        "fixture_objects": "*",
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.token = "sk_test_sandbox"
        self.forbidden: set[str] = set()
        """Resources the key may not read: a restricted key."""
        self._sorted: dict[str, tuple[int, list[Json]]] = {}

    def routes(self) -> list[BaseRoute]:
        """The paths of the types above, events, and the embedded lists."""
        return [
            Route("/v1/invoices/{id}/lines", self._lines, methods=["GET"]),
            Route("/v1/subscription_items", self._items, methods=["GET"]),
            Route("/v1/events", self._events, methods=["GET"]),
            Route("/v1/{resource}", self._collection, methods=["GET", "POST"]),
            Route("/v1/{resource}/{id:path}", self._single, methods=["GET", "POST", "DELETE"]),
        ]

    # seeding ----------------------------------------------------------------------------------------------------------
    def make(self, resource: str, **fields: Any) -> Json:
        """A new object with its event; `created` may be given, `lines=[amount, …]` for an invoice."""
        now = int(fields.get("created", self.state.now() // SECOND))
        id = str(fields.pop("id", "") or f"{PREFIX[resource]}_{self.state.serial(resource):014d}")
        obj = self._blank(resource, id, now, fields)
        merge(obj, fields)
        self._store(resource, obj, f"{_EVENT[resource]}.created")
        return obj

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Change an object as a person would in the dashboard, with the events Stripe sends for it."""
        before = self.state.get(resource, id)
        if before is None:
            raise KeyError(id)
        obj = orjson.loads(orjson.dumps(before))
        merge(obj, fields)
        if "updated" in obj:
            obj["updated"] = self.state.now() // SECOND
        for event in self._events_for(resource, before, obj):
            self._store(resource, obj, event)
        return dict(obj)

    def remove(self, resource: str, id: str, key: str = "") -> Json:
        """Delete an object. A deleted customer stays known as deleted, other objects do not."""
        obj = self.state.get(resource, id)
        gone = {"id": id, "object": SINGULAR[resource], "deleted": True}
        if resource == "customers":
            self.state.put("_deleted", id, gone)
        self.state.delete(resource, id, key=key)
        self._event(f"{_EVENT[resource]}.deleted", obj or gone, "")
        return gone

    def load_record(self, resource: str, record: Json) -> bool:
        """Recorded objects, without events: they are older than what happens now. Tombstones become known ids."""
        resource = _PLURAL.get(str(record.get("object")), "") if resource == "*" else resource
        if not resource:
            return False
        if record.get("deleted"):
            self.state.put("_deleted", str(record["id"]), record)
            return False
        return super().load_record(resource, record)

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """`Stripe-Signature` with the endpoint's secret."""
        stamp = str(self.state.now() // SECOND)
        mac = hmac.new(hook["secret"].encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={stamp},v1={mac}"}

    def _blank(self, resource: str, id: str, now: int, fields: Json) -> Json:
        if resource == "subscriptions":
            plan = self.state.get("prices", str(fields.pop("price", "")))
            return shapes.subscription(id, now, plan or shapes.price("price_none", now))
        blank: Callable[[str, int], Json] = getattr(shapes, SINGULAR[resource])
        obj = blank(id, now)
        if resource == "invoices" and "lines" in fields:
            amounts, currency = fields.pop("lines"), fields.get("currency", "usd")
            entries = [
                shapes.line(f"il_{id[3:]}{n:03d}", now, id, amount, currency) for n, amount in enumerate(amounts)
            ]
            obj["lines"] |= {"data": entries, "total_count": len(entries)}
            due = sum(amounts)
            obj |= {"amount_due": due, "amount_remaining": due, "total": due, "subtotal": due}
        return obj

    def _events_for(self, resource: str, before: Json, after: Json) -> Iterator[str]:
        status = str(after.get("status"))
        if before.get("status") != status and (resource, status) in _STATUS_EVENTS:
            yield _STATUS_EVENTS[resource, status]
        if resource == "charges" and after["amount_refunded"] != before["amount_refunded"]:
            yield "charge.refunded"
        if resource != "payment_intents":  # an edited payment intent alone tells nobody
            yield f"{_EVENT[resource]}.updated"

    def _store(self, resource: str, obj: Json, event: str, key: str = "") -> None:
        self.state.put(resource, str(obj["id"]), obj, key=key)
        self._event(event, obj, key)

    def _event(self, kind: str, obj: Json, key: str) -> None:
        id = f"evt_{self.state.serial('events'):014d}"
        event = {
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.state.now() // SECOND,
            "data": {"object": obj},
            "livemode": False,
            "pending_webhooks": len(self.state.ids("_hooks")),
            "request": {"id": None, "idempotency_key": key or None},
            "type": kind,
        }
        self.state.put("events", id, event)
        self.emit(kind, event)

    # answering --------------------------------------------------------------------------------------------------------
    def error(self, status: int, code: str = "", message: str = "", param: str = "") -> Response:
        """`{"error": {…}}` with Stripe's types and codes."""
        if status == 401:
            return self._answer(
                {"error": {"message": "Invalid API Key provided", "type": "invalid_request_error"}}, 401
            )
        kind = (
            "api_error" if status >= 500 else "idempotency_error" if code == "idempotency" else "invalid_request_error"
        )
        told = {"message": message or f"Simulated {status}", "type": kind}
        code = code or {429: "rate_limit"}.get(status, "")
        if code and code != "idempotency":
            told |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
        if param:
            told["param"] = param
        return self._answer({"error": told}, status)

    def authorize(self, request: Request) -> Response | None:
        """The key as a bearer token; a restricted key may lack resources."""
        refusal = super().authorize(request)
        resource = request.url.path.split("/")[2] if request.url.path.count("/") > 1 else ""
        if refusal is None and resource in self.forbidden:
            return self.error(403, "", "The provided key does not have the required permissions for this endpoint")
        return refusal

    def _answer(self, data: Any, status: int = 200, **headers: str) -> Response:
        number = f"req_{len(self.calls):012d}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return answer(data, status, {"Request-Id": number, "Stripe-Version": API_VERSION, **named})

    def _missing(self, resource: str, id: str, status: int = 404, param: str = "id") -> Response:
        return self.error(status, "resource_missing", f"No such {SINGULAR.get(resource, 'object')}: '{id}'", param)

    async def _collection(self, request: Request) -> Response:
        resource = request.path_params["resource"]
        if resource not in PREFIX:
            return self.error(404, "", f"Unrecognized request URL ({request.method}: {request.url.path}).")
        if request.method == "GET":
            return self._list(request, resource, self._newest_first(resource), request.url.path)
        return await self._keyed(request, lambda params, key: self._create(resource, params, key))

    async def _single(self, request: Request) -> Response:
        resource, id = request.path_params["resource"], request.path_params["id"]
        obj = self.state.get(resource, id)
        if request.method == "GET" and resource == "customers" and obj is None:
            gone = self.state.get("_deleted", id)
            return self._answer(gone) if gone else self._missing(resource, id)
        if obj is None or resource not in PREFIX:
            return self._missing(resource, id)
        if request.method == "GET":
            return self._answer(cut(obj))
        if request.method == "DELETE":
            return self._delete(resource, id)
        return await self._keyed(request, lambda params, key: self._update(resource, id, params, key))

    def _create(self, resource: str, params: Json, key: str) -> Response:
        now = self.state.now() // SECOND
        id = f"{PREFIX[resource]}_{self.state.serial(resource):014d}"
        fields = cleared(params)
        obj = self._blank(resource, id, now, fields)
        merge(obj, fields)
        self._store(resource, obj, f"{_EVENT[resource]}.created", key)
        return self._answer(cut(obj))

    def _update(self, resource: str, id: str, params: Json, key: str) -> Response:
        before = self.state.get(resource, id)
        if before is None:
            return self._missing(resource, id)
        obj = orjson.loads(orjson.dumps(before))
        merge(obj, cleared(params))
        if obj != before:
            self._store(resource, obj, f"{_EVENT[resource]}.updated", key)
        return self._answer(cut(obj))

    def _delete(self, resource: str, id: str) -> Response:
        if resource == "subscriptions":
            now = self.state.now() // SECOND
            return self._answer(self.change(resource, id, status="canceled", canceled_at=now, ended_at=now))
        if resource not in _DELETABLE:
            return self.error(405, "", "Unrecognized request method")
        return self._answer(self.remove(resource, id))

    async def _keyed(self, request: Request, act: Callable[[Json, str], Response]) -> Response:
        """Answer a POST once per idempotency key: the first answer, 500s included, is replayed for a day."""
        body = (await request.body()).decode()
        try:
            params = decoded(body)
        except ValueError:
            return self.error(400, "parameter_invalid", "Invalid parameters")
        too_long = next((name for name, value in params.get("metadata", {}).items() if len(str(value)) > 500), None)
        if too_long is not None:
            return self.error(400, "", "Metadata values can have up to 500 characters", f"metadata[{too_long}]")
        if "@" not in str(params.get("email") or "@"):
            return self.error(400, "email_invalid", "Invalid email address", "email")
        key, print_ = request.headers.get("idempotency-key", ""), f"{request.url.path}?{body}"
        stored = self.state.recall(f"key:{key}") if key else None
        if stored and stored["at"] + DAY * SECOND > self.state.now():
            if stored["print"] != print_:
                message = "Keys for idempotent requests can only be used with the same parameters"
                return self.error(400, "idempotency", message)
            return self._answer(orjson.dumps(stored["body"]), stored["status"], Idempotent_Replayed="true")
        fault = self.fault(request)
        given: Response | None = None
        if fault is None or fault.options.get("apply"):
            given = act(params, key)
        if fault is not None and fault.kind == "stored_500":
            given = self.error(500)
        given = given or self.error(500)
        if key and (given.status_code < 400 or given.status_code >= 500):
            memo = {"at": self.state.now(), "print": print_, "status": given.status_code}
            self.state.remember(f"key:{key}", {**memo, "body": orjson.loads(bytes(given.body))})
        return given

    # lists ------------------------------------------------------------------------------------------------------------
    async def _events(self, request: Request) -> Response:
        oldest = self.state.now() // SECOND - KEPT
        kinds = [value for name, value in request.query_params.multi_items() if re.fullmatch(r"types?(\[\d*\])?", name)]
        events = [event for event in self.state.visible("events") if event["created"] >= oldest]
        wanted = [event for event in events if not kinds or any(matches(kind, event["type"]) for kind in kinds)]
        return self._list(request, "events", wanted[::-1], "/v1/events")

    async def _lines(self, request: Request) -> Response:
        obj = self.state.get("invoices", request.path_params["id"])
        if obj is None:
            return self._missing("invoices", request.path_params["id"])
        return self._list(request, "lines", obj["lines"]["data"], request.url.path)

    async def _items(self, request: Request) -> Response:
        obj = self.state.get("subscriptions", request.query_params.get("subscription", ""))
        return self._list(request, "items", obj["items"]["data"] if obj else [], request.url.path)

    def _newest_first(self, resource: str) -> list[Json]:
        version = len(self.state.changes)
        cached = self._sorted.get(resource)
        if cached is None or cached[0] != version:
            objects = self.state.all(resource)[::-1]
            cached = (version, sorted(objects, key=lambda obj: -int(obj["created"])))
            self._sorted[resource] = cached
        return cached[1]

    def _list(self, request: Request, resource: str, objects: list[Json], path: str) -> Response:
        query = request.query_params
        limit = query.get("limit", "10")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            return self.error(400, "parameter_invalid_integer", "limit must be between 1 and 100", "limit")
        unknown = next((name for name in query if not known(name, resource)), None)
        if unknown is not None:
            return self.error(400, "parameter_unknown", f"Received unknown parameter: {unknown}", unknown)
        found = [obj for obj in objects if self._passes(obj, query, resource)]
        for name in ("starting_after", "ending_before"):
            if name in query:
                place = next((n for n, obj in enumerate(found) if obj["id"] == query[name]), None)
                if place is None:
                    return self._missing(resource, query[name], 400, name)
                found = found[place + 1 :] if name == "starting_after" else found[max(0, place - int(limit)) : place]
        shown = found[: int(limit)]
        data = [cut(obj) for obj in shown]
        return self._answer({"object": "list", "data": data, "has_more": len(found) > len(shown), "url": path})

    def _passes(self, obj: Json, query: Mapping[str, str], resource: str) -> bool:
        if not all(bound(name, value, obj) for name, value in query.items() if name.startswith("created")):
            return False
        if resource == "subscriptions" and query.get("status", "") in ("", "all"):
            return (query.get("status") == "all" or obj.get("status") != "canceled") and all(
                str(obj.get(name)) == query[name] for name in ("customer",) if name in query
            )
        named = (name for name in FILTERS.get(resource, ()) if name in query)
        return all(str(obj.get(name)).lower() == query[name].lower() for name in named)
