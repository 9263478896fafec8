"""From GraphQL nodes to records: nested connections made whole and unwrapped to lists."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.http import PageGuard
from connectors.shopify import documents
from connectors.shopify.documents import REFUND, Shape
from connectors.shopify.graph import Graph
from kernel.clock import instant
from kernel.records import Json, SourceRecord

log = logging.getLogger(__name__)


def records_of(graph: Graph, shape: Shape, nodes: Sequence[Json]) -> list[SourceRecord]:
    """Whole records: connections as lists, metafields as {namespace: {key: value}}, refunds with their lines."""
    for node in nodes:
        _complete(graph, shape, node)
        if "metafields" in node:
            node["metafields"] = _by_name(node["metafields"])
        for name, asked in shape.capped.items():
            if len(node.get(name) or ()) >= asked:
                # Left out rather than cut: absent means "not known", a short list would mean "no more than these".
                log.warning(
                    "shopify %s %s: %s has %d entries or more and is left out", shape.root, node["id"], name, asked
                )
                del node[name]
    if shape.type == "Order":
        _add_refund_lines(graph, nodes)
    return [record_of(node) for node in nodes]


def record_of(raw: Json) -> SourceRecord:
    """One record; its time is `updatedAt`."""
    return SourceRecord(id=raw["id"], raw=raw, updated_at=parse_time(raw.get("updatedAt")))


def parse_time(text: Any) -> int | None:
    """ISO 8601 as an instant; None when there is none or it cannot be read."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        return None


def nodes_of(connection: Any) -> list[Json]:
    """A connection's objects, in either of the two forms it can be asked for."""
    if not isinstance(connection, dict):
        return []
    listed = connection["nodes"] if "nodes" in connection else [edge["node"] for edge in connection["edges"]]
    if not isinstance(listed, list):
        raise TypeError("nodes")
    return [node for node in listed if node is not None]


def goes_on(info: Any) -> bool:
    """Whether `pageInfo` says that there is more. Raises TypeError where it does not say."""
    more = info["hasNextPage"]
    if not isinstance(more, bool):
        raise TypeError("hasNextPage")
    return more


def _complete(graph: Graph, shape: Shape, node: Json) -> None:
    for name in shape.nested:
        connection = node.get(name)
        if not isinstance(connection, dict):
            continue
        whole, info = nodes_of(connection), connection["pageInfo"]
        guard = PageGuard(graph.http.connection)
        while goes_on(info):
            guard.advance(info.get("endCursor"))
            data, answer = graph.send(documents.more_of(shape, name), {"id": node["id"], "after": info["endCursor"]})
            more = (data.get("node") or {}).get(name)
            if not isinstance(more, dict):
                raise answer.unreadable("the rest of a nested list is missing")
            whole += nodes_of(more)
            info = more["pageInfo"]
        node[name] = whole


def _add_refund_lines(graph: Graph, orders: Sequence[Json]) -> None:
    """Few orders have refunds, so their lines are asked for apart: nested, they would multiply every page's cost."""
    refunds = {refund["id"]: refund for order in orders for refund in order.get("refunds") or ()}
    ids = list(refunds)
    for start in range(0, len(ids), 50):
        data, _ = graph.send(documents.by_ids(REFUND), {"ids": ids[start : start + 50]})
        for node in data.get("nodes") or ():
            if node is not None:
                _complete(graph, REFUND, node)
                refunds[node["id"]]["refundLineItems"] = node["refundLineItems"]


def _by_name(metafields: Any) -> Json:
    named: Json = {}
    for metafield in metafields if isinstance(metafields, list) else nodes_of(metafields):
        named.setdefault(metafield["namespace"], {})[metafield["key"]] = metafield.get(
            "jsonValue", metafield.get("value")
        )
    return named
