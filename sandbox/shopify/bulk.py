"""Bulk operations of the simulated shop: a query run in the background, its answer a file of JSON lines.

Dialect from shopify.dev (bulk operations) and the 2026-10 Admin schema: CREATED, RUNNING, COMPLETED (or FAILED, CANCELED,
EXPIRED); one at a time; every object of a connection on a line of its own, nested ones with `__parentId`; the file at a
signed address that wants no credential and serves ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLError,
    IntValueNode,
    NameNode,
    Visitor,
    execute_sync,
    parse,
    validate,
    visit,
)
from starlette.requests import Request
from starlette.responses import Response

from sandbox.shopify.execution import SCHEMA
from sandbox.shopify.objects import gid
from sandbox.state import Json

if TYPE_CHECKING:
    from sandbox.shopify import Shopify

_MANY = 1_000_000
_RUNNING = ("CREATED", "RUNNING")


class Operations:
    """The shop's bulk operations. `looks`: how often one is looked at before it ends; `fails`: what it then ends as."""

    def __init__(self, shop: Shopify) -> None:
        self._shop, self.looks, self.fails = shop, 2, ""
        self.held: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.begun: list[str] = []

    def drop(self) -> None:
        """Forget every operation and its file."""
        self.held.clear()
        self.files.clear()

    def run(self, query: str, *, grouped: bool) -> Json:
        """Begin one."""
        if any(one["status"] in _RUNNING for one in self.held.values()):
            told = "A bulk query operation for this app and shop is already in progress"
            return _refused("OPERATION_IN_PROGRESS", told)
        try:
            wrong = validate(SCHEMA, parse(query))
        except GraphQLError as error:
            wrong = [error]
        if wrong or "edges" not in query:
            return _refused("INVALID", "Invalid bulk query: " + (wrong[0].message if wrong else "no connection"))
        id = gid("BulkOperation", self._shop.state.serial("BulkOperation"))
        self.begun.append(id)
        made = {"id": id, "status": "CREATED", "query": query, "type": "QUERY", "createdAt": self._shop.stamp()}
        counts = {"objectCount": "0", "rootObjectCount": "0", "fileSize": None, "url": None, "partialDataUrl": None}
        self.held[id] = {
            **made,
            **counts,
            "errorCode": None,
            "completedAt": None,
            "_looks": self.looks,
            "_grouped": grouped,
        }
        return {"bulkOperation": self.held[id], "userErrors": []}

    def look(self, id: str) -> Json | None:
        """One as it is now; looking brings it on."""
        found = self.held.get(id)
        if found is not None and found["status"] in _RUNNING:
            found["_looks"] -= 1
            found["status"] = "RUNNING"
            if found["_looks"] < 0:
                self._end(found)
        return found

    def file(self, request: Request) -> Response:
        """The file, or a range of it."""
        held = self.files.get(request.path_params["name"])
        if held is None:
            return Response(b"<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if asked is None:
            return Response(held, 200, media_type="application/jsonl")
        start, stop = int(asked[1]), min(int(asked[2]) + 1, len(held))
        told = {"Content-Range": f"bytes {start}-{stop - 1}/{len(held)}"}
        return Response(held[start:stop], 206, told, "application/jsonl")

    def _end(self, one: Json) -> None:
        document = visit(parse(one["query"]), _Everything())
        data = execute_sync(SCHEMA, document, None, self._shop).data or {}
        roots = [edge["node"] for connection in data.values() for edge in connection["edges"]]
        lines = [list(_lines(root)) for root in roots]
        flat = [line for group in lines for line in group]
        if not one["_grouped"]:
            flat = [group[0] for group in lines] + [line for group in lines for line in group[1:]]
        content, name = (
            b"".join(orjson.dumps(line) + b"\n" for line in flat),
            f"bulk-{one['id'].rsplit('/', 1)[1]}.jsonl",
        )
        url = f"{self._shop.base_url}/storage/{name}?GoogleAccessId=sandbox&Signature=simulated" if flat else None
        one |= {"objectCount": str(len(flat)), "rootObjectCount": str(len(roots)), "completedAt": self._shop.stamp()}
        self.files[name] = content
        if self.fails:
            one |= {"status": self.fails, "errorCode": "INTERNAL_SERVER_ERROR", "partialDataUrl": url}
        else:
            one |= {"status": "COMPLETED", "url": url, "fileSize": str(len(content)) if flat else None}


class _Everything(Visitor):
    """A connection in a bulk query is read to its end, whatever it says of pages."""

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        """Ask for all of it."""
        inner = node.selection_set.selections if node.selection_set else ()
        if not any(isinstance(one, FieldNode) and one.name.value == "edges" for one in inner):
            return None
        first = ArgumentNode(name=NameNode(value="first"), value=IntValueNode(value=str(_MANY)))
        return FieldNode(**{key: getattr(node, key) for key in node.keys if key != "arguments"}, arguments=(first,))


def _lines(node: Json) -> Iterator[Json]:
    connections = {name: value for name, value in node.items() if isinstance(value, dict) and "edges" in value}
    yield {name: value for name, value in node.items() if name not in connections}
    for value in connections.values():
        for edge in value["edges"]:
            yield {**edge["node"], "__parentId": node["id"]}


def _refused(code: str, message: str) -> Json:
    return {"bulkOperation": None, "userErrors": [{"field": ["query"], "message": message, "code": code}]}
