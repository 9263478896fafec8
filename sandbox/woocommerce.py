"""WooCommerce's dialect on loopback: signed requests, lists with count headers, batches with an error per item, webhooks.

Built from the vendor's documentation and PHP. The site's clock is three hours behind GMT, so that a time without a zone that
is taken for the wrong one shows.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import html
import re
import urllib.parse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import Fault
from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json
from sandbox.woocommerce_shapes import SHAPES, schema

V3 = "/wp-json/wc/v3"
KEY = "ck_sandbox"
SITE = timezone(timedelta(hours=-3))
LIMIT = 100
ORDERBY = {
    "customers": {"id", "include", "name", "registered_date"},
    "orders": {"date", "modified", "id", "include", "title", "slug"},
    "products": {"date", "modified", "id", "include", "title", "slug", "price", "popularity", "rating", "menu_order"},
}
INVALID = {
    "customers": "wc_user_invalid_id",
    "orders": "woocommerce_rest_shop_order_invalid_id",
    "products": "woocommerce_rest_product_invalid_id",
}


class Refused(Exception):
    """What WooCommerce says no to."""

    def __init__(self, code: str, message: str, status: int = 400, **data: Any) -> None:
        """`data` goes beside the status."""
        super().__init__(code)
        self.status = status
        self.told = {"code": code, "message": message, "data": {"status": status, **data}}


class WoocommerceSimulator(Simulator):
    """One shop. `token` is the consumer secret of its one key."""

    system: ClassVar[str] = "woocommerce"
    files: ClassVar[Mapping[str, str]] = {name: name for name in SHAPES}

    def __init__(self, state: Any = None) -> None:
        """`tls`: the site believes it is asked over https, where it takes Basic; `writes`: the key is Read/Write."""
        super().__init__(state)
        self.writes = True
        self.forbidden: set[str] = set()
        self.tls = False
        self.currency = "EUR"
        self._nonces: set[str] = set()
        self._topic = "order.updated"

    def routes(self) -> list[BaseRoute]:
        """Lists, single objects, batches, schemas."""
        found: list[BaseRoute] = [Route(f"{V3}/data/currencies/current", self._money, methods=["GET"])]
        for name in SHAPES:
            found += [
                Route(f"{V3}/{name}/batch", self._asked(name, self._batch), methods=["POST"]),
                Route(f"{V3}/{name}", self._asked(name, self._collection), methods=["GET", "POST", "OPTIONS"]),
                Route(f"{V3}/{name}/{{id}}", self._asked(name, self._single), methods=["GET", "PUT", "POST", "DELETE"]),
            ]
        return found

    # who asks ---------------------------------------------------------------------------------------------------------
    def authorize(self, request: Request) -> Response | None:
        """Basic where there is TLS, else a signature with its nonce and time."""
        header = request.headers.get("authorization", "")
        if header and self.tls:
            good = base64.b64encode(f"{KEY}:{self.token}".encode()).decode()
            return None if header == f"Basic {good}" else self._unauthorized("Consumer secret is invalid.")
        told = dict(request.query_params)
        if "oauth_consumer_key" not in told:
            return self.error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if told["oauth_consumer_key"] != KEY:
            return self._unauthorized("Consumer key is invalid.")
        if not hmac.compare_digest(told.pop("oauth_signature", ""), self._signature(request, told)):
            return self._unauthorized("Invalid signature - provided signature does not match.")
        if abs(int(told["oauth_timestamp"]) - self.state.now() // SECOND) > 15 * 60:
            return self._unauthorized("Invalid timestamp.")
        if told["oauth_nonce"] in self._nonces:
            return self._unauthorized("Invalid nonce - nonce has already been used.")
        self._nonces.add(told["oauth_nonce"])
        if request.method not in ("GET", "OPTIONS") and not self.writes:
            return self._unauthorized("The API key provided does not have write permissions.")
        return None

    def _signature(self, request: Request, told: Mapping[str, str]) -> str:
        """As its PHP does: each pair encoded, encoded again, joined by an encoded ampersand."""

        def twice(text: str) -> str:
            return urllib.parse.quote(urllib.parse.unquote(text), safe="~").replace("%", "%25")

        pairs = "%26".join(f"{twice(name)}%3D{twice(told[name])}" for name in sorted(told))
        address = urllib.parse.quote(f"{self.base_url}{request.url.path}", safe="~")
        text = f"{request.method}&{address}&{pairs}".encode()
        algorithm = told.get("oauth_signature_method", "").removeprefix("HMAC-").lower()
        made = hmac.new(f"{self.token}&".encode(), text, {"sha1": "sha1", "sha256": "sha256"}.get(algorithm, "md5"))
        return base64.b64encode(made.digest()).decode()

    def _unauthorized(self, message: str) -> Response:
        return self.error(401, "woocommerce_rest_authentication_error", message)

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """WordPress's error."""
        told = {"code": code or "simulated", "message": message or f"simulated {status}", "data": {"status": status}}
        return answer(told, status)

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """The headers of a delivery. The delivery id is that of all deliveries of this second."""
        key = html.unescape(hook["secret"]).encode()
        second = str(self.state.now() // SECOND)
        resource, _, event = self._topic.partition(".")
        return {
            "X-WC-Webhook-Source": f"{self.base_url}/",
            "X-WC-Webhook-Topic": self._topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode(),
            "X-WC-Webhook-ID": hook["id"].removeprefix("hook_"),
            "X-WC-Webhook-Delivery-ID": hashlib.sha256(f"{hook['id']}{second}".encode()).hexdigest()[:32],
        }

    # what people do ---------------------------------------------------------------------------------------------------
    def make(self, resource: str, **fields: Any) -> Json:
        """An object as the shop, or a person in its admin pages, makes it."""
        id = int(fields.pop("id", 0)) or self.state.serial(resource)
        if resource == "customers":
            fields = {"email": f"buyer{id}@example.com", "username": f"buyer{id}", **fields}
        elif resource == "orders":
            fields = {"number": str(id), "order_key": f"wc_order_{id}", "currency": self.currency, **fields}
        made = _merged({**copy.deepcopy(SHAPES[resource]), "id": id, **self._stamps("created", "modified")}, fields)
        return self._put(resource, made, "created")

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Edit an object as a person would."""
        held = self.state.get(resource, id)
        assert held is not None, f"no {resource} {id}"
        return self._put(resource, {**_merged(held, fields), **self._stamps("modified")}, "updated")

    def remove(self, resource: str, id: str) -> None:
        """Delete an object for good."""
        self.state.delete(resource, id)
        self._tell(resource, "deleted", {"id": int(id)})

    def trash(self, resource: str, id: str) -> Json:
        """Put an order or a product into the trash; the webhook says that it was deleted."""
        held = {**(self.state.get(resource, id) or {}), "status": "trash", **self._stamps("modified")}
        self.state.put(resource, id, held)
        self._tell(resource, "deleted", {"id": int(id)})
        return held

    def _put(self, resource: str, made: Json, event: str) -> Json:
        key = next((one["value"] for one in made["meta_data"] if one["key"] == "throughline_key"), "")
        self.state.put(resource, str(made["id"]), made, key=str(key))
        self._tell(resource, event, made)
        return made

    def _tell(self, resource: str, event: str, payload: Json) -> None:
        self._topic = f"{resource[:-1]}.{event}"
        self.emit(self._topic, payload)

    def _stamps(self, *names: str) -> Json:
        now = datetime.fromtimestamp(self.state.now() / SECOND, UTC)
        zones = {"": SITE, "_gmt": UTC}
        return {
            f"date_{n}{end}": f"{now.astimezone(zone):%Y-%m-%dT%H:%M:%S}" for n in names for end, zone in zones.items()
        }

    # requests ---------------------------------------------------------------------------------------------------------
    def _asked(self, resource: str, handler: Callable[..., Any]) -> Callable[[Request], Any]:
        async def asked(request: Request) -> Response:
            if resource in self.forbidden:
                return self.error(403, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
            try:
                return answer(*handler(resource, request, await request.body()))
            except Refused as refused:
                return answer(refused.told, refused.status)

        return asked

    async def _money(self, request: Request) -> Response:
        return answer({"code": self.currency, "name": "Money", "symbol": "&#164;"})

    def _collection(self, resource: str, request: Request, body: bytes) -> tuple[Any, int, Json]:
        if request.method == "OPTIONS":
            return {"namespace": "wc/v3", "schema": schema(resource)}, 200, {}
        if request.method == "POST":
            return self._create(resource, orjson.loads(body)), 201, {}
        return self._list(resource, request.query_params)

    def _list(self, resource: str, asked: Mapping[str, str]) -> tuple[Any, int, Json]:
        default = "name" if resource == "customers" else "date"
        size, by = int(asked.get("per_page", 10)), asked.get("orderby", default)
        if not 1 <= size <= LIMIT or by not in ORDERBY[resource]:
            wrong = "orderby" if 1 <= size <= LIMIT else "per_page"
            raise Refused("rest_invalid_param", f"Invalid parameter(s): {wrong}", params={wrong: "is not one of these"})
        held = self.state.visible(resource) if self.state.search_lag else self.state.all(resource)
        rows = [one for one in held if self._wanted(resource, one, asked)]
        order = asked.get("order", "asc" if resource == "customers" else "desc")
        field = {"id": "id", "modified": "date_modified_gmt", "name": "first_name"}.get(by, "date_created_gmt")
        rows.sort(key=lambda one: (one[field], one["id"]) if field != "id" else one["id"], reverse=order == "desc")
        start = int(asked.get("offset", 0)) or (int(asked.get("page", 1)) - 1) * size
        counted = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
        return rows[start : start + size], 200, counted

    def _wanted(self, resource: str, one: Json, asked: Mapping[str, str]) -> bool:
        if (ids := asked.get("include")) is not None and str(one["id"]) not in ids.split(","):
            return False
        if resource == "customers":
            if asked.get("role", "customer") not in ("all", one["role"]):
                return False
            if "email" in asked:
                return bool(one["email"].lower() == asked["email"].lower())
            text = f"{one['username']} {one['email']} {one['first_name']}".lower()
            return asked.get("search", "").lower() in text
        trashed = one["status"] == "trash"
        if trashed and "trash" not in asked.get("status", "any").split(","):
            return False
        end = "_gmt" if asked.get("dates_are_gmt") in ("true", "1") else ""
        changed = datetime.fromisoformat(one[f"date_modified{end}"])
        after, before = _bound(asked.get("modified_after")), _bound(asked.get("modified_before"))
        return (after is None or changed > after) and (before is None or changed < before)

    def _single(self, resource: str, request: Request, body: bytes) -> tuple[Any, int, Json]:
        id = request.path_params["id"]
        held = self.state.get(resource, id)
        if held is None:
            raise Refused(INVALID[resource], "Invalid ID.", 404)
        if request.method == "DELETE":
            return self._delete(resource, id, force=request.query_params.get("force") == "true"), 200, {}
        return (
            (held if request.method == "GET" else self._update(resource, {**orjson.loads(body), "id": int(id)})),
            200,
            {},
        )

    def _batch(self, resource: str, request: Request, body: bytes) -> tuple[Any, int, Json]:
        asked = {kind: rows for kind, rows in orjson.loads(body).items() if rows}
        if sum(map(len, asked.values())) > LIMIT:
            raise Refused("woocommerce_rest_request_entity_too_large", "Unable to accept more than 100 items.", 413)
        fault, told = self.fault(request), dict[str, list[Json]]()
        for kind in ("create", "update", "delete"):
            if kind in asked:
                told[kind] = [self._item(resource, kind, one, _index(fault) == n) for n, one in enumerate(asked[kind])]
        if fault is not None and fault.kind == "wrong_length":
            told = {kind: rows[: -fault.options.get("missing", 1)] for kind, rows in told.items()}
        return told, 200, {}

    def _item(self, resource: str, kind: str, one: Any, spoiled: bool) -> Json:
        try:
            if spoiled:
                raise Refused("woocommerce_rest_simulated", "simulated")
            if kind == "delete":
                return self._delete(resource, str(one), force=True)
            return self._create(resource, one) if kind == "create" else self._update(resource, one)
        except Refused as refused:
            return {"id": 0 if kind == "create" else one if kind == "delete" else one.get("id"), "error": refused.told}

    def _create(self, resource: str, fields: Json) -> Json:
        if resource != "customers":
            return self.make(resource, **fields)
        email, name = str(fields.get("email") or ""), str(fields.get("username") or fields.get("email") or "")
        everybody = self.state.all(resource)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            raise Refused("registration-error-invalid-email", "Please provide a valid email address.")
        if any(one["email"].lower() == email.lower() for one in everybody):
            raise Refused(
                "registration-error-email-exists", f"An account is already registered with {html.escape(email)}."
            )
        if not re.fullmatch(r"[\w .\-@]{1,60}", name, re.ASCII):
            raise Refused("registration-error-invalid-username", "Please provide a valid account username.")
        if any(one["username"].lower() == name.lower() for one in everybody):
            raise Refused("registration-error-username-exists", "An account is already registered with that username.")
        return self.make(resource, **_writable(fields), username=name)

    def _update(self, resource: str, fields: Json) -> Json:
        id = str(fields.get("id"))
        held = self.state.get(resource, id)
        if held is None:
            raise Refused("woocommerce_rest_invalid_id", "Invalid resource ID.")
        email = fields.get("email")
        if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            raise Refused("customer_invalid_email", "Invalid email address")
        others = [one for one in self.state.all(resource) if one["id"] != held["id"]] if email else []
        if any(one["email"].lower() == str(email).lower() for one in others):
            raise Refused("woocommerce_rest_customer_invalid_email", "Email address is invalid.")
        if fields.get("username") not in (None, "", held.get("username")):
            raise Refused("woocommerce_rest_customer_invalid_argument", "Username isn't editable.")
        return self.change(resource, id, **_writable(fields))

    def _delete(self, resource: str, id: str, *, force: bool) -> Json:
        held = self.state.get(resource, id)
        if held is None:
            raise Refused(INVALID[resource], "Invalid ID.", 404)
        if not force and resource == "customers":
            raise Refused("woocommerce_rest_trash_not_supported", "Customers do not support trashing.", 501)
        if not force:
            return self.trash(resource, id)
        self.remove(resource, id)
        edited = {"permalink_template": "", "generated_slug": ""} if resource == "products" else {}
        return {**held, **edited}


def _writable(fields: Json) -> Json:
    """What is left of a body: null is passed over, and so is what nobody may write."""
    never = ("id", "username", "password", "role", "date_created", "date_modified", "is_paying_customer", "avatar_url")
    return {name: value for name, value in fields.items() if value is not None and name not in never}


def _merged(held: Json, fields: Json) -> Json:
    """Objects are merged by their names, meta_data by its keys; everything else is replaced."""
    after = copy.deepcopy(held)
    for name, value in fields.items():
        if name == "meta_data":
            known = {one["key"]: one for one in after["meta_data"]}
            for one in value:
                known[one["key"]] = {"id": len(known) + 1, **known.get(one["key"], {}), **one}
            after["meta_data"] = list(known.values())
        elif isinstance(value, dict) and isinstance(after.get(name), dict):
            after[name] = {**after[name], **{key: each for key, each in value.items() if each is not None}}
        else:
            after[name] = value
    return after


def _bound(told: str | None) -> datetime | None:
    """A bound as WordPress reads it: with a zone it becomes the site's own time first, whatever it is compared with."""
    if told is None:
        return None
    bound = datetime.fromisoformat(told)
    return bound.astimezone(SITE).replace(tzinfo=None) if bound.tzinfo else bound


def _index(fault: Fault | None) -> int:
    return int(fault.options.get("index", 0)) if fault is not None and fault.kind == "partial" else -1
