"""Many seeds, over several processes."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import structlog

from tests.simulation.seeds import Ground, Outcome, run_seed

Case = tuple[str, int, int]
"""(write class, seed, workers)"""


@cache
def _ground() -> Ground:
    """One a process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ground = Ground()
    atexit.register(ground.close)
    return ground


def run(cases: Sequence[Case]) -> list[Outcome]:
    """Some seeds, in this process."""
    return [run_seed(_ground(), mode, seed, workers) for mode, seed, workers in cases]


def outcomes(chunks: Sequence[Sequence[Case]], jobs: int) -> Iterator[Outcome]:
    """All of them, in order."""
    if jobs == 1 or len(chunks) == 1:
        for chunk in chunks:
            yield from run(chunk)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for done in pool.map(run, chunks):
            yield from done
