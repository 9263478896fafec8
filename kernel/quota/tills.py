"""Where an account is kept: here in memory, for this process alone; in the store (`kernel.quota.stored`), for all workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from kernel.clock import Clock
from kernel.quota.account import Account
from kernel.quota.limits import Limit

T = TypeVar("T")
Work = Callable[[Account, int], T]
"""(the account, the instant it stands at) → whatever; it may change the account."""


class Till(Protocol):
    """Keeps one account."""

    shared: bool
    clock: Clock

    def timer(self) -> int:
        """µs that pass as the account's do; its zero means nothing."""

    def visit(self, work: Work[T]) -> T:
        """Do something with the account while nobody else does."""


class MemoryTill:
    """This process's own account."""

    shared = False

    def __init__(self, limits: Sequence[Limit], clock: Clock) -> None:
        """Nothing was called yet."""
        self.clock, self.timer = clock, clock.now
        self._account, self._lock = Account(limits=tuple(limits)), threading.Lock()

    def visit(self, work: Work[T]) -> T:
        """At once."""
        with self._lock:
            return work(self._account, self.clock.now())
