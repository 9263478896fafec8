"""One process that calls a vendor as fast as its share of the budget lets it: `python -m tests.quota.worker …`."""

from __future__ import annotations

import sys
import time

from connectors.http import Http
from journey.connecting import shared_budget
from kernel.clock import SECOND, SystemClock
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


def main(database: str, url: str, name: str, calls: str, per: str, seconds: str, off: str) -> None:
    """Call until the time is up; a line when ready, then the number of calls that went through."""
    clock = OffClock(int(off))
    store = open_store(database, Vault([bytes(range(32))]), clock)
    budget = shared_budget(store, "vendor", [Limit(int(calls), float(per))])
    http = Http(connection="vendor", base_url=url, clock=clock, budget=budget)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    until, done = time.monotonic() + float(seconds), 0
    while time.monotonic() < until:
        try:
            http.get(f"/{name}")
            done += 1
        except ThroughlineError:
            time.sleep(0.05)
    print(done, flush=True)  # noqa: T201
    http.close()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
