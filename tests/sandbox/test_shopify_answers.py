"""Every answer the simulator gives the connector fits Shopify's full schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
)

from connectors import connector_for, open_connector
from kernel.records import Action, WriteItem
from sandbox import Box
from sandbox.shopify import Shopify
from tests.sandbox.test_shopify_schema import CONTRACT, full_schema

SCALARS: dict[str, type | tuple[type, ...]] = {"Int": int, "Float": (int, float), "Boolean": bool}
"""The kind each scalar has in JSON; all others but JSON are strings."""


class Tape(httpx.BaseTransport):
    """Passes requests on and keeps what went by."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.heard: list[tuple[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        body = response.read()
        self.heard.append((json.loads(request.content)["query"], json.loads(body)))
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def close(self) -> None:
        self._inner.close()


def faults(schema: GraphQLSchema, query: str, data: Any) -> list[str]:
    """Where an answer's data does not fit the query's types."""
    operation = next(node for node in parse(query).definitions if isinstance(node, OperationDefinitionNode))
    root = schema.mutation_type if operation.operation is OperationType.MUTATION else schema.query_type
    return list(_of_object(schema, operation.selection_set, root, data, ""))


def _of_object(
    schema: GraphQLSchema, selection: SelectionSetNode, kind: Any, data: dict[str, Any], path: str
) -> Iterator[str]:
    selected = dict(_fields(schema, selection, kind, data))
    if extra := set(data) - set(selected):
        yield f"{path}: {extra} were not asked for"
    for alias, (field, parent) in selected.items():
        where = f"{path}.{alias}"
        if field.name.value.startswith("__"):
            continue
        if alias not in data:
            yield f"{where} is missing"
        else:
            yield from _of_value(schema, field, parent.fields[field.name.value].type, data[alias], where)


def _fields(
    schema: GraphQLSchema, selection: SelectionSetNode, kind: Any, data: dict[str, Any]
) -> Iterator[tuple[str, tuple[FieldNode, Any]]]:
    for part in selection.selections:
        if isinstance(part, FieldNode):
            yield (part.alias or part.name).value, (part, kind)
        elif isinstance(part, InlineFragmentNode) and part.type_condition and data:
            inner = schema.type_map[part.type_condition.name.value]
            yield from _fields(schema, part.selection_set, inner, data)


def _of_value(schema: GraphQLSchema, field: FieldNode, kind: Any, value: Any, path: str) -> Iterator[str]:
    if is_non_null_type(kind):
        kind = kind.of_type
        if value is None:
            yield f"{path} is null"
            return
    if value is None:
        return
    if is_list_type(kind):
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for n, one in enumerate(value):
            yield from _of_value(schema, field, kind.of_type, one, f"{path}[{n}]")
    elif is_leaf_type(kind):
        yield from _of_leaf(kind, value, path)
    else:
        assert field.selection_set is not None
        yield from _of_object(schema, field.selection_set, get_named_type(kind), value, path)


def _of_leaf(kind: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(kind, GraphQLEnumType):
        if value not in kind.values:
            yield f"{path}: {value} is no {kind.name}"
    elif kind.name != "JSON" and not isinstance(value, SCALARS.get(kind.name, str)):
        yield f"{path}: {type(value).__name__} for {kind.name}"


def test_every_answer_fits_the_full_schema(serve: Callable[..., Box], real: Path) -> None:
    box, tape = serve("shopify"), Tape()
    sim = box["shopify"]
    assert isinstance(sim, Shopify)
    sim.load(real)
    buyer = sim.make(
        "customers", email="a@x.example", consent="SUBSCRIBED", addresses=[{"city": "Rome", "countryCode": "IT"}]
    )
    visit = {"id": "gid://shopify/CustomerVisit/1", "source": "google", "occurredAt": "2026-01-01T00:00:00Z"}
    journey = {"ready": True, "firstVisit": {**visit, "utmParameters": {"source": "ads"}}, "lastVisit": None}
    lines = [{"title": f"L{n}", "price": "1.50"} for n in range(25)]
    sim.make("orders", customer=buyer, lineItems=lines, refunds=[{"amount": 1}], customerJourneySummary=journey)
    settings = {"token": sim.token, "base_url": box.url("shopify")}
    connector = open_connector(connector_for("shopify"), settings, connection="shop", transport=tape)
    try:
        connector.check()
        for resource in ("customers", "products", "orders"):
            connector.discover(resource)
            ids = [record.id for page in connector.read(resource, None) for record in page.records]
            connector.fetch(resource, [*ids[:3], ids[0][:-1]])
        items = [
            WriteItem(Action.UPSERT, "k1", "op1", {"email": "b@x.example", "tags": ["x"]}),
            WriteItem(Action.UPSERT, "k2", "op2", {"email": "a@x.example"}),
            WriteItem(Action.UPSERT, "k3", "op3", {"note": "n"}, vendor_id=buyer["id"]),
        ]
        connector.write("customers", items)
        connector.write("products", [WriteItem(Action.UPSERT, "p1", "op4", {"title": "T"})])
        connector.find("customers", ["k1", "k2"])
        connector.find("products", ["p1"])
        connector.write("customers", [WriteItem(Action.DELETE, key, "op5", {}) for key in ("k1", "k3")])
        connector.write("products", [WriteItem(Action.DELETE, "p1", "op6", {})])
    finally:
        connector.close()
    schema = full_schema(real / CONTRACT)
    assert len(tape.heard) > 30
    assert [line for query, body in tape.heard for line in faults(schema, query, body["data"])] == []
    assert all(set(body) == {"data", "extensions"} for _, body in tape.heard)
