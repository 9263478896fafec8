"""Real processes that share one budget through one database, against a vendor that counts.

By the machine's own time they show that the limit is kept, however late the machine lets each of them run. How much of it
is used says as much about the machine as about us there; so that is asked of processes whose time stands still while any
of them works: it measures nothing but the waits that the budget itself ordered.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kernel.clock import SECOND
from tests.conftest import ROOT
from tests.quota.counting import CountingVendor

CALLS, PER = 60, 2.0
OFF = ("0", "600", "-600", "0")
"""Seconds by which each worker's clock is wrong."""
START = 1_790_000_000 * SECOND
WINDOWS = 10
"""How long paced workers work."""

Worker = subprocess.Popen[str]


@dataclass(frozen=True)
class Shared:
    """What the vendor saw."""

    over: float
    used: float
    refused: int
    workers: int  # that took part
    calls: int


def run_together(database: str, windows: int = 3, kill: bool = False) -> Shared:
    """Four workers call as fast as they may until the vendor was called so many windows' worth. `kill`: one dies midway."""
    with CountingVendor(CALLS, PER) as vendor, _started(database, vendor.url, OFF) as workers:
        for worker in workers:
            _tell(worker, "go")
        if kill:
            _until(lambda: len(vendor.arrived) >= (windows - 1) * CALLS, workers)
            workers[1].kill()
        _until(lambda: len(vendor.arrived) >= windows * CALLS and len(vendor.agents) == len(OFF), workers)
        return _seen(vendor, vendor.used())


def run_paced(database: str, kill: bool = False) -> Shared:
    """Four workers for ten windows of a time that stands still while any of them works. `kill`: one dies midway."""
    pace = Pace()
    with (
        CountingVendor(CALLS, PER, lambda: pace.at / SECOND) as vendor,
        _started(database, vendor.url, ["paced"] * len(OFF)) as workers,
    ):
        pace.go(workers, START + int(WINDOWS * PER * SECOND) // 2)
        pace.go(workers[:-1] if kill else workers, START + int(WINDOWS * PER * SECOND))
        return _seen(vendor, len(vendor.arrived) / (CALLS * WINDOWS))


class Pace:
    """The time of paced workers."""

    def __init__(self) -> None:
        self.at = START
        self._asleep: dict[Worker, int] = {}

    def go(self, workers: Sequence[Worker], until: int) -> None:
        """Let them work until an instant; who is not among them any more dies in its sleep."""
        for worker in [one for one in self._asleep if one not in workers]:
            worker.kill()
            del self._asleep[worker]
        awake = [worker for worker in workers if worker not in self._asleep]
        while True:
            for worker in awake:
                if worker not in self._asleep and self.at == START:
                    _tell(worker, str(START))
                self._asleep[worker] = _sleeping(worker)
            self.at = min(self._asleep.values())
            if self.at > until:
                return
            awake = [worker for worker, at in self._asleep.items() if at <= self.at]
            for worker in awake:
                _tell(worker, str(self.at))


def _sleeping(worker: Worker) -> int:
    """The instant until which a worker sleeps, as soon as it does."""
    assert worker.stdout is not None
    told = worker.stdout.readline().split()
    assert told[:1] == ["sleep"], f"a worker ended: {told}"
    return int(told[1])


def _seen(vendor: CountingVendor, used: float) -> Shared:
    return Shared(vendor.most() / CALLS, used, vendor.refused, len(vendor.agents), len(vendor.arrived))


def _until(there: Callable[[], bool], workers: Sequence[Worker]) -> None:
    """Wait for something that comes however slow the machine is, as long as anybody works for it."""
    while not there():
        assert any(worker.poll() is None for worker in workers), "every worker ended"
        time.sleep(0.01)


def _tell(worker: Worker, what: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{what}\n")
    worker.stdin.flush()


@contextmanager
def _started(database: str, url: str, offs: Sequence[str]) -> Iterator[list[Worker]]:
    """Workers that are ready; afterwards nobody tells them anything, and they end."""
    workers = [_start(database, url, str(n), off) for n, off in enumerate(offs)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        yield workers
    finally:
        for worker in workers:
            worker.communicate()


def _start(database: str, url: str, name: str, off: str) -> Worker:
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.quota.worker", database, url, name, str(CALLS), str(PER), off],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
