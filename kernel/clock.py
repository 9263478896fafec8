"""Time is injected. An instant is an integer: microseconds since the epoch, UTC, everywhere in the store."""

from __future__ import annotations

import time
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


def instant(moment: datetime) -> int:
    """An aware datetime as an instant; exact to the microsecond."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone is not an instant")
    return (moment - _EPOCH) // _MICROSECOND


def moment(instant_us: int) -> datetime:
    """An instant as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=instant_us)


def iso(instant_us: int) -> str:
    """An instant as ISO 8601 with a Z, milliseconds only when there are any."""
    text = moment(instant_us).isoformat(timespec="milliseconds" if instant_us % SECOND else "seconds")
    return text.replace("+00:00", "Z")


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
