"""Reaching the shop: credential, version, clock, scopes, our key; and the live fields of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from connectors.http import Answer
from connectors.looks import clock
from connectors.shopify import documents
from connectors.shopify.documents import SHAPES, Shape
from connectors.shopify.graph import Graph
from connectors.shopify.settings import ShopifySettings
from kernel.errors import Stop, ThroughlineError
from kernel.records import Check, FieldInfo, Json

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("String", "HTML", "URL", "FormattedString", "StorefrontID"), "string"),
    **dict.fromkeys(("Int", "Float", "Decimal", "Money", "UnsignedInt64"), "number"),
    "Boolean": "boolean",
    "DateTime": "datetime",
    "Date": "date",
    "ID": "reference",
    # metafield types
    **dict.fromkeys(
        ("single_line_text_field", "multi_line_text_field", "id", "url", "color", "rich_text_field"), "string"
    ),
    **dict.fromkeys(("number_integer", "number_decimal"), "number"),
    "boolean": "boolean",
    "date": "date",
    "date_time": "datetime",
}


def check(graph: Graph, settings: ShopifySettings) -> list[Check]:
    """One Check per thing looked at; never raises for a bad answer."""
    try:
        data, answer = graph.send(documents.CHECK)
    except ThroughlineError as error:
        return [Check("credential", False, str(error), "set a current Admin API token of this shop")]
    held = _scopes(data)
    found = [Check("credential", True, str((data.get("shop") or {}).get("myshopifyDomain") or ""))]
    found += [_version(answer, settings.api_version), clock(answer)]
    for shape in SHAPES.values():
        for scope in shape.scopes:
            found.append(Check(f"scope {scope}", scope in held, "", "" if scope in held else f"grant the app {scope}"))
    return [*found, *(_key(graph, shape, settings) for shape in SHAPES.values() if shape.setter)]


def lacking(graph: Graph, shape: Shape) -> list[str]:
    """The scopes of a resource that the app was not granted."""
    held = _scopes(graph.send(documents.CHECK)[0])
    return [scope for scope in shape.scopes if scope.startswith("read_") and scope not in held]


def _scopes(data: Json) -> set[str]:
    held = {scope["handle"] for scope in (data.get("currentAppInstallation") or {}).get("accessScopes") or ()}
    return held | {"read_" + scope.removeprefix("write_") for scope in held if scope.startswith("write_")}


def fields_of(graph: Graph, shape: Shape) -> list[FieldInfo]:
    """Scalars and lists of scalars by introspection, what only writes know, and the metafields."""
    read = _type(graph, shape.type)
    writable = _type(graph, f"{shape.type}SetInput") if shape.setter else {}
    named = {field["name"]: field for field in (writable.get("inputFields") or ())}
    found = {field["name"]: _info(graph, field, read_only=True) for field in read.get("fields") or ()}
    found |= {name: _info(graph, field, read_only=False) for name, field in named.items()}
    return [*(info for info in found.values() if info is not None), *_metafields(graph, shape)]


def _version(answer: Answer, wanted: str) -> Check:
    served = answer.headers.get("x-shopify-api-version", wanted)
    fix = "" if served == wanted else f"set api_version to a supported version; Shopify answers with {served}"
    return Check("api version", served == wanted, served, fix)


def _key(graph: Graph, shape: Shape, settings: ShopifySettings) -> Check:
    """customId needs a definition of type `id`, whose values are unique."""
    name = f"key of {shape.root}"
    variables = {"owner": shape.owner, "namespace": settings.key_namespace, "key": settings.key_name}
    try:
        data, _ = graph.send(documents.KEY_DEFINITION, variables)
    except ThroughlineError as error:
        return Check(name, False, str(error), "")
    nodes = (data.get("metafieldDefinitions") or {}).get("nodes") or []
    ok = any(node["type"]["name"] == "id" and node["capabilities"]["uniqueValues"]["enabled"] for node in nodes)
    wanted = f"{settings.key_namespace}.{settings.key_name}"
    return Check(name, ok, wanted, "" if ok else f"add a {shape.owner} metafield definition {wanted} of type id")


def define_key(graph: Graph, shape: Shape, settings: ShopifySettings) -> bool:
    """Make the definition that holds our key; False when it is there already. Raises Stop where the shop refuses."""
    named = {"namespace": settings.key_namespace, "key": settings.key_name, "ownerType": shape.owner}
    unique = {"uniqueValues": {"enabled": True}}
    told = {"name": "Throughline key", "description": "Set by Throughline; do not edit.", "type": "id"}
    definition = {**named, **told, "capabilities": unique}
    data, _ = graph.send(documents.DEFINE_KEY, {"definition": definition}, write=True)
    errors = (data.get("metafieldDefinitionCreate") or {}).get("userErrors") or []
    if any(error.get("code") == "TAKEN" for error in errors):
        return False
    if errors:
        code = errors[0].get("code") or "an error without a code"
        raise Stop(f"{graph.http.connection}: Shopify refused the definition of our key: {code}", cause="refused")
    return True


def _type(graph: Graph, name: str) -> Json:
    data, _ = graph.send(documents.TYPE, {"name": name})
    return data.get("__type") or {}


def _info(graph: Graph, field: Json, *, read_only: bool) -> FieldInfo | None:
    required, plain, kind = False, field["type"], ""
    listed = False
    while plain is not None and plain.get("ofType"):
        required |= plain["kind"] == "NON_NULL" and not listed
        listed |= plain["kind"] == "LIST"
        plain = plain["ofType"]
    values: list[str] = []
    if plain["kind"] == "ENUM":
        kind, values = "picklist", [value["name"] for value in _type(graph, plain["name"]).get("enumValues") or ()]
    elif plain["kind"] == "SCALAR":
        kind = _TYPES.get(plain["name"], "json")
    elif plain["kind"] == "INPUT_OBJECT":
        kind = "json"
    else:
        return None
    return FieldInfo(
        name=field["name"],
        type="json" if listed else kind,
        required=required and not read_only,
        read_only=read_only,
        values=tuple(values),
    )


def _metafields(graph: Graph, shape: Shape) -> list[FieldInfo]:
    found, after = [], None
    while True:
        data, _ = graph.send(documents.DEFINITIONS, {"owner": shape.owner, "after": after})
        connection = data.get("metafieldDefinitions") or {}
        for node in connection.get("nodes") or ():
            choices = _choices(node.get("validations") or ())
            found.append(
                FieldInfo(
                    name=f"metafields.{node['namespace']}.{node['key']}",
                    type="picklist" if choices else _TYPES.get(node["type"]["name"], "json"),
                    label=node.get("name") or "",
                    unique=node["type"]["name"] == "id",
                    values=choices,
                )
            )
        info = connection.get("pageInfo") or {}
        if not info.get("hasNextPage") or info.get("endCursor") == after:
            return found
        after = info["endCursor"]


def _choices(validations: Any) -> tuple[str, ...]:
    for validation in validations:
        if validation.get("name") == "choices":
            try:
                return tuple(str(choice) for choice in orjson.loads(validation.get("value") or "[]"))
            except orjson.JSONDecodeError:
                return ()
    return ()
