"""Complete reads of many objects by a bulk operation: one query, its answer a file of JSON lines, read piece by piece.

Facts (shopify.dev, bulk operations; the 2026-10 Admin schema): no cost points; one at a time for an app and shop; objects
of a nested connection stand on lines of their own with `__parentId`, after their parent when `groupObjects` is asked
for; the file lies at a signed URL for seven days. The cursor: {"job", "asked", "began", "high", "at"}, `at` in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from connectors.http import Http
from connectors.jobs import JobLost, waiting
from connectors.shopify import documents
from connectors.shopify.documents import Shape
from connectors.shopify.graph import Graph
from connectors.shopify.shaping import records_of
from kernel.errors import Park, Retry, Stop
from kernel.records import Cursor, Json, Page

PIECE = 2 * 1024 * 1024  # bytes of the file that become one page
_HOST = "storage.googleapis.com"
_ENDED_ILL = frozenset({"FAILED", "CANCELED", "CANCELING", "EXPIRED"})


class BulkRead:
    """The bulk road of one resource of one connection."""

    def __init__(self, graph: Graph, shape: Shape) -> None:
        self._graph, self._shape, self._http = graph, shape, graph.http

    def begin(self, began: int) -> Cursor | None:
        """Where to go on from once an operation runs; None where the shop is busy with another one."""
        asked = self._http.clock.now()
        data, _ = self._graph.send(documents.RUN_BULK, {"query": documents.bulk_of(self._shape)})
        made = (data.get("bulkOperationRunQuery") or {}).get("bulkOperation")
        return {"job": made["id"], "asked": asked, "began": began, "high": None, "at": 0} if made else None

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """What was not read yet; the last page's cursor is the operation's, with `high` the newest update seen."""
        at = dict(cursor)
        yield from waiting(
            lambda: self._state(at)["status"] == "COMPLETED", at, self._http.clock, self._http.connection
        )
        state = self._state(at)
        url, size = str(state.get("url") or ""), int(state.get("fileSize") or 0)
        if not url:  # nothing was found, or seven days are over
            if int(state.get("rootObjectCount") or 0):
                raise JobLost
            size = 0
        with closing(self._elsewhere(url)) as storage:
            while True:
                nodes, end = self._piece(storage, url, at["at"], size) if size else ([], 0)
                records = records_of(self._graph, self._shape, nodes)
                seen = [record.updated_at for record in records if record.updated_at is not None]
                high = max([*seen, *([at["high"]] if at["high"] is not None else [])], default=None)
                at = {**at, "at": end, "high": high}
                yield Page(records, dict(at), at["asked"], last=end >= size)
                if end >= size:
                    return

    def _state(self, at: Cursor) -> Json:
        data, _ = self._graph.send(documents.BULK_STATE, {"id": at["job"]})
        state: Json | None = data.get("bulkOperation")
        if state is None or state["status"] in _ENDED_ILL:
            raise JobLost
        return state

    def _elsewhere(self, url: str) -> Http:
        """For the file: no credential of ours goes there, and it lies nowhere but in the vendor's store."""
        origin = httpx.URL(url).copy_with(raw_path=b"/") if url else self._http.base_url
        own = self._http.base_url
        assert origin is not None
        if own is None or (origin.host != _HOST and (origin.host, origin.port) != (own.host, own.port)):
            raise Stop(f"{self._http.connection}: a bulk file lies at another host", cause="foreign_host")
        return self._http.bare(f"{origin.scheme}://{urlsplit(str(origin)).netloc}")

    def _piece(self, storage: Http, url: str, start: int, size: int) -> tuple[list[Json], int]:
        """The whole objects of one piece of the file, and where the next one starts."""
        stop = min(start + PIECE, size)
        try:
            answer = storage.get(url, headers={"Range": f"bytes={start}-{stop - 1}", "Accept": "*/*"}, raw=True)
        except Park:
            raise JobLost from None
        told = answer.content if answer.status == 206 else answer.content[start:stop]
        if len(told) != stop - start:
            raise Retry("a piece of a bulk file is cut short", cause="bad_answer", request_id=answer.request_id)
        lines = told.splitlines(keepends=True)
        if stop < size:  # the last object may go on in the next piece
            lines.pop()
            while lines and b'"__parentId":' in lines[-1]:
                lines.pop()
            if lines:
                lines.pop()
            if not lines:
                raise Stop(
                    f"{self._http.connection}: one object is larger than a piece of a bulk file", cause="bad_answer"
                )
        return self._grouped([orjson.loads(line) for line in lines]), start + sum(map(len, lines))

    def _grouped(self, lines: list[Json]) -> list[Json]:
        """Parents with their children as lists, as `records_of` takes them."""
        whole: dict[str, Json] = {}
        names = {kind: name for name, kind in self._shape.kinds.items()}
        for line in lines:
            parent = line.pop("__parentId", None)
            if parent is None:
                whole[line["id"]] = {**line, **{name: [] for name in self._shape.nested}}
                continue
            name = names[line.pop("__typename")]
            child: Json = line if "id" in self._shape.nested[name].split() else _without_id(line)
            whole[parent][name].append(child)
        return list(whole.values())


def _without_id(line: Json) -> dict[str, Any]:
    """A child that is asked for without its id elsewhere; a bulk operation wants one of every object."""
    return {name: value for name, value in line.items() if name != "id"}
