"""The webhook receiver: one address per connection, the body stored before it is acknowledged, nothing believed before.

`/hooks/{connection}[/…]` and, for web forms, `/forms/{form}` or `/forms/{connection}/{form}`; `/healthz` for whoever
watches. What a sender hears decides what it does next, so: 401 only for a proven bad signature, 400/413/415 for what can
never be taken, and for every trouble of our own 503 with Retry-After, which every vendor comes back after.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from console.admission import Allowance, Buckets, Held, Refused, body_of, headers_of, require_plain
from journey.context import Connections
from journey.inbound.receiving import LATER, Answer, accept
from kernel.errors import BadSetting, ThroughlineError
from kernel.log import get
from kernel.records import WebhookRequest
from kernel.store import Store

PATIENCE = 2.5
"""Seconds a sender waits for our store; Intuit gives up after three, Shopify and Xero after five."""

_THREADS = 16
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
T = TypeVar("T")
log = get(__name__)


def receiver(
    store: Store,
    connections: Connections,
    *,
    forms: Collection[str] = (),
    public_url: str = "",
    patience: float = PATIENCE,
    arrived: Callable[[], None] | None = None,
    timer: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The receiver as an application.

    `forms`: the connections that take web forms. `public_url`: how the outside reaches `/`, where a proxy stands before
    us (HubSpot and Twilio sign it). `arrived` is called after each receipt. Raises BadSetting for a wrong `public_url`.
    """
    doors = _Doors(store, connections, frozenset(forms), _base(public_url), patience, arrived, timer)
    routes = [
        Route("/healthz", doors.health, methods=["GET"]),
        Route("/hooks/{connection}", doors.hook, methods=_METHODS),
        Route("/hooks/{connection}/{rest:path}", doors.hook, methods=_METHODS),
        Route("/forms/{form}", doors.form, methods=_METHODS),
        Route("/forms/{connection}/{form}", doors.form, methods=_METHODS),
    ]
    return Starlette(routes=routes)


class _Doors:
    def __init__(
        self,
        store: Store,
        connections: Connections,
        forms: frozenset[str],
        base: str,
        patience: float,
        arrived: Callable[[], None] | None,
        timer: Callable[[], float],
    ) -> None:
        self.store, self.connections, self.forms, self.base = store, connections, forms, base
        self.patience, self.arrived = patience, arrived
        self.buckets, self.held = Buckets(timer), Held()
        self._allowed: dict[str, Allowance] = {}
        self._threads: anyio.CapacityLimiter | None = None

    async def hook(self, request: Request) -> Response:
        """A vendor's webhook."""
        return await self._guarded(request, request.path_params["connection"])

    async def form(self, request: Request) -> Response:
        """A web form; the connection may be left out where only one takes forms."""
        named = request.path_params.get("connection") or (next(iter(self.forms)) if len(self.forms) == 1 else "")
        return await self._guarded(request, named if named in self.forms else "")

    async def health(self, request: Request) -> Response:
        """200 while receipts can be stored."""
        try:
            await self._in_thread(self._probe)
        except Exception:
            return _response(LATER)
        return Response(b"ok\n", 200, media_type="text/plain")

    def _probe(self) -> None:
        with self.store.read() as conn:
            conn.execute(text("SELECT 1 FROM receipt LIMIT 1"))

    async def _guarded(self, request: Request, connection: str) -> Response:
        """Whatever goes wrong on our side is a 503; nothing of it is told."""
        try:
            return _response(await self._take(request, connection))
        except Refused as refused:
            return _response(refused.answer)
        except ClientDisconnect:
            return _response(Answer(400))  # nobody hears it
        except ThroughlineError as error:
            log.warning("webhook not taken", cause=error.cause)
        except TimeoutError:
            log.warning("webhook not taken in time")
        except Exception as crash:
            log.error("the receiver failed", error=type(crash).__name__, at=_place(crash))
        return _response(LATER)

    async def _take(self, request: Request, connection: str) -> Answer:
        allowed = await self._allowance(request, connection)
        require_plain(request, allowed.most)
        with self.held.room() as room:
            body = await body_of(request, allowed.most, room)
            now = self.store.clock.now()
            received = WebhookRequest(request.method, self._url(request), headers_of(request), body, now)
            answer = await self._in_thread(partial(accept, self.store, self.connections, connection, received))
        if self.arrived is not None and answer.status in (200, 303):
            self.arrived()
        return answer

    async def _allowance(self, request: Request, connection: str) -> Allowance:
        """What this connection allows; a request above its rate, and one for nobody we know, ends here, cheaply."""
        known = self._allowed.get(connection)
        peer = request.client.host if request.client else ""
        bucket = connection if known or self._is_described(connection) else ""
        wait = self.buckets.take((bucket, peer), known.rate if known else Buckets.STRANGERS)
        if wait > 0:
            raise Refused(429, {"retry-after": str(max(1, round(wait)))})
        if known is None:
            known = self._allowed[connection] = await self._in_thread(partial(self._opened, connection))
        return known

    def _is_described(self, connection: str) -> bool:
        try:
            return bool(self.connections.system(connection))
        except BadSetting:
            return False

    def _opened(self, connection: str) -> Allowance:
        try:
            settings = self.connections.open(connection).settings
        except BadSetting:
            # It may be a deployment under way: a 404 would make Typeform and others give the address up at once.
            raise Refused(LATER.status, LATER.headers) from None
        return Allowance(settings.webhook_bytes, settings.webhook_rate)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Blocking work; given up on after `patience` seconds, though it may still end well: its sender comes again."""
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(_THREADS)
        with anyio.fail_after(self.patience):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)

    def _url(self, request: Request) -> str:
        """The URL as the sender wrote it."""
        path = request.scope.get("raw_path") or urllib.parse.quote(request.scope["path"]).encode()
        query = request.scope["query_string"].decode("latin-1")
        base = self.base or f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        return base + path.decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")


def _response(answer: Answer) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **answer.headers}
    return Response(answer.body, answer.status, headers)


def _base(public_url: str) -> str:
    if not public_url:
        return ""
    split = urllib.parse.urlsplit(public_url)
    if split.scheme not in ("https", "http") or not split.netloc or split.query or split.fragment:
        raise BadSetting("THROUGHLINE_PUBLIC_URL is an address such as https://in.example.com", field="public_url")
    return public_url.rstrip("/")


def _place(crash: Exception) -> str:
    trace = crash.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
