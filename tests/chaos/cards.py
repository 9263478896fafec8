"""The servers of `systems/`: objects under a key that is refused a second time (register), or not looked at (shelf)."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import SECOND, Json

LAG = 15
"""Seconds by which the shelf's search trails; `systems/register.py` allows for them in its settle time."""


class RegisterSimulator(Simulator):
    """Refuses a second object with the same key, and names the first."""

    system: ClassVar[str] = "register"
    unique: ClassVar[bool] = True
    lag: ClassVar[int] = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._by_key: dict[str, list[str]] = {}

    def routes(self) -> list[BaseRoute]:
        """Create and search, change and delete."""
        return [
            Route("/contacts", self._all, methods=["GET", "POST"]),
            Route("/contacts/{id}", self._one, methods=["PATCH", "DELETE"]),
        ]

    def make(self, resource: str, **fields: Any) -> Json:
        """Store one."""
        made = {"id": f"c{self.state.serial(resource)}", **fields, "made_at": self.state.now()}
        self._by_key.setdefault(str(fields.get("key", "")), []).append(made["id"])
        self.state.put(resource, made["id"], made, key=str(fields.get("key", "")))
        return made

    async def _all(self, request: Request) -> Response:
        if request.method == "POST":
            body = orjson.loads(await request.body())
            there = self._held(body["key"])
            if there and self.unique:
                return answer({"error": "there is one", "id": there[0]["id"]}, 409)
            return answer(self.make("contacts", **body), 201)
        seen = self.state.now() - self.lag * SECOND
        return answer({"found": [one for one in self._held(request.query_params["key"]) if one["made_at"] <= seen]})

    async def _one(self, request: Request) -> Response:
        id = request.path_params["id"]
        held = self.state.get("contacts", id)
        if held is None:
            return self.error(404, "not_found")
        if request.method == "DELETE":
            self.state.delete("contacts", id, key=held["key"])
            return Response(status_code=204)
        body = orjson.loads(await request.body())
        after = {name: value for name, value in {**held, **body}.items() if value is not None}
        self.state.put("contacts", id, after, key=held["key"])
        return answer(after)

    def _held(self, key: str) -> list[Json]:
        found = (self.state.get("contacts", id) for id in self._by_key.get(key, ()))
        return [one for one in found if one is not None]


class ShelfSimulator(RegisterSimulator):
    """Takes whatever it is given; its search trails."""

    system: ClassVar[str] = "shelf"
    unique: ClassVar[bool] = False
    lag: ClassVar[int] = LAG
