"""A few seeds of every write class, the seeds that were bad once, and proof that a seed is one and the same story each time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.simulation.points import APART, POINTS

SEEDS = 6
"""A mode; `make simulate` runs ten thousand."""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.simulation", "--no-record", "--jobs", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mode", "ABCDE")
def test_nothing_is_lost_doubled_stale_or_stuck(mode: str) -> None:
    done = _run("--mode", mode, "--seeds", str(SEEDS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_seeds_that_were_bad_once_are_good() -> None:
    done = _run("--regressions")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_tells_the_same_story_every_time() -> None:
    def figures() -> list[str]:
        return _run("--mode", "D", "--start", "4", "--seeds", "2").stdout.splitlines()[:-1]

    assert figures() == figures()


def test_every_crash_point_of_the_engine_is_known() -> None:
    assert {"claim.committed", "settle.before_commit", "lease.renew.committed", "send.answered"} <= set(POINTS)
    assert not {f"{name}.committed" for name in APART} & set(POINTS)
