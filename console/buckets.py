"""How many requests a sender may make before it is told to wait: a token bucket each, and a bounded number of buckets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import ClassVar


class Buckets:
    """Token buckets by key; each holds ten seconds' worth, so that a vendor's burst passes."""

    STRANGERS: ClassVar[int] = 20
    """Requests a second for connections nobody has opened yet."""
    BURST: ClassVar[int] = 10
    MOST: ClassVar[int] = 10_000

    def __init__(self, timer: Callable[[], float]) -> None:
        """`timer`: seconds, never going back."""
        self._timer = timer
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # key -> (tokens, when counted)

    def take(self, key: Hashable, rate: int) -> float:
        """Take one of `rate` a second: 0, or the seconds to wait and nothing taken."""
        now, most = self._timer(), float(rate * self.BURST)
        tokens, since = self._buckets.pop(key, (most, now))
        tokens = min(most, tokens + (now - since) * rate)
        taken = tokens >= 1.0
        self._buckets[key] = (tokens - taken, now)
        if len(self._buckets) > self.MOST:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1.0 - tokens) / rate
