"""A worker that calls a vendor as fast as its share of the budget lets it: `python -m tests.quota.worker …`.

It says "ready", begins when it is told anything, and ends at once when nobody can tell it anything any more. A paced one
tells when it sleeps, and is told the instant at which it wakes.
"""

from __future__ import annotations

import os
import sys
import threading
from random import Random

import httpx

from connectors.http import Http
from journey.connecting import shared_budget
from kernel.clock import SECOND, Clock, SystemClock
from kernel.errors import ThroughlineError
from kernel.quota import Limit
from kernel.store import open_store
from kernel.vault import Vault


class OffClock(SystemClock):
    """A machine's clock that is wrong."""

    def __init__(self, seconds: int) -> None:
        self.off = seconds * SECOND

    def now(self) -> int:
        """What this worker believes."""
        return super().now() + self.off


class PacedClock:
    """A time that passes only while its workers sleep, all of them: what the machine is busy with takes none."""

    def __init__(self) -> None:
        self.at = int(_told())

    def now(self) -> int:
        """The instant of all workers."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Until it is that late."""
        print("sleep", self.at + max(1, int(seconds * SECOND)), flush=True)  # noqa: T201
        self.at = int(_told())


class Distance(httpx.HTTPTransport):
    """A vendor that is some way off, there and back."""

    def __init__(self, clock: Clock, seed: str) -> None:
        super().__init__()
        self._clock, self._random = clock, Random(seed)  # noqa: S311 - reproducible on purpose

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One call."""
        self._clock.sleep(self._random.random() * 0.05)
        answer = super().handle_request(request)
        self._clock.sleep(self._random.random() * 0.05)
        return answer


def main(database: str, url: str, name: str, calls: str, per: str, off: str) -> None:
    """Call without end. `off`: seconds by which this machine's clock is wrong, or "paced"."""
    print("ready", flush=True)  # noqa: T201
    paced = off == "paced"
    clock: Clock = PacedClock() if paced else OffClock(int(off))
    store = open_store(database, Vault([bytes(range(32))]), clock)
    budget = shared_budget(store, "vendor", [Limit(int(calls), float(per))])
    transport = Distance(clock, name) if paced else None
    http = Http(connection="vendor", base_url=url, clock=clock, budget=budget, transport=transport)
    if not paced:
        _told()
        threading.Thread(target=_told, daemon=True).start()
    while True:
        try:
            http.get(f"/{name}")
        except ThroughlineError:
            clock.sleep(0.05)


def _told() -> str:
    """What the other side says; where it says nothing more, this process is over."""
    return sys.stdin.readline().strip() or os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
