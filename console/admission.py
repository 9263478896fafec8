"""What a request must be before anybody looks at what it says: not too many, not too large, plainly framed, once read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import anyio
from starlette.requests import Request

from journey.inbound.receiving import LATER, Answer

SLOWEST = 10.0
"""Seconds a body may take to arrive."""

MOST_HELD = 64 * 1024 * 1024
"""Bytes of all bodies held at once."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a connection's senders may send."""

    most: int  # bytes of a body
    rate: int  # requests a second


class Refused(Exception):
    """The request is answered without being looked at further; what was not read of it goes with its connection."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """`headers` besides `Connection: close`."""
        self.answer = Answer(status, {"connection": "close", **(headers or {})})


class Buckets:
    """Token buckets by key; each holds ten seconds' worth, so that a vendor's burst passes; old ones are forgotten."""

    STRANGERS: ClassVar[int] = 20
    """Requests a second for connections that nobody has opened yet."""
    BURST: ClassVar[int] = 10
    MOST: ClassVar[int] = 10_000

    def __init__(self, timer: Callable[[], float]) -> None:
        """`timer`: seconds, never going back."""
        self._timer = timer
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # key -> (tokens, when counted)

    def take(self, key: Hashable, rate: int) -> float:
        """Take one of `rate` a second: 0, or the seconds to wait and nothing taken."""
        now, most = self._timer(), float(rate * self.BURST)
        tokens, since = self._buckets.pop(key, (most, now))
        tokens = min(most, tokens + (now - since) * rate)
        taken = tokens >= 1.0
        self._buckets[key] = (tokens - taken, now)
        if len(self._buckets) > self.MOST:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1.0 - tokens) / rate


class Held:
    """The bytes of all bodies held at once, which have a limit of their own."""

    def __init__(self) -> None:
        self.size = 0

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """`with held.room() as take: take(size)` … ; given back at the end. Refuses where all becomes too much."""
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            mine += size
            self.size += size
            if self.size > MOST_HELD:
                raise Refused(LATER.status, LATER.headers)

        try:
            yield take
        finally:
            self.size -= mine


def require_plain(request: Request, most: int) -> None:
    """Refuse by the headers alone: compressed bodies, two framings at once, a length above `most` bytes."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(415)
    lengths = request.headers.getlist("content-length")
    if len(lengths) > 1 or (lengths and "transfer-encoding" in request.headers):
        raise Refused(400)
    if lengths and not (lengths[0].isascii() and lengths[0].isdigit()):
        raise Refused(400)
    if lengths and (len(lengths[0]) > 12 or int(lengths[0]) > most):
        raise Refused(413)


async def body_of(request: Request, most: int, room: Callable[[int], None]) -> bytes:
    """The body, whole: at most `most` bytes and `SLOWEST` seconds, whatever its headers promised."""
    pieces: list[bytes] = []
    size = 0
    try:
        with anyio.fail_after(SLOWEST):
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise Refused(413)
                room(len(piece))
                pieces.append(piece)
    except TimeoutError:
        raise Refused(408) from None
    return b"".join(pieces)


def headers_of(request: Request) -> dict[str, str]:
    """Lower-case names; a header that came twice holds both, a line each, so that it can prove nothing."""
    found: dict[str, str] = {}
    for raw_name, raw_value in request.scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found
