"""What every simulated vendor has: state, faults, a call log, a credential, webhooks, seeding, and control routes."""

from __future__ import annotations

import asyncio
import http.client
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from sandbox.faults import Fault, Faults
from sandbox.gate import CONTROL, Call, Gate
from sandbox.state import Json, State


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; `data` as bytes is sent as it is."""
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return Response(body, status, dict(headers or {}), "application/json")


class Simulator:
    """One vendor. A subclass names its system, serves `routes`, fills `make` and signs its webhooks."""

    system: ClassVar[str]
    files: ClassVar[Mapping[str, str]] = {}
    """Record file stem (before any `__`) → resource; files not named here are not loaded."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()
        self.faults = Faults()
        self.calls: list[Call] = []
        self.late: list[Callable[[], Awaitable[None]]] = []
        self.token = f"sandbox-{self.system}-token"
        """The credential `authorize` accepts; change it to expire the callers' one."""
        self.base_url = ""
        self.outbox: list[tuple[Json, bytes, dict[str, str]]] = []

    # for subclasses ---------------------------------------------------------------------------------------------------
    def routes(self) -> list[BaseRoute]:
        """The vendor's paths."""
        raise NotImplementedError

    def make(self, resource: str, **fields: Any) -> Json:
        """Store and return a vendor-shaped object with realistic defaults, as if made in the vendor's own screens."""
        raise NotImplementedError

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """The vendor's error body."""
        return answer({"error": {"code": code, "message": message or f"simulated {status}"}}, status)

    def authorize(self, request: Request) -> Response | None:
        """None when the credential is good, else the refusal. Default: a bearer token."""
        good = request.headers.get("authorization") == f"Bearer {self.token}"
        return None if good else self.error(401, "unauthorized")

    def sign(self, hook: Json, body: bytes) -> dict[str, str]:
        """The headers of a webhook: the vendor's signature with the hook's `secret`."""
        return {}

    def load_record(self, resource: str, record: Json) -> bool:
        """Store one recorded object; False when it cannot be one (no id) or is there already."""
        if not record.get("id") or self.state.get(resource, str(record["id"])) is not None:
            return False
        self.state.put(resource, str(record["id"]), record)
        return True

    # for everyone -----------------------------------------------------------------------------------------------------
    def load(self, folder: Path) -> dict[str, int]:
        """Load `<folder>/[<system>/]records/*.jsonl`; the count of objects by file. Objects already there are kept."""
        base = folder / self.system if (folder / self.system).is_dir() else folder
        counts: dict[str, int] = {}
        for path in sorted((base / "records").glob("*.jsonl")):
            resource = self.files.get(path.stem) or self.files.get(path.stem.split("__")[0])
            if resource is not None:
                counts[path.name] = sum(self.load_record(resource, record) for record in _lines(path))
        return counts

    def fault(self, request: Request) -> Fault | None:
        """The fault handed to this request for the simulator to act out (partial, wrong_length …)."""
        fault: Fault | None = request.scope.get("fault")
        return fault

    def hook(self, url: str, secret: str, events: list[str] | None = None) -> Json:
        """Register a webhook; kept over restarts. `events`: names or `prefix.*`; None for all."""
        id = f"hook_{self.state.serial('_hooks')}"
        hook: Json = {"id": id, "url": url, "secret": secret, "events": events}
        self.state.put("_hooks", id, hook)
        return hook

    def emit(self, event: str, payload: Any) -> None:
        """Queue a webhook for every hook that listens to `event`; `deliver` sends what is queued."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        for hook in self.state.all("_hooks"):
            if _listens(hook["events"], event):
                headers = {"Content-Type": "application/json", **self.sign(hook, body)}
                self.outbox.append((hook, body, headers))

    def deliver(self, timeout: float = 10.0) -> list[int]:
        """Send the queued webhooks; their statuses (0: not reached). What is not answered 2xx stays queued."""
        queued, self.outbox = self.outbox, []
        statuses = []
        for hook, body, headers in queued:
            statuses.append(_post(hook["url"], body, headers, timeout))
            if not 200 <= statuses[-1] < 300:
                self.outbox.append((hook, body, headers))
        return statuses

    def apply_late(self) -> int:
        """Apply the writes a `late_apply` fault held back; how many."""
        held, self.late = self.late, []
        for apply in held:
            asyncio.run(_awaited(apply))
        return len(held)

    def app(self) -> ASGIApp:
        """The ASGI application: the vendor's paths and the control paths behind the gate."""
        return Gate(Starlette(routes=[*self.routes(), *self._control()]), self)

    def _control(self) -> list[BaseRoute]:
        return [
            Route(f"{CONTROL}/faults", self._control_faults, methods=["POST", "DELETE"]),
            Route(f"{CONTROL}/state", self._control_state, methods=["GET", "POST"]),
            Route(f"{CONTROL}/make", self._control_make, methods=["POST"]),
            Route(f"{CONTROL}/load", self._control_load, methods=["POST"]),
            Route(f"{CONTROL}/hooks", self._control_hooks, methods=["POST"]),
            Route(f"{CONTROL}/deliver", self._control_deliver, methods=["POST"]),
            Route(f"{CONTROL}/apply_late", self._control_late, methods=["POST"]),
            Route(f"{CONTROL}/calls", self._control_calls, methods=["GET"]),
            Route(f"{CONTROL}/changes", self._control_changes, methods=["GET"]),
            Route(f"{CONTROL}/objects/{{resource}}", self._control_objects, methods=["GET"]),
        ]

    async def _control_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        else:
            asked = orjson.loads(await request.body())
            for one in asked if isinstance(asked, list) else [asked]:
                self.faults.add(**one)
        return answer({"switches": len(self.faults.switches)})

    async def _control_state(self, request: Request) -> Response:
        if request.method == "POST":
            asked = orjson.loads(await request.body())
            self.state.advance(asked.get("advance", 0))
            self.state.search_lag = asked.get("search_lag", self.state.search_lag)
            self.token = asked.get("token", self.token)
        counts = {name: len(self.state.ids(name)) for name in self.state.resources()}
        return answer({"system": self.system, "now": self.state.now(), "objects": counts, "calls": len(self.calls)})

    async def _control_make(self, request: Request) -> Response:
        asked = orjson.loads(await request.body())
        wanted = asked if isinstance(asked, list) else [asked]
        return answer([self.make(one["resource"], **one.get("fields", {})) for one in wanted])

    async def _control_load(self, request: Request) -> Response:
        return answer(self.load(Path(orjson.loads(await request.body())["folder"])))

    async def _control_hooks(self, request: Request) -> Response:
        return answer(self.hook(**orjson.loads(await request.body())))

    async def _control_deliver(self, request: Request) -> Response:
        return answer(await asyncio.to_thread(self.deliver))

    async def _control_late(self, request: Request) -> Response:
        held, self.late = self.late, []
        for apply in held:
            await apply()
        return answer({"applied": len(held)})

    async def _control_calls(self, request: Request) -> Response:
        rows = [{"method": c.method, "path": c.path, "status": c.status, "fault": c.fault} for c in self.calls]
        return answer(rows)

    async def _control_changes(self, request: Request) -> Response:
        since = int(request.query_params.get("since", 0))
        fields = ("seq", "at", "op", "resource", "id", "key")
        return answer([{name: getattr(c, name) for name in fields} for c in self.state.changes[since:]])

    async def _control_objects(self, request: Request) -> Response:
        return answer(self.state.all(request.path_params["resource"]))


async def _awaited(apply: Callable[[], Awaitable[None]]) -> None:
    await apply()


def _lines(path: Path) -> Iterator[Json]:
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                record = orjson.loads(line)
                if isinstance(record, dict):
                    yield record


def _listens(events: list[str] | None, event: str) -> bool:
    return events is None or any(
        name in (event, "*") or (name.endswith("*") and event.startswith(name[:-1])) for name in events
    )


def _post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> int:
    """POST with the standard library (the simulators' own HTTP); 0 when nobody answers."""
    target = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=timeout)
    try:
        connection.request("POST", target.path + (f"?{target.query}" if target.query else ""), body, dict(headers))
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
