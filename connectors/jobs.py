"""A vendor's large job, waited for: its id is kept from the first look on, so that a later run goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kernel.clock import SECOND, Clock
from kernel.errors import RetryAt
from kernel.records import Cursor, Page

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, *[30.0] * 60)  # seconds between looks: half an hour, then it is left to a later run
_LATER = 600 * SECOND


class JobLost(Exception):  # noqa: N818 - says what to do: begin anew, page by page
    """The job failed, was stopped, or its results are no longer kept."""


def waiting(done: Callable[[], bool], at: Cursor, clock: Clock, connection: str) -> Iterator[Page]:
    """Until `done`; each look that is too early gives an empty page, so that the id is kept and nobody thinks us dead.

    `at` holds "asked", the instant just before the job was asked for. Raises RetryAt when it takes too long.
    """
    for _ in looking(done, clock, connection):
        yield Page([], dict(at), at["asked"])


def looking(done: Callable[[], bool], clock: Clock, connection: str) -> Iterator[None]:
    """Until `done`: a step, and then a pause, for each look that is too early. Raises RetryAt when it takes too long."""
    for pause in PAUSES:
        if done():
            return
        yield
        clock.sleep(pause)
    told = f"{connection}: the vendor is still at work on a large job; a later run goes on with it"
    raise RetryAt(told, at=clock.now() + _LATER, cause="bulk_running")
