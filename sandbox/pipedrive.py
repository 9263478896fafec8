"""Pipedrive's dialect on loopback: records by time of change, upserts by external id. Built from the vendor's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import Json

PAGE = 100


class PipedriveSimulator(Simulator):
    """One Pipedrive account."""

    system: ClassVar[str] = "pipedrive"
    files: ClassVar[Mapping[str, str]] = {"records": "records"}

    def routes(self) -> list[BaseRoute]:
        """List, get, upsert."""
        return [
            Route("/v1/records", self._list, methods=["GET"]),
            Route("/v1/records", self._upsert, methods=["PUT"]),
            Route("/v1/records/{id}", self._get, methods=["GET"]),
        ]

    def make(self, resource: str, **fields: Any) -> Json:
        """A record as a person at the vendor would make it."""
        number = self.state.serial(resource)
        made = {"id": f"r{number}", "email": f"person{number}@example.com", **fields, "updated_at": self.state.now()}
        self.state.put(resource, made["id"], made)
        return made

    def change(self, resource: str, id: str, **fields: Any) -> Json:
        """Edit a record as a person at the vendor would."""
        kept = {**(self.state.get(resource, id) or {}), **fields, "updated_at": self.state.now()}
        self.state.put(resource, id, kept)
        return kept

    def remove(self, resource: str, id: str) -> None:
        """Delete a record as a person at the vendor would."""
        self.state.delete(resource, id)

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        known = sorted(self.state.all("records"), key=lambda each: (each.get("updated_at", 0), each["id"]))
        if key := asked.get("external_id"):
            return answer({"data": [each for each in known if each.get("external_id") == key], "next": None})
        later = [each for each in known if each.get("updated_at", 0) >= int(asked.get("since", 0))]
        start = int(asked.get("next", 0))
        page, more = later[start : start + PAGE], start + PAGE < len(later)
        until = page[-1].get("updated_at") if page and not more else None
        return answer({"data": page, "next": str(start + PAGE) if more else None, "until": until})

    async def _get(self, request: Request) -> Response:
        found = self.state.get("records", request.path_params["id"])
        return self.error(404, "not_found") if found is None else answer(found)

    async def _upsert(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        key = body.get("external_id")
        if not isinstance(key, str):
            return self.error(422, "invalid", "external_id is missing")
        known = next((each for each in self.state.all("records") if each.get("external_id") == key), None)
        if known is None:
            known = {"id": f"r{self.state.serial('records')}"}
        kept = {**known, **body, "updated_at": self.state.now()}
        self.state.put("records", kept["id"], kept, key=key)
        return answer(kept, 200 if "external_id" in known else 201)
