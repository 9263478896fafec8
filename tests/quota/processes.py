"""Real processes that share one budget through one database, against a vendor that counts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from tests.conftest import ROOT
from tests.quota.counting import CountingVendor

CALLS, PER = 60, 2.0
OFF = ("0", "600", "-600", "0")
"""Seconds by which each worker's clock is wrong."""


@dataclass(frozen=True)
class Shared:
    """What the vendor saw."""

    over: float
    used: float
    refused: int
    workers: int  # that took part
    calls: int


def run_together(database: str, seconds: float = 5.0, kill: bool = False) -> Shared:
    """Four workers call as fast as they may for so long. `kill`: one of them dies in the middle."""
    with CountingVendor(CALLS, PER) as vendor:
        workers = [_start(database, vendor.url, str(n), seconds, off) for n, off in enumerate(OFF)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            _go(worker)
        if kill:
            while len(vendor.arrived) < 2 * CALLS:
                workers[1].poll()
            workers[1].kill()
        for worker in workers:
            worker.communicate()
        return Shared(vendor.most() / CALLS, vendor.used(), vendor.refused, len(vendor.agents), len(vendor.arrived))


def _go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def _start(database: str, url: str, name: str, seconds: float, off: str) -> subprocess.Popen[str]:
    told = [database, url, name, str(CALLS), str(PER), str(seconds), off]
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.quota.worker", *told],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
