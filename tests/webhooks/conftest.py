"""A source that only sends webhooks, and the receiver on a real port before a real store."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp

from connectors import open_connector
from connectors.base import Connector, ConnectorSettings, Resource
from connectors.http import Http
from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.webhook import Secrets, revealed
from console.receiver import receiver
from console.reception import config
from journey.context import Context
from journey.counts import Counts
from journey.inbound.receiving import process
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park
from kernel.records import Delivered, SourceRecord, WebhookRequest
from tests.journey.conftest import World, world
from tests.webhooks.vectors import JSON, SAMPLES, Sample, b64, mac

__all__ = ["world"]
SECRET = SAMPLES["standard"].secret
OTHER = SAMPLES["standard"].other


class ShopSettings(ConnectorSettings):
    """One shop."""

    webhook_secret: Secrets = ()


class Shop(Connector):
    """Sends whole records: {"records": [{id, updated, deleted, …}]}, signed by Standard Webhooks."""

    system: ClassVar[str] = "shop"
    Settings = ShopSettings
    resources: ClassVar[Mapping[str, Resource]] = {"customers": Resource("customers", updated_at="updated")}

    @classmethod
    def build_http(cls, settings: ShopSettings, **options: Any) -> Http:
        return Http(base_url="", **options)

    def check(self) -> list[Any]:
        return []

    def webhook(self, request: WebhookRequest) -> Delivered:
        secrets = revealed(self.settings.webhook_secret, self.http.connection)
        told = admit("standard", request, Keyring(secrets), request.received_at)
        try:
            records = [
                SourceRecord(str(r["id"]), r, r.get("updated"), bool(r.get("deleted"))) for r in told.told["records"]
            ]
        except (TypeError, KeyError, AttributeError):
            raise Park("no records", cause="bad_payload") from None
        return Delivered([("customers", record) for record in records], dedupe_key=told.dedupe_key)


@dataclass
class Hooks:
    """A world whose `shop` sends webhooks; also the Connections protocol, with its real refusals."""

    world: World
    counts: Counts = field(default_factory=Counts)

    @property
    def now(self) -> int:
        """Epoch seconds, without moving the clock."""
        return self.world.clock.at // SECOND

    def add(self, name: str, **settings: Any) -> None:
        made = open_connector(Shop, {"webhook_secret": SECRET, **settings}, connection=name, clock=self.world.clock)
        self.world.systems[name] = made  # type: ignore[assignment]

    def open(self, name: str) -> Any:
        if name not in self.world.systems:
            raise BadSetting("no such connection")
        return self.world.systems[name]

    def system(self, name: str) -> str:
        return str(self.open(name).system)

    def context(self) -> Context:
        ctx = self.world.context()
        ctx.connections = self
        return ctx

    def process(self) -> int:
        return process(self.context(), self.counts).processed

    def request(self, *records: dict[str, Any], id: str = "msg_1", secret: str = SECRET) -> WebhookRequest:
        return signed({"records": list(records)}, id, self.now, secret)

    def receipts(self) -> list[Any]:
        return self.world.rows("receipt")


def signed(told: Any, id: str, at: int, secret: str = SECRET, body: bytes | None = None) -> WebhookRequest:
    """A Standard Webhooks delivery, signed by the code of `vectors`."""
    sample: Sample = SAMPLES["standard"]
    body = orjson.dumps(told) if body is None else body
    request = sample.sign(secret, body, at)
    if id != "msg_1":
        request.headers = standard_headers(id, at, body, secret)
    request.received_at = at * SECOND
    return request


def standard_headers(id: str, at: int, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The three headers and the content type."""
    signature = b64(mac(base64.b64decode(secret.removeprefix("whsec_")), f"{id}.{at}.".encode() + body))
    return {**JSON, "webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


@pytest.fixture
def hooks(world: World) -> Hooks:
    """A shop named `shop`, on each engine."""
    made = Hooks(world)
    made.add("shop")
    return made


@dataclass
class Port:
    """A running receiver."""

    port: int

    def send(
        self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes, *more: bytes, shut: bool = False) -> bytes:
        """What comes back for bytes put on the wire as they are; '' when nothing does."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as wire:
            with contextlib.suppress(OSError):  # answered and closed before all was sent
                for piece in (sent, *more):
                    wire.sendall(piece)
                if shut:
                    wire.shutdown(socket.SHUT_WR)
            found = b""
            with contextlib.suppress(ConnectionError):
                while b"\r\n\r\n" not in found and (piece := wire.recv(65536)):
                    found += piece
            return found


class Served:
    """uvicorn in a thread, with the settings that the console serves with."""

    def __init__(self, app: ASGIApp) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.server = uvicorn.Server(config(app, "127.0.0.1", 0))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.005)
        self.port = Port(self.socket.getsockname()[1])

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(10)
        self.socket.close()


Serve = Callable[..., Port]


@pytest.fixture
def serve_hooks(hooks: Hooks) -> Iterator[Serve]:
    """`serve_hooks(**options of the receiver)` → a port."""
    running: list[Served] = []

    def start(connections: Any = None, store: Any = None, **options: Any) -> Port:
        app = receiver(store or hooks.world.store, connections or hooks, **options)
        running.append(Served(app))
        return running[-1].port

    yield start
    for each in running:
        each.stop()
