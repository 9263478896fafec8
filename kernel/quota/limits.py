"""What a vendor limits, and who goes first where not everybody can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import IntEnum, StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from kernel.clock import SECOND, instant, moment

DAILY = 3600.0
"""Seconds from which a window is a pool that a run does not wait for."""

SKEW = 60 * SECOND
"""How far (µs) a vendor's midnight may lie beside ours: calls that near to it are counted on both sides."""


class Kind(StrEnum):
    """What kind of limit it is."""

    WINDOW = "window"  # so many in any stretch of time; holds for fixed windows too, wherever they begin
    DAY = "day"  # so many between two midnights of the vendor's
    CONCURRENT = "concurrent"  # so many at once


@dataclass(frozen=True)
class Limit:
    """A documented limit: at most `calls` in any `per` seconds; of a DAY between midnights, of CONCURRENT at once.

    `zone`: whose midnight fills a DAY again; where it is not known, the day is counted as any 24 hours.
    `only`: a regular expression found in "METHOD /path" of the calls it counts; '' all. `costed`: it counts what calls
    cost (tokens, points), not calls.
    """

    calls: int
    per: float = 0.0
    name: str = ""
    kind: Kind = Kind.WINDOW
    zone: str = ""
    only: str = ""
    costed: bool = False

    @cached_property
    def called(self) -> str:
        """Its name in settings, in the account and in `throughline status`."""
        if self.name:
            return self.name
        return "at_once" if self.kind is Kind.CONCURRENT else "daily" if self.daily else "short"

    @cached_property
    def daily(self) -> bool:
        """A pool: when it is spent, work is parked instead of waiting."""
        return self.kind is Kind.DAY or self.per >= DAILY

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Which calls it counts; None: all."""
        return re.compile(self.only) if self.only else None

    @cached_property
    def length(self) -> int:
        """The window's length (µs)."""
        return int((86_400.0 if self.kind is Kind.DAY else self.per) * SECOND)

    @cached_property
    def term(self) -> int:
        """How long (µs) a leased block may be spent where much is asked: short, for its calls count as if made at its end."""
        return min(max(self.length // 20, SECOND // 20), 10 * SECOND)

    @cached_property
    def grain(self) -> int:
        """To what (µs) the ends of windows are rounded up, so that an account stays small."""
        return max(self.length // 100, 1000)

    @cached_property
    def block(self) -> int:
        """The most that one worker leases at once."""
        return max(1, self.calls // (200 if self.daily else 8))

    def frees_at(self, end: int) -> int:
        """When a call that reached the vendor by `end` is counted no longer."""
        if self.kind is Kind.DAY and self.zone:
            return _midnight_after(end + SKEW, self.zone) + SKEW
        return -(-(end + self.length) // self.grain) * self.grain

    def ceiling(self, priority: Priority) -> int:
        """How far a class may fill it: the rest is reserved for those above."""
        share = _ABOVE_DAILY if self.daily else _ABOVE_AT_ONCE if self.kind is Kind.CONCURRENT else _ABOVE_SHORT
        return self.calls - int(self.calls * share[priority])


class Priority(IntEnum):
    """Who goes first: a person who waits, a webhook that just came, a scheduled run, a backfill."""

    PEOPLE = 0
    WEBHOOKS = 1
    RUNS = 2
    BACKFILLS = 3


_ABOVE_SHORT = (0.0, 0.02, 0.04, 0.06)
_ABOVE_DAILY = (0.0, 0.05, 0.10, 0.14)
_ABOVE_AT_ONCE = (0.0, 0.05, 0.10, 0.10)

_asking: ContextVar[Priority] = ContextVar("asking", default=Priority.RUNS)
asking = _asking.get
"""The class of whoever calls now."""


@contextmanager
def asking_as(priority: Priority) -> Iterator[None]:
    """Calls made inside this block are of the given class."""
    token = _asking.set(priority)
    try:
        yield
    finally:
        _asking.reset(token)


def _midnight_after(at: int, zone: str) -> int:
    local = moment(at).astimezone(ZoneInfo(zone))
    tomorrow = local.date() + timedelta(days=1)
    return instant(datetime.combine(tomorrow, time(0), ZoneInfo(zone)))
