"""A vendor on loopback that keeps a sliding limit itself, remembers when every call arrived, and refuses what is too much."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class CountingVendor:
    """`url` is where it listens; `arrived` are seconds of its clock, one a call, refused ones included."""

    def __init__(self, calls: int, per: float, clock: Callable[[], float] = time.monotonic) -> None:
        """At most `calls` in any `per` seconds."""
        self.calls, self.per, self._clock = calls, per, clock
        self.arrived: list[float] = []
        self.refused = 0
        self.agents: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> CountingVendor:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def most(self) -> int:
        """The most calls in any window, wherever it begins."""
        times = sorted(self.arrived)
        return max((n - bisect_left(times, at - self.per + 1e-9) + 1 for n, at in enumerate(times)), default=0)

    def used(self) -> float:
        """Of what was allowed between the first call and the last."""
        times = sorted(self.arrived)
        return len(times) / (self.calls * max(1.0, (times[-1] - times[0]) / self.per))

    def _count(self, agent: str) -> bool:
        with self._lock:
            now = self._clock()
            self.arrived.append(now)
            self.agents.add(agent)
            within = sum(1 for at in self.arrived[-2 * self.calls :] if at > now - self.per) <= self.calls
            self.refused += not within
            return within

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                good = vendor._count(self.path)
                body = b"{}"
                self.send_response(200 if good else 429)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                with suppress(ConnectionError):  # a worker was killed
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler
