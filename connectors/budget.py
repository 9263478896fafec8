"""Staying below a vendor's documented limits, before it has to tell us."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.retry import PATIENCE
from kernel.clock import SECOND, Clock
from kernel.errors import RetryAt


@dataclass(frozen=True, slots=True)
class Limit:
    """A documented request limit: at most `calls` in any `per` seconds."""

    calls: int
    per: float


class Budget(Protocol):
    """Leave to make calls."""

    def take(self, calls: int = 1) -> None:
        """Return when the calls may be made; raises RetryAt when that is too long from now."""


class Windows:
    """Sliding windows within this process. The limits of several processes are kept by the engine's quota instead."""

    def __init__(self, limits: Sequence[Limit], clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows = [(limit, deque[int](maxlen=limit.calls)) for limit in limits]

    def take(self, calls: int = 1) -> None:
        """Wait until every window has room for each call."""
        for _ in range(calls):
            while (wait := self._try()) > 0:
                if wait > PATIENCE:
                    at = self._clock.now() + int(wait * SECOND)
                    raise RetryAt("the connection's own request limit is spent", at=at, cause="rate_limited")
                self._clock.sleep(wait)

    def _try(self) -> float:
        """Take one call and return 0, or return the seconds to wait first."""
        with self._lock:
            now = self._clock.now()
            full = [(limit, stamps) for limit, stamps in self._windows if len(stamps) == limit.calls]
            free = [stamps[0] + int(limit.per * SECOND) for limit, stamps in full]
            wait = max((at - now for at in free), default=0)
            if wait > 0:
                return wait / SECOND
            for _, stamps in self._windows:
                stamps.append(now)
            return 0.0
