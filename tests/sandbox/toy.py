"""The smallest simulated vendor, for tests of the layers that know no vendor."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.simulator import Simulator, answer
from sandbox.state import Json


class Toy(Simulator):
    """The smallest vendor."""

    system = "toy"
    files = {"thing": "things"}

    def routes(self) -> list[BaseRoute]:
        return [Route("/things", self.things, methods=["GET", "POST"])]

    async def things(self, request: Request) -> Response:
        if request.method == "POST":
            return answer(self.make("things", **json.loads(await request.body())), 201)
        return answer({"data": self.state.all("things")})

    def make(self, resource: str, **fields: Any) -> Json:
        made = {"id": f"t{self.state.serial(resource)}", **fields}
        self.state.put(resource, made["id"], made, key=str(fields.get("key", "")))
        self.emit("thing.created", made)
        return made
