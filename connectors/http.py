"""The only way to a vendor: one httpx transport per connection, one retry policy, fates instead of exceptions.

Reads may be repeated, so whatever went wrong on the way is retried. A write is repeated only when it was provably not
applied (no connection, 429, a refused credential, a lock); a timeout, a reset, a 5xx or a body that cannot be read
leaves it Unknown, and only a reconcile may decide. Nothing leaves the connection's own host: no redirects, no proxies
from the environment, no cookies, no next-page link elsewhere, and no address that is not public (`connectors.guard`).
A client around the transport would bring those back, and cost as much again as all that we add to a request.
"""

from __future__ import annotations

import logging
import threading
import time
import urllib.parse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from connectors.auth import Auth, OAuth1
from connectors.budget import Budget, Limit, Windows
from connectors.guard import LOOPBACK, GuardedTransport
from connectors.retry import ATTEMPTS, PATIENCE, policy
from connectors.verdicts import DEFAULT_VERDICTS, Verdicts, fated
from kernel.clock import SECOND, Clock, SystemClock
from kernel.errors import BadSetting, Reauthenticate, Retry, RetryAt, Stop, ThroughlineError, Unknown

# httpx logs whole URLs at INFO; queries hold personal data and tokens.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

MAX_ANSWER = 64 * 1024 * 1024
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REFUSED = ("rate_limited", "daily_budget")
_UNPARSED: Any = object()
_HEADERS = {
    "Accept-Encoding": "gzip, deflate",  # what httpx undoes without further packages
    "Connection": "keep-alive",
    "User-Agent": "throughline",
    "Accept": "application/json",
}


@dataclass(slots=True, repr=False)
class Answer:
    """What the vendor answered. `sent_at` is the instant just before the request left."""

    status: int
    headers: httpx.Headers
    content: bytes
    write: bool = False
    sent_at: int = 0
    request_id: str = ""
    trace_id: str = ""
    _body: Any = field(default=_UNPARSED)

    def json(self) -> Any:
        """The body, parsed strictly once. A body that is no JSON: Retry for a read, Unknown for a write."""
        if self._body is _UNPARSED:
            try:
                self._body = orjson.loads(self.content)
            except orjson.JSONDecodeError:
                raise self.unreadable() from None
        return self._body

    def unreadable(self, message: str = "the answer is empty, cut short or not JSON") -> ThroughlineError:
        """The error for an answer that does not say what it should."""
        kind = Unknown if self.write else Retry
        return kind(message, cause="bad_answer", status=self.status, request_id=self.request_id, trace_id=self.trace_id)

    def body_or_none(self) -> Any:
        """The parsed body; None when it is not JSON."""
        try:
            return self.json()
        except ThroughlineError:
            return None


@dataclass(slots=True)
class _Call:
    method: str
    url: httpx.URL
    content: bytes | None
    headers: Mapping[str, str] | None
    write: bool
    trace_id: str
    raw: bool
    accept: Collection[int]
    cost: int = 1
    answer: Answer | None = None
    reauthenticated: bool = False


