"""A vendor that was recorded: what a simulator answered is answered again, in order, by a server that does nothing else."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

AGAIN = "/benchmark/again"
"""A request here starts the recording anew."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str  # with its query
    headers: list[tuple[str, str]]
    body: bytes
    status: int
    answer_headers: list[tuple[str, str]]
    answer: bytes


@dataclass(slots=True)
class Recording:
    """The exchanges of one job, and what a connector needs to do it again."""

    settings: dict[str, Any]
    at: int  # the vendor's clock when it began
    records: int = 0
    exchanges: list[Exchange] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Keep it in a file of our own."""
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> Recording:
        """Read it back."""
        found: Recording = pickle.loads(path.read_bytes())  # noqa: S301  written by us a moment ago
        return found


class Recorder(httpx.BaseTransport):
    """A transport that keeps what passes."""

    def __init__(self) -> None:
        self._beneath = httpx.HTTPTransport(trust_env=False)
        self.exchanges: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on and keep both."""
        sent = self._beneath.handle_request(request)
        answer = httpx.Response(sent.status_code, headers=sent.headers, content=sent.read())
        self.exchanges.append(
            Exchange(
                request.method,
                request.url.raw_path.decode(),
                [(name, value) for name, value in request.headers.multi_items() if name != "content-length"],
                request.read(),
                answer.status_code,
                [(n, v) for n, v in sent.headers.multi_items() if n not in ("content-length", "transfer-encoding")],
                answer.content,
            )
        )
        return answer

    def close(self) -> None:
        """A connector that is closed leaves it to the next one."""

    def end(self) -> None:
        """Release sockets."""
        self._beneath.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True
    recording: Recording
    at = 0

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == AGAIN:
            _Handler.at = 0
            self._send(204, [], b"")
            return
        told = self.recording.exchanges[_Handler.at] if _Handler.at < len(self.recording.exchanges) else None
        _Handler.at += 1
        if told is None or (told.method, told.path) != (self.command, self.path):
            self._send(418, [], b"another request was recorded here")
        else:
            self._send(told.status, told.answer_headers, told.answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  named by the standard library

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def replaying(recording: Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """The server, bound to the port the recording was made on."""
    _Handler.recording = Recording.load(recording)
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    try:
        yield server
    finally:
        server.server_close()


def main() -> None:
    """Serve a recording until terminated."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    with replaying(options.recording, options.port) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
