"""A vendor on tape: what a simulator answered once is answered again without it, and a mutant may change it on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

Change = Callable[[Any], Any]
"""Makes another body of an answer's body."""


@dataclass
class Tape(httpx.BaseTransport):
    """The transport of a connector. A request that was never recorded goes to the simulator."""

    pages: re.Pattern[str]  # the paths whose answers hold records
    change: Change | None = None
    kept: dict[tuple[str, str, bytes], tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    bodies: list[Any] = field(default_factory=list)  # of the pages, as recorded

    def __post_init__(self) -> None:
        """The way to the simulator."""
        self._live = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One answer, from the tape where it is there."""
        key = (request.method, request.url.raw_path.decode(), request.read())
        found = self.kept.get(key) or self._record(request, key)
        status, headers, content = found
        if self.change is not None and status == 200 and self.pages.search(key[1]) and _is_page(key):
            content = orjson.dumps(self.change(orjson.loads(content)))
        return httpx.Response(status, headers=headers, content=content, request=request)

    def _record(self, request: httpx.Request, key: tuple[str, str, bytes]) -> tuple[int, dict[str, str], bytes]:
        answer = self._live.handle_request(request)
        content = answer.read()
        answer.close()
        kept = {name: value for name, value in answer.headers.items() if name in ("content-type", "request-id", "link")}
        self.kept[key] = (answer.status_code, kept, content)
        if self.pages.search(key[1]) and answer.status_code == 200 and _is_page(key):
            self.bodies.append(orjson.loads(content))
        return self.kept[key]

    def close(self) -> None:
        """Connectors come and go; the tape stays."""

    def end(self) -> None:
        """Let go of the simulator."""
        self._live.close()


def _is_page(key: tuple[str, str, bytes]) -> bool:
    """Introspection is asked by the same path as records where everything is one path."""
    return b"__type" not in key[2] and b"__schema" not in key[2]