class Http:
    """One connection's HTTP: base URL, credential, limits, verdicts, clock."""

    def __init__(
        self,
        *,
        connection: str,
        base_url: str,
        auth: Auth | None = None,
        verdicts: Verdicts = DEFAULT_VERDICTS,
        limits: Sequence[Limit] = (),
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        budget: Budget | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        max_answer: int = MAX_ANSWER,
        attempts: int = ATTEMPTS,
        clean: Callable[[bytes], bytes] | None = None,
        plain: bool = False,
    ) -> None:
        """An empty `base_url` reaches nobody (connectors that only receive). `timeout` in seconds, per network step.

        `clean` takes away what a vendor's software is known to put around its JSON. `plain`: http without TLS is allowed,
        and only with a credential that signs each request.
        """
        self.connection, self.verdicts, self.auth = connection, verdicts, auth
        self.clock: Clock = clock or SystemClock()
        self.base_url = _base(connection, base_url, plain=plain and isinstance(auth, OAuth1))
        self._root = str(self.base_url or "").rstrip("/")
        self._origin = _origin(self.base_url) if self.base_url is not None else None
        self.timeout, self.max_answer, self.attempts = timeout, max_answer, attempts
        self._budget: Budget = budget or Windows(limits, self.clock)
        self._headers = {**_HEADERS, **(headers or {})}
        self._transport, self._clean = transport, clean
        self._opened: httpx.BaseTransport | None = None
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        json: Any = None,
        content: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        write: bool = False,
        trace_id: str = "",
        check: bool = True,
        accept: Collection[int] = (),
        raw: bool = False,
        cost: int = 1,
    ) -> Answer:
        """Send one request and return its answer, or raise the error whose fate says what must happen next.

        `cost`: in the vendor's tokens, where a limit counts those. `accept`: statuses returned as they are. `check=False`: once retries are spent, any status is returned (ask
        `verdict`). A read's 2xx body must be JSON unless `raw`.
        """
        body = content.encode() if isinstance(content, str) else content
        headers = dict(headers or {})
        if json is not None:
            body = orjson.dumps(json)
            headers.setdefault("Content-Type", "application/json")
        call = _Call(method.upper(), self._resolve(url, params), body, headers, write, trace_id, raw, accept, cost)
        try:
            return policy(self.clock, self.attempts)(self._attempt, call)
        except Reauthenticate as error:
            raise self._refused(error) from None
        except ThroughlineError as error:
            answer = call.answer
            if not check and answer is not None and error.status == answer.status and answer.status != 401:
                return answer
            raise
        finally:
            call.content = call.answer = None  # tenacity leaves a cycle behind; bodies must not wait for the collector

    def get(self, url: str, **options: Any) -> Answer:
        """Read; see `send`."""
        return self.send("GET", url, **options)

    def follow(self, url: str, **options: Any) -> Answer:
        """Read a next-page link as the vendor wrote it; a link to another host stops the stream."""
        return self.send("GET", url, **options)

    def bare(self, base_url: str) -> Http:
        """For a file that the vendor keeps at another host: the same limits of size and time, no credential of ours."""
        return Http(
            connection=self.connection,
            base_url=base_url,
            clock=self.clock,
            transport=self._transport,
            timeout=self.timeout,
            max_answer=self.max_answer,
            attempts=self.attempts,
        )

    def verdict(self, answer: Answer, write: bool | None = None) -> ThroughlineError | None:
        """The fated error an answer stands for; None when all is well."""
        write = answer.write if write is None else write
        body = None
        if self.verdicts.inside_success or not 200 <= answer.status < 300:
            body = answer.body_or_none()
        verdict, code = self.verdicts.judge(answer.status, body, answer.headers)
        if verdict is None:
            return None
        now = self.clock.now()
        told = self.verdicts.body_wait(body) if body is not None else None
        error = fated(
            verdict,
            write=write,
            now=now,
            after=told if told is not None else self.verdicts.wait(answer.headers, now),
            connection=self.connection,
            code=code,
            field=self.verdicts.field(body) if body is not None else "",
            status=answer.status,
            request_id=answer.request_id,
            trace_id=answer.trace_id,
        )
        return _no_long_wait(error, now)

    def close(self) -> None:
        """Release sockets, and what was leased of the budget."""
        self._budget.close()
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _attempt(self, call: _Call) -> Answer:
        call.answer = None
        headers = {**self._headers, **(call.headers or {})}
        if self.auth is not None:
            self.auth.apply(headers)
        self._budget.take(1, call.cost, f"{call.method} {call.url.path}")
        try:
            call.answer = answer = self._exchange(call, headers)
        except ThroughlineError as lost:
            lost.outage = self._budget.done(trouble=isinstance(lost, (Retry, Unknown)))
            raise
        outage = self._budget.done(trouble=answer.status >= 500)
        if self.verdicts.left is not None:
            self._budget.told(self.verdicts.left(answer.headers))
        if answer.status in call.accept:
            return answer
        error = self.verdict(answer)
        if isinstance(error, Retry) and error.cause in _REFUSED:
            wait = (error.at - self.clock.now()) / SECOND if isinstance(error, RetryAt) else error.after
            self._budget.refused(wait, error.cause)
        if isinstance(error, Reauthenticate):
            if call.reauthenticated or self.auth is None or not self.auth.refresh(headers.get("Authorization", "")):
                raise self._refused(error)
            call.reauthenticated = True
        if error is not None:
            error.outage = outage
            raise error
        if not call.write and not call.raw and answer.status != 204:
            answer.json()
        return answer

    def _exchange(self, call: _Call, headers: Mapping[str, str]) -> Answer:
        transport, sent_at = self._open(), self.clock.now()
        try:
            steps = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self.timeout)}
            request = httpx.Request(
                call.method, self._signed(call), headers=headers, content=call.content, extensions=steps
            )
            response = transport.handle_request(request)
            try:
                content = self._body(response)
            finally:
                response.close()
        except _NOT_SENT as error:
            raise Retry(self._told("cannot be reached", error), cause="unreachable", trace_id=call.trace_id) from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise Stop(self._told("the request cannot be sent", error), cause="wrong_request") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            timed_out = isinstance(error, httpx.TimeoutException)
            told = self._told("no answer in time" if timed_out else "the connection was lost", error)
            kind: Callable[..., ThroughlineError] = Unknown if call.write else Retry
            raise kind(told, cause="timeout" if timed_out else "connection_lost", trace_id=call.trace_id) from None
        content = self._clean(content) if self._clean is not None else content
        request_id = next((told for name in self.verdicts.request_id if (told := response.headers.get(name))), "")
        return Answer(response.status_code, response.headers, content, call.write, sent_at, request_id, call.trace_id)

    def _signed(self, call: _Call) -> httpx.URL:
        """The address, with its proof where the credential signs addresses: a new one for each attempt."""
        if not isinstance(self.auth, OAuth1):
            return call.url
        bare = str(call.url.copy_with(query=None, fragment=None))
        return call.url.copy_merge_params(self.auth.signed(call.method, bare, call.url.params.multi_items()))

    def _body(self, response: httpx.Response) -> bytes:
        """The body, whole; a trickle or a flood is treated as a lost connection."""
        until = time.monotonic() + 4 * self.timeout
        pieces, size = [], 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > self.max_answer:
                raise httpx.ReadError("larger than the cap")
            if time.monotonic() > until:
                raise httpx.ReadTimeout("trickles")
        return b"".join(pieces)

    def _open(self) -> httpx.BaseTransport:
        """The transport, made at first use: connectors that only receive never need one."""
        with self._lock:
            if self._opened is None:
                limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
                self._opened = self._transport or GuardedTransport(
                    httpx.HTTPTransport(trust_env=False, limits=limits), self.connection
                )
            return self._opened

    def _resolve(self, url: str, params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None) -> httpx.URL:
        """The absolute URL, pinned to the base host."""
        if self.base_url is None:
            raise Stop(f"{self.connection}: this connection only receives", cause="wrong_request")
        absolute = url.startswith(("http://", "https://"))
        text = url if absolute else f"{self._root}/{url.lstrip('/')}"
        # httpx: params given to URL erase its own query; where there is none, that saves parsing it twice.
        target = httpx.URL(text, params=params) if params and "?" not in text else httpx.URL(text)
        if absolute and _origin(target) != self._origin:
            raise Stop(f"{self.connection}: a link leads to another host", cause="foreign_host")
        return target.copy_merge_params(params) if params and "?" in text else target  # type: ignore[arg-type]

    def _refused(self, error: ThroughlineError) -> Stop:
        told = f"{self.connection}: the vendor refused the credential; run: throughline check {self.connection}"
        facts = {"status": error.status, "request_id": error.request_id, "trace_id": error.trace_id}
        return Stop(told, cause="unauthorized", **facts)  # type: ignore[arg-type]

    def _told(self, what: str, error: Exception) -> str:
        return f"{self.connection}: {what} ({type(error).__name__})"


