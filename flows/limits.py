"""Prefect's own concurrency limit: how many flow runs of ours its workers carry at once.

Vendors' limits are not kept here but in the store, where every worker shares them. A limit that does not exist would pass
silently, so it is made before it is used, and used strictly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency

RUNS = "throughline-runs"
MOST_RUNS = 8
"""Runs at once; each holds a connection to the store and some 100 MB."""


def ensure() -> None:
    """Make the limit on the server this process talks to, where it is missing. A number set by a person stays."""
    with get_client(sync_client=True) as client:
        if RUNS not in {limit.name for limit in client.read_global_concurrency_limits()}:
            client.upsert_global_concurrency_limit_by_name(RUNS, MOST_RUNS)


@contextmanager
def slot() -> Iterator[None]:
    """Hold one of the slots; waits while all are taken. Raises where nobody made the limit (`python -m flows deploy`)."""
    with concurrency(RUNS, occupy=1, strict=True, raise_on_lease_renewal_failure=False):
        yield
