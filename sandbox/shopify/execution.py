"""Executing GraphQL for real: graphql-core over the simulator's schema, with the vendor's costs and error shapes."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any, Protocol

import orjson
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_named_type,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from sandbox.shopify.cost import MAX_COST, Bucket, Pricer
from sandbox.shopify.schema import SDL
from sandbox.shopify.search import connection
from sandbox.state import Json

Info = GraphQLResolveInfo[Any]
RATE_LIMITS = "https://shopify.dev/api/usage/rate-limits"


class Backend(Protocol):
    """What execution asks of the simulator: one method per root field, `<field>(info, **args)`."""

    bucket: Bucket
    currency: str

    def now(self) -> int:
        """The vendor's clock."""

    def resolve(self, field: str, alias: str, args: Json) -> Any:
        """The value of a root field."""


def execute(backend: Backend, query: str, variables: Json, operation: str | None = None) -> Json:
    """The body of the answer to one document (always sent with status 200)."""
    try:
        document, errors = _prepared(query)
    except GraphQLError as error:
        return {"errors": [_error(error, "")]}
    if errors:
        return {"errors": [_error(error, _code(error)) for error in errors]}
    wrong = _variables_wrong(document, variables)
    if wrong:
        return {"errors": wrong}
    cost = PRICER.price(document, variables)
    if cost > MAX_COST:
        told = f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_COST})."
        extensions: Json = {
            "code": "MAX_COST_EXCEEDED",
            "cost": cost,
            "maxCost": MAX_COST,
            "documentation": RATE_LIMITS,
        }
        return {"errors": [{"message": told, "extensions": extensions}]}
    if not backend.bucket.take(cost, backend.now()):
        throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": RATE_LIMITS}}
        return {"errors": [throttled], "extensions": {"cost": backend.bucket.told(cost, None)}}
    result = execute_sync(SCHEMA, document, None, backend, variables, operation)
    body: Json = {"data": result.data}
    if result.errors:
        body["errors"] = [_error(error, "INTERNAL_SERVER_ERROR") for error in result.errors]
    return {**body, "extensions": {"cost": backend.bucket.told(cost, cost)}}


@lru_cache(maxsize=256)
def _prepared(query: str) -> tuple[DocumentNode, list[GraphQLError]]:
    document = parse(query)
    return document, validate(SCHEMA, document)


def _variables_wrong(document: DocumentNode, variables: Json) -> list[Json]:
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    coerced = get_variable_values(SCHEMA, operation.variable_definitions or (), variables)
    if not isinstance(coerced, list):
        return []
    return [_problem(error) for error in coerced]


def _problem(error: GraphQLError) -> Json:
    """A variable of the wrong type, with the path inside it as Shopify tells it."""
    told = _error(error, "INVALID_VARIABLE")
    place = re.search(r"invalid value at \.([\w.\[\]]+?):", error.message)
    path = re.findall(r"\w+", place[1]) if place else []
    return {**told, "extensions": {**told["extensions"], "problems": [{"path": path, "explanation": "Invalid value"}]}}


def _error(error: GraphQLError, code: str) -> Json:
    body: Json = {"message": error.message}
    if error.locations:
        body["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        body["path"] = list(error.path)
    told = {"code": code} if code else {}
    return {**body, "extensions": {**told, **(error.extensions or {})}}


def _code(error: GraphQLError) -> str:
    if error.message.startswith("Cannot query field"):
        return "undefinedField"
    return "argumentNotAccepted" if "argument" in error.message else "invalidDocument"


def _root(source: Any, info: Info, **args: Any) -> Any:
    backend: Backend = info.context
    return backend.resolve(info.field_name, str(info.path.key), args)


def _paged(source: Json, info: Info, **args: Any) -> Json:
    return connection(list(source.get(info.field_name) or ()), {k: v for k, v in args.items() if k != "sortKey"})


def _metafields(source: Json, info: Info, **args: Any) -> Json:
    held = [m for m in source.get("metafields") or () if args.get("namespace") in (None, m["namespace"])]
    return connection(held, {"first": args.get("first"), "after": args.get("after")})


def _metafield(source: Json, info: Info, key: str, namespace: str | None = None) -> Json | None:
    held = source.get("metafields") or ()
    return next((m for m in held if m["key"] == key and namespace in (None, m["namespace"])), None)


def _customer_of(source: Json, info: Info) -> Json | None:
    held = source.get("customer")
    backend: Backend = info.context
    return backend.resolve("customer", "", {"id": held["id"]}) or held if held else None


def _limited(source: Json, info: Info, first: int | None = None, **args: Any) -> list[Json]:
    return list(source.get(info.field_name) or ())[:first]


def _price_range(source: Json, info: Info) -> Json:
    prices = sorted(source["variants"], key=lambda variant: float(variant["price"])) or [{"price": "0.0"}]
    currency = info.context.currency
    ends = {"minVariantPrice": prices[0], "maxVariantPrice": prices[-1]}
    return {name: {"amount": one["price"], "currencyCode": currency} for name, one in ends.items()}


def _json_value(source: Json, info: Info) -> Any:
    """Typed: numbers, booleans and lists as such, text as it is."""
    if source["type"] in ("number_integer", "boolean", "json") or source["type"].startswith("list."):
        return orjson.loads(source["value"])
    return source["value"]


def _digest(source: Json, info: Info) -> str:
    return hashlib.sha256(f"{source['type']}:{source['value']}".encode()).hexdigest()


def _legacy(source: Json, info: Info) -> str:
    return str(source["id"].rsplit("/", 1)[1])


def _type_of(value: Json, info: Info, kind: Any) -> str:
    return str(value["id"].split("/")[3])


def _build() -> GraphQLSchema:
    schema = build_schema(SDL)
    for kind in list(schema.type_map.values()):
        if not isinstance(kind, GraphQLObjectType):
            continue
        for name, field in kind.fields.items():
            if kind in (schema.query_type, schema.mutation_type):
                field.resolve = _root
            elif name == "metafields" and kind.name in ("Customer", "Product", "Order"):
                field.resolve = _metafields
            elif get_named_type(field.type).name.endswith("Connection"):
                field.resolve = _paged
            elif name == "legacyResourceId":
                field.resolve = _legacy
            elif name == "metafield":
                field.resolve = _metafield
    fields: Any = schema.type_map
    fields["Order"].fields["customer"].resolve = _customer_of
    fields["Order"].fields["refunds"].resolve = _limited
    fields["Product"].fields["options"].resolve = _limited
    fields["Product"].fields["priceRangeV2"].resolve = _price_range
    fields["Metafield"].fields["jsonValue"].resolve = _json_value
    fields["Metafield"].fields["compareDigest"].resolve = _digest
    fields["Node"].resolve_type = _type_of
    fields["UnsignedInt64"].serialize = str
    return schema


SCHEMA = _build()
PRICER = Pricer(SCHEMA)