class PageGuard:
    """Refuses a paging token that was already followed in this read: a vendor's loop must not become ours."""

    def __init__(self, connection: str) -> None:
        self._connection, self._seen = connection, set[int]()

    def advance(self, token: object) -> None:
        """Remember a token about to be followed; raises Stop when it was followed before."""
        mark = hash(str(token))
        if mark in self._seen:
            raise Stop(f"{self._connection}: the vendor's paging loops", cause="page_loop")
        self._seen.add(mark)


def _no_long_wait(error: ThroughlineError, now: int) -> ThroughlineError:
    if isinstance(error, Retry) and not isinstance(error, RetryAt) and (error.after or 0.0) > PATIENCE:
        at = now + int((error.after or 0.0) * SECOND)
        facts = {"status": error.status, "request_id": error.request_id, "trace_id": error.trace_id}
        return RetryAt(error.message, at=at, cause=error.cause, **facts)
    return error


def _base(connection: str, base_url: str, *, plain: bool = False) -> httpx.URL | None:
    if not base_url:
        return None
    url = httpx.URL(base_url)
    if url.scheme != "https" and not (url.scheme == "http" and (plain or url.host in LOOPBACK)):
        raise BadSetting(f"{connection}: the base URL must be https (http only on loopback)", field="base_url")
    if url.host in LOOPBACK and urllib.parse.urlsplit(base_url).hostname not in LOOPBACK:
        raise BadSetting(f"{connection}: loopback is written 127.0.0.1, ::1 or localhost", field="base_url")
    if url.userinfo or url.query:
        raise BadSetting(f"{connection}: the base URL must hold no user, password or query", field="base_url")
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.host, port
