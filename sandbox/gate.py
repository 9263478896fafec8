"""The door of a simulator: an ASGI middleware that logs calls, checks the credential and makes faults happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import Fault, Faults

CONTROL = "/__sandbox__"
CALLS_KEPT = 20_000


@dataclass(slots=True)
class Call:
    """One request as it came in; `status` is 0 when no answer was given."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    fault: str = ""


class Guarded(Protocol):
    """What the gate asks of a simulator."""

    faults: Faults
    calls: list[Call]
    late: list[Callable[[], Awaitable[None]]]

    def authorize(self, request: Request) -> Response | None:
        """None, or the refusal."""

    def error(self, status: int, code: str = "", message: str = "") -> Response:
        """The vendor's error body."""


@dataclass(slots=True)
class Kept:
    """An answer caught before it leaves."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""


class Gate:
    """Wraps a simulator's Starlette app."""

    def __init__(self, app: ASGIApp, simulator: Guarded) -> None:
        self._app, self._simulator = app, simulator
        self._last: dict[str, Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body)
        self._simulator.calls.append(call)
        if len(self._simulator.calls) > CALLS_KEPT:
            del self._simulator.calls[: CALLS_KEPT // 2]
        fault = self._simulator.faults.pick(call.method, call.path)
        call.fault = fault.kind if fault else ""
        if fault is None:
            await self._give(send, call, await self._answer(scope, call))
        else:
            await self._go_wrong(fault, scope, send, call)

    async def _answer(self, scope: Scope, call: Call) -> Kept:
        """What the simulator answers."""
        refusal = self._simulator.authorize(Request(scope))
        kept = Kept()

        async def catch(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept.status, kept.headers = message["status"], list(message["headers"])
            elif message["type"] == "http.response.body":
                kept.body += message.get("body", b"")

        app: ASGIApp = refusal if refusal is not None else self._app
        await app(scope, _replay(call.body), catch)
        return kept

    async def _go_wrong(self, fault: Fault, scope: Scope, send: Send, call: Call) -> None:
        options = fault.options
        match fault.kind:
            case "timeout" | "reset":
                if options.get("apply"):
                    await self._answer(scope, call)
                await (self._hang(send, options) if fault.kind == "timeout" else _abort(send))
            case "late_apply":
                await self._later(scope, call, options.get("seconds"))
                await _abort(send)
            case "truncated" | "dropped" | "html200" | "empty200" | "slow" | "duplicate_page":
                await self._spoil(fault, scope, send, call)
            case "reordered_page" | "overlapping_page":
                await self._spoil(fault, scope, send, call)
            case "expired_token":
                await self._give(send, call, await _kept(self._simulator.error(401), scope))
            case kind if kind.isdigit():
                if options.get("apply"):
                    await self._answer(scope, call)
                kept = await _kept(
                    self._simulator.error(int(kind), options.get("code", ""), options.get("message", "")), scope
                )
                if "retry_after" in options:
                    kept.headers.append((b"retry-after", str(options["retry_after"]).encode()))
                await self._give(send, call, kept)
            case _:
                scope["fault"] = fault
                await self._give(send, call, await self._answer(scope, call))

    async def _spoil(self, fault: Fault, scope: Scope, send: Send, call: Call) -> None:
        """The request is served, the answer does not arrive as it was given."""
        if fault.kind == "duplicate_page":
            before = self._last.get(f"{call.method} {call.path}")
            await self._give(send, call, before or await self._answer(scope, call))
            return
        kept = await self._answer(scope, call) if fault.options.get("apply", True) else Kept(200)
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.options.get("seconds", 0.2))
            case "truncated":
                kept.body = kept.body[: len(kept.body) // 2]
            case "html200":
                kept = Kept(200, [(b"content-type", b"text/html")], b"<!doctype html><html><body>Sorry</body></html>")
            case "empty200":
                kept = Kept(200, [(b"content-type", b"application/json")], b"")
            case "reordered_page":
                kept.body = _with_rows(kept.body, lambda rows: rows[::-1])
            case "overlapping_page":
                before = self._last.get(f"{call.method} {call.path}")
                extra = _rows(before.body)[-5:] if before else []
                kept.body = _with_rows(kept.body, lambda rows: [*extra, *rows] if rows else rows)
        await self._give(send, call, kept, cut=fault.kind == "dropped")

    async def _give(self, send: Send, call: Call, kept: Kept, *, cut: bool = False) -> None:
        call.status = kept.status
        if not call.fault:
            self._last[f"{call.method} {call.path}"] = kept
        headers = [pair for pair in kept.headers if pair[0].lower() != b"content-length"]
        if kept.status != 204:
            headers.append((b"content-length", str(len(kept.body) + cut).encode()))
        await send({"type": "http.response.start", "status": kept.status, "headers": headers})
        if cut:
            await send({"type": "http.response.body", "body": kept.body[: len(kept.body) // 2], "more_body": True})
            await asyncio.sleep(0.01)  # the half must reach the wire before the cut
            await _abort(send)
            return
        await send({"type": "http.response.body", "body": b"" if kept.status == 204 else kept.body})

    async def _hang(self, send: Send, options: dict[str, Any]) -> None:
        await asyncio.sleep(options.get("seconds", 30.0))
        await _abort(send)

    async def _later(self, scope: Scope, call: Call, seconds: float | None) -> None:
        async def apply() -> None:
            await self._answer(scope, call)

        if seconds is None:
            self._simulator.late.append(apply)
            return

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await apply()

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _rows(body: bytes) -> list[Any]:
    """The objects of a page: the longest list at the top of its JSON."""
    page = _parsed(body)
    return max((value for value in page.values() if isinstance(value, list)), key=len, default=[])


def _with_rows(body: bytes, changed: Callable[[list[Any]], list[Any]]) -> bytes:
    """The page with other rows; as it is where it has none."""
    page, rows = _parsed(body), _rows(body)
    names = [name for name, value in page.items() if value == rows and isinstance(value, list)]
    return orjson.dumps({**page, names[0]: changed(rows)}) if rows and names else body


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return page if isinstance(page, dict) else {}


async def _whole(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _kept(response: Response, scope: Scope) -> Kept:
    return Kept(response.status_code, list(response.raw_headers), bytes(response.body))


async def _abort(send: Send) -> None:
    """Reset the connection. uvicorn offers no verb for it: `send` is a method of the cycle that holds the transport."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)  # let the server notice before the application returns without an answer
