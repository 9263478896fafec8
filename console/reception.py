"""Serving the webhook receiver, and landing what it stored: a thread processes receipts shortly after they arrive."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from sqlalchemy import select

from console.opening import Desk
from console.receiver import receiver
from journey import activation, runs
from journey.context import Context
from journey.inbound import receiving
from kernel.errors import Stop, ThroughlineError
from kernel.leases import Held
from kernel.log import get
from kernel.store import Store
from kernel.store.tables import receipt

PORT = 8410
PAUSE = 1.0
"""Seconds between a receipt and its processing: what arrives together is landed together."""

AGAIN = 60.0
"""Seconds after which receipts that had to wait are tried again."""

log = get(__name__)


def serve(opened: Desk, host: str = "127.0.0.1", port: int = PORT, *, land: bool = True) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    `land=False` only stores, where a `receive` flow processes. TLS is the business of the proxy before it.
    """
    forms = [name for name, each in opened.described.items() if each.system == "web_form"]
    landing = Landing(lambda: land_receipts(opened)) if land else None
    app = receiver(
        opened.store,
        opened.connections,
        forms=forms,
        public_url=opened.settings.public_url,
        arrived=landing.arrived if landing else None,
    )
    server = uvicorn.Server(config(app, host, port))
    with suppress(ValueError):  # not in the main thread: whoever runs it there ends it
        signal.signal(signal.SIGTERM, _leave)  # uvicorn ends what was begun, then hands the signal on
    if landing:
        landing.start()
    try:
        server.run()
        if not server.started:
            raise Stop(f"{host}:{port} cannot be listened on; give another --port", cause="port_taken")
    finally:
        if landing:
            landing.end()


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def config(app: object, host: str, port: int) -> uvicorn.Config:
    """How the receiver is served."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        http="h11",
        lifespan="off",
        log_config=None,  # ours; and no access log: addresses hold secrets
        access_log=False,
        proxy_headers=False,  # whoever sends them; the outside's address is a setting
        server_header=False,
        backlog=512,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=8,
        h11_max_incomplete_event_size=32 * 1024,
    )


def land_receipts(opened: Desk) -> int:
    """Process what is stored, as a run of its own; how many were processed. None, and no run, where nothing waits."""
    if not _waiting(opened.store):
        return 0
    pins = activation.pins(opened.store, opened.settings.home, opened.described)
    try:
        with runs.recorded(Context(opened.store, pins, opened.connections), "receive", None) as run:
            return receiving.process(run.ctx, run.counts).processed
    except Held:
        return 0  # another worker is at it


def _waiting(store: Store) -> bool:
    with store.read() as conn:
        return conn.execute(select(receipt.c.id).where(receipt.c.state == "received").limit(1)).first() is not None


class Landing(threading.Thread):
    """Does `work` soon after it is told that something arrived, at its start, and once a minute."""

    def __init__(self, work: Callable[[], object], pause: float = PAUSE, again: float = AGAIN) -> None:
        """`pause` and `again` in seconds."""
        super().__init__(name="landing", daemon=True)
        self._work, self._pause, self._again = work, pause, again
        self._news, self._over = threading.Event(), threading.Event()

    def arrived(self) -> None:
        """There is something to land."""
        self._news.set()

    def end(self, limit: float = 8.0) -> None:
        """Finish the round that goes on; what is not landed then waits for the next start."""
        self._over.set()
        self._news.set()
        self.join(limit)

    def run(self) -> None:
        """Until `end`."""
        while not self._over.is_set():
            try:
                self._work()
            except ThroughlineError as error:
                log.warning("receipts wait", cause=error.cause, why=error.message)
            except Exception as crash:
                log.error("receipts wait", error=type(crash).__name__)
            self._news.wait(self._again)
            self._news.clear()
            self._over.wait(self._pause)
