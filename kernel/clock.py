"""Time is injected. An instant is an integer: microseconds since the epoch, UTC, everywhere in the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

SECOND = 1_000_000


class Clock(Protocol):
    """What the engine asks for the time and for a pause."""

    def now(self) -> int:
        """The instant (µs since the epoch)."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The instant (µs since the epoch)."""
        return time.time_ns() // 1000

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ServerClock(SystemClock):
    """The clock of the database server, for workers on several machines: their own may differ by minutes.

    Asked once a minute and carried on by this machine's steady clock meanwhile; where the server cannot be asked, for longer.
    """

    def __init__(self, told: Callable[[], int], steady: Callable[[], int] = time.monotonic_ns) -> None:
        """`told` gives the server's instant (µs since the epoch), `steady` nanoseconds of a clock that never jumps."""
        self._told, self._steady = told, steady
        self._measured = self._ask()

    def now(self) -> int:
        """The instant (µs since the epoch)."""
        server, here = self._measured
        passed = self._steady() // 1000 - here
        if passed > _ASK_AGAIN:
            self._measured = server + passed, here + passed
            with suppress(Exception):  # the server is away: whoever needs it will find out
                self._measured = self._ask()
            return self._measured[0]
        return server + passed

    def _ask(self) -> tuple[int, int]:
        before = self._steady()
        server = self._told()
        return server, (before + self._steady()) // 2000


_ASK_AGAIN = 60 * SECOND


def instant(moment: datetime) -> int:
    """An aware datetime as an instant; exact to the microsecond."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is not an instant")
    return (moment - _EPOCH) // _MICROSECOND


def instant_of(text: str) -> int:
    """A time in ISO 8601 as an instant; one without a zone is taken as UTC. Raises ValueError for anything else."""
    told = datetime.fromisoformat(text)
    return instant(told if told.tzinfo else told.replace(tzinfo=UTC))


def moment(instant_us: int) -> datetime:
    """An instant as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=instant_us)


def iso(instant_us: int) -> str:
    """An instant as ISO 8601 with a Z, milliseconds only when there are any."""
    text = moment(instant_us).isoformat(timespec="milliseconds" if instant_us % SECOND else "seconds")
    return text.replace("+00:00", "Z")


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
