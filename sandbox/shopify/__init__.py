"""Shopify, simulated: one shop's Admin GraphQL API with customers, products and orders.

Not simulated: bulk mutations, companies, draft orders, subscriptions; the search index knows the terms in `search.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import orjson
from graphql import GraphQLError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.faults import Fault
from sandbox.shopify import objects, rest
from sandbox.shopify.bulk import Operations
from sandbox.shopify.changing import Changes
from sandbox.shopify.cost import Bucket
from sandbox.shopify.execution import execute
from sandbox.shopify.objects import RESOURCES, TYPES, gid
from sandbox.shopify.search import connection, email_of, matching
from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json, State

VERSIONS = ("2025-10", "2026-01", "2026-04", "2026-07", "2026-10", "2027-01")
SCOPES = ("write_customers", "read_orders", "read_all_orders", "write_products")
_EVENTS = {"orders": {"update": "updated"}}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Shopify(Simulator):
    """A shop. Its definitions of our key's metafield are there from the start, unless `keyless`."""

    system = "shopify"
    files: ClassVar = {
        "products": "products",
        "rest_products": "products",
        "rest_customers": "customers",
        "rest_customer": "customers",
        "rest_orders": "orders",
        "rest_order": "orders",
        "webhook_shopify": "customers",
    }

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.domain = "throughline-sandbox.myshopify.com"
        self.currency = "EUR"
        self.bucket = Bucket()
        self.scopes: tuple[str, ...] = SCOPES
        self.operations = Operations(self)
        self.changes = Changes(self.state, self.stamp, self._announce)
        self._topic = ""
        self._fault: Fault | None = None
        for owner in ("CUSTOMER", "PRODUCT"):
            if self.changes.definition(owner, "throughline", "ext_key") is None:
                self.define(owner, "throughline", "ext_key", "id")

    def routes(self) -> list[BaseRoute]:
        """The one endpoint, and where files of bulk operations lie (at the vendor: on another host)."""
        return [
            Route("/admin/api/{version}/graphql.json", self._graphql, methods=["POST"]),
            Route("/storage/{name}", lambda request: self.operations.file(request), methods=["GET"]),
        ]

    def authorize(self, request: Request) -> Response | None:
        """The access token header; who asks for a file must not show it."""
        if request.url.path.startswith("/storage/"):
            return self.error(400) if "x-shopify-access-token" in request.headers else None
        good = request.headers.get("x-shopify-access-token") == self.token
        return None if good else self.error(401)

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """`errors` is a plain text outside GraphQL."""
        texts = {401: "[API] Invalid API key or access token (unrecognized login or wrong password)", 404: "Not Found"}
        return answer({"errors": message or texts.get(status, f"simulated {status}")}, status)

    def make(self, resource: str, **fields: Any) -> Json:
        """Short forms as in `objects`; `id`, `createdAt`, `updatedAt` and `metafields` {namespace.key: value} too."""
        id = fields.pop("id", None) or self.changes.new_id(TYPES[resource])
        now = fields.get("createdAt") or fields.get("updatedAt") or self.stamp()
        named = fields.pop("metafields", {})
        if resource == "customers":
            made = objects.customer(id, now, fields)
        elif resource == "products":
            made = objects.product(id, now, fields)
        else:
            made = objects.order(id, now, 1000 + self.state.serial("order_number"), fields)
        for name, value in named.items():
            namespace, key = name.split(".", 1)
            number = self.state.serial("Metafield")
            made["metafields"].append(objects.metafield(namespace, key, value, "single_line_text_field", number, now))
        self.state.put(resource, id, made)
        self._announce(resource, "create", made)
        if resource == "orders" and made["customer"]:
            self._count_order(made)
        return made

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Edit an object as a person in the admin would: customers by customerSet's names, others as stored."""
        existing = self.state.get(resource, id)
        if existing is None:
            raise KeyError(id)
        if resource == "customers":
            payload = self.changes.set(resource, {"id": id}, fields)
            if payload["userErrors"]:
                raise ValueError(payload["userErrors"])
            return dict(payload["customer"])
        return self.changes.store(resource, {**existing, **fields}, existing)

    def remove(self, resource: str, id: str) -> None:
        """Delete an object as a person in the admin would."""
        self.changes.remove(resource, id)

    def define(self, owner: str, namespace: str, key: str, type: str, choices: list[str] | None = None) -> None:
        """A metafield definition."""
        made = {"owner": owner, "namespace": namespace, "key": key, "type": type, "choices": choices}
        made["id"] = gid("MetafieldDefinition", self.state.serial("MetafieldDefinition"))
        self.state.put("_definitions", f"{owner}/{namespace}/{key}", made)

    def load_record(self, resource: str, record: Json) -> bool:
        """REST and GraphQL records alike; of recorded webhooks the customers' ones."""
        if "input" in record:
            request = record["input"]["request"]
            topics = (request.get("query") or {}).get("topic") or [""]
            record = request.get("body") or {} if topics[0].startswith("customers") else {}
        made = rest.recorded(resource, record)
        if made is None or self.state.get(resource, made["id"]) is not None:
            return False
        self.state.put(resource, made["id"], made)
        return True

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """Base64 HMAC of the raw body; ids to tell deliveries apart."""
        digest = hmac.new(hook["secret"].encode(), body, hashlib.sha256).digest()
        return {
            "X-Shopify-Topic": self._topic,
            "X-Shopify-Hmac-SHA256": base64.b64encode(digest).decode(),
            "X-Shopify-Shop-Domain": self.domain,
            "X-Shopify-API-Version": VERSIONS[-2],
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Event-Id": str(uuid.uuid4()),
            "X-Shopify-Triggered-At": self.stamp(),
        }

    def emit(self, event: str, payload: Any) -> None:
        """The topic travels in a header."""
        with self.state.lock:
            self._topic = event
            super().emit(event, payload)

    def now(self) -> int:
        """The shop's clock."""
        return self.state.now()

    def resolve(self, field: str, alias: str, args: Json) -> Any:
        """The value of a root field of the schema."""
        if field in ("customers", "products", "orders"):
            return connection(matching(self.state.visible(field), args.get("query")), args)
        if field in ("customer", "product", "order"):
            return self.state.get(f"{field}s", args["id"])
        if field.endswith("Count"):
            return self._count(field.removesuffix("Count"), args)
        if field == "bulkOperationRunQuery":
            return self.operations.run(args["query"], grouped=args["groupObjects"])
        if field == "bulkOperation":
            return self.operations.look(args["id"])
        if field in _MUTATIONS:
            return self._mutate(field, alias, args)
        return getattr(self, f"_{field}")(args)

    def _mutate(self, field: str, alias: str, args: Json) -> Json:
        fault = self._fault
        if fault is not None and fault.kind == "partial" and alias[1:] == str(fault.options.get("index", 0)):
            told = "Internal error. Looks like something went wrong on our end."
            raise GraphQLError(told, extensions={"code": fault.options.get("code", "INTERNAL_SERVER_ERROR")})
        with self.state.lock:
            match field:
                case "customerSet" | "productSet":
                    return self.changes.set(f"{field[:-3]}s", args.get("identifier"), args["input"])
                case "customerDelete" | "productDelete":
                    return self.changes.delete(f"{field[:-6]}s", args["input"]["id"])
                case "metafieldsSet":
                    return self.changes.set_metafields(args["metafields"])
                case _:
                    return self.changes.delete_metafields(args["metafields"])

    def _shop(self, args: Json) -> Json:
        plan = {
            "displayName": "Sandbox",
            "publicDisplayName": "Sandbox",
            "partnerDevelopment": True,
            "shopifyPlus": False,
        }
        shop = {
            "id": gid("Shop", 1),
            "name": "Sandbox",
            "email": "owner@sandbox.example",
            "currencyCode": self.currency,
        }
        return {**shop, "myshopifyDomain": self.domain, "plan": plan}

    def _currentAppInstallation(self, args: Json) -> Json:  # noqa: N802 - the schema's name
        scopes = [{"handle": scope, "description": scope.replace("_", " ")} for scope in self.scopes]
        return {"id": gid("AppInstallation", 1), "accessScopes": scopes}

    def _metafieldDefinitionCreate(self, args: Json) -> Json:  # noqa: N802 - the schema's name
        told = args["definition"]
        if self.changes.definition(told["ownerType"], told["namespace"], told["key"]) is not None:
            taken = {"field": ["definition", "key"], "message": "Key is in use.", "code": "TAKEN"}
            return {"createdDefinition": None, "userErrors": [taken]}
        self.define(told["ownerType"], told["namespace"], told["key"], told["type"])
        made = self.state.get("_definitions", f"{told['ownerType']}/{told['namespace']}/{told['key']}")
        return {"createdDefinition": made, "userErrors": []}

    def _count(self, resource: str, args: Json) -> Json:
        number, limit = len(matching(self.state.visible(resource), args.get("query"))), args.get("limit") or 10**9
        return {"count": min(number, limit), "precision": "EXACT" if number < limit else "AT_LEAST"}

    def _node(self, args: Json) -> Json | None:
        kind = args["id"].split("/")[3] if args["id"].count("/") >= 4 else ""
        if kind in RESOURCES:
            return self.state.get(RESOURCES[kind], args["id"])
        if kind == "Refund":
            return next((r for o in self.state.all("orders") for r in o["refunds"] if r["id"] == args["id"]), None)
        return None

    def _nodes(self, args: Json) -> list[Json | None]:
        found = [self._node({"id": id}) for id in args["ids"]]
        return found[:-1] if self._fault is not None and self._fault.kind == "wrong_length" else found

    def _customerByIdentifier(self, args: Json) -> Json | None:  # noqa: N802 - the schema's name
        return self._identified("customers", args["identifier"])

    def _productByIdentifier(self, args: Json) -> Json | None:  # noqa: N802 - the schema's name
        return self._identified("products", args["identifier"])

    def _identified(self, resource: str, identifier: Json) -> Json | None:
        (name, value) = next(iter(identifier.items()))
        if name == "customId":
            return self.changes.by_custom_id(resource, value)
        if name == "id":
            return self.state.get(resource, value)
        return next((o for o in self.state.all(resource) if value in (email_of(o), o.get("handle"))), None)

    def _metafieldDefinitions(self, args: Json) -> Json:  # noqa: N802 - the schema's name
        found = []
        for one in self.state.all("_definitions"):
            if all(
                args.get(n) in (None, one[m]) for n, m in (("ownerType", "owner"), ("namespace",) * 2, ("key",) * 2)
            ):
                unique = {"eligible": True, "enabled": one["type"] == "id"}
                choices = [{"name": "choices", "type": "json", "value": orjson.dumps(one["choices"]).decode()}]
                found.append(
                    {
                        **one,
                        "name": one["key"].replace("_", " ").title(),
                        "ownerType": one["owner"],
                        "type": {"name": one["type"], "category": "TEXT"},
                        "capabilities": {"uniqueValues": unique},
                        "validations": choices if one["choices"] else [],
                    }
                )
        return connection(found, {"first": args.get("first"), "after": args.get("after")})

    async def _graphql(self, request: Request) -> Response:
        version = request.path_params["version"]
        served = version if version in VERSIONS else VERSIONS[0]  # an old one falls forward to the oldest supported
        try:
            asked = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return self.error(400, message="Invalid JSON")
        fault = self.fault(request)
        body = await run_in_threadpool(self._execute, asked, fault)
        headers = {"X-Shopify-API-Version": served, "X-Request-Id": str(uuid.uuid4())}
        return answer(body, 200, headers)

    def _execute(self, asked: Json, fault: Fault | None) -> Json:
        with self.state.lock:
            self._fault = fault
            return execute(
                self, str(asked.get("query") or ""), asked.get("variables") or {}, asked.get("operationName")
            )

    def _announce(self, resource: str, event: str, obj: Json) -> None:
        topic = f"{resource}/{_EVENTS.get(resource, {}).get(event, event)}"
        number = int(obj["id"].rsplit("/", 1)[1])
        self.emit(topic, {"id": number} if event == "delete" else rest.payload(resource, obj))

    def _count_order(self, order: Json) -> None:
        """An order moves its customer's totals, and its updatedAt."""
        buyer = self.state.get("customers", order["customer"]["id"])
        if buyer is not None:
            spent = float(buyer["amountSpent"]["amount"]) + float(order["totalPriceSet"]["shopMoney"]["amount"])
            told = {"amountSpent": objects.money(spent, order["currencyCode"])}
            self.changes.store(
                "customers", {**buyer, **told, "numberOfOrders": str(int(buyer["numberOfOrders"]) + 1)}, buyer
            )

    def stamp(self) -> str:
        """The shop's time, in whole seconds as Shopify tells it."""
        when = _EPOCH + timedelta(seconds=self.state.now() // SECOND)
        return when.isoformat().replace("+00:00", "Z")


_MUTATIONS = frozenset(
    {"customerSet", "customerDelete", "productSet", "productDelete", "metafieldsSet", "metafieldsDelete"}
)
