"""A vendor on tape: what a simulator answered once is answered again without it, and a mutant may change it on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

_SIGNED = re.compile(r"(?<=[?&])oauth_\w+=[^&]*&?")
"""A signature in the query, which is another one each time."""

Change = Callable[[Any], Any]
"""Makes another body of an answer's body."""


@dataclass
class Tape(httpx.BaseTransport):
    """The transport of a connector. A request that was never recorded goes to the simulator."""

    pages: re.Pattern[str]  # the paths whose answers hold records
    telling: tuple[str, ...] = ()  # headers that tell where a list ends; a page is then {headers, body}
    change: Change | None = None
    kept: dict[tuple[str, str, bytes], tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    bodies: list[Any] = field(default_factory=list)  # of the pages, as recorded

    def __post_init__(self) -> None:
        """The way to the simulator."""
        self._live = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One answer, from the tape where it is there."""
        key = (request.method, _SIGNED.sub("", request.url.raw_path.decode()), request.read())
        found = self.kept.get(key) or self._record(request, key)
        status, headers, content = found
        if self.change is not None and status == 200 and self.pages.search(key[1]) and _is_page(key):
            headers, content = self._sent(headers, self.change(self._page(headers, content)))
        return httpx.Response(status, headers=headers, content=content, request=request)

    def _record(self, request: httpx.Request, key: tuple[str, str, bytes]) -> tuple[int, dict[str, str], bytes]:
        answer = self._live.handle_request(request)
        content = answer.read()
        answer.close()
        known = ("content-type", "request-id", "link", *self.telling)
        kept = {name: value for name, value in answer.headers.items() if name in known}
        self.kept[key] = (answer.status_code, kept, content)
        if self.pages.search(key[1]) and answer.status_code == 200 and _is_page(key):
            self.bodies.append(self._page(kept, content))
        return self.kept[key]

    def _page(self, headers: dict[str, str], content: bytes) -> Any:
        """An answer as mutants see it."""
        body = orjson.loads(content)
        return (
            {"headers": {name: headers[name] for name in self.telling if name in headers}, "body": body}
            if self.telling
            else body
        )

    def _sent(self, headers: dict[str, str], page: Any) -> tuple[dict[str, str], bytes]:
        """A mutant's answer as it is sent; the body's own place is the answer."""
        if not self.telling:
            return headers, orjson.dumps(page)
        told = page.pop("headers", None)
        told = {name: str(value or "") for name, value in told.items()} if isinstance(told, dict) else {}
        left = {name: value for name, value in headers.items() if name not in self.telling}
        return left | told, orjson.dumps(page.get("body", page))

    def close(self) -> None:
        """Connectors come and go; the tape stays."""

    def end(self) -> None:
        """Let go of the simulator."""
        self._live.close()


def _is_page(key: tuple[str, str, bytes]) -> bool:
    """Introspection is asked by the same path as records where everything is one path."""
    return b"__type" not in key[2] and b"__schema" not in key[2]
