"""Virtual time for many workers that spend one account: each is a greenlet that runs until it sleeps.

The vendor is a list of instants at which calls arrived; it is what the limit is judged by, not what we counted.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TypeVar

import greenlet

from kernel.clock import SECOND
from kernel.errors import RetryAt
from kernel.quota import Limit, Priority, Purse, asking_as
from kernel.quota.account import Account, account_of
from kernel.quota.tills import Work

T = TypeVar("T")
START = 1_790_000_000 * SECOND


class Room:
    """A room of workers; `at` is the instant everywhere but on the workers' own clocks."""

    def __init__(self, seed: int) -> None:
        """`seed` decides every wait."""
        self.random, self.at = Random(seed), START  # noqa: S311 - reproducible on purpose
        self._queue: list[tuple[int, int, greenlet.greenlet]] = []
        self._order, self._hub = count(), greenlet.getcurrent()

    def start(self, life: Callable[[], None], at: int = 0) -> None:
        """A worker begins at once, or later."""
        heapq.heappush(self._queue, (self.at + at, next(self._order), greenlet.greenlet(life, parent=self._hub)))

    def sleep(self, seconds: float) -> None:
        """The worker that calls this goes on later."""
        heapq.heappush(self._queue, (self.at + max(1, int(seconds * SECOND)), next(self._order), greenlet.getcurrent()))  # type: ignore[arg-type]
        self._hub.switch()

    def run(self, until: int) -> None:
        """Until an instant after the start; who sleeps then never wakes."""
        while self._queue and self._queue[0][0] <= START + until:
            at, _, worker = heapq.heappop(self._queue)
            self.at = max(self.at, at)
            worker.switch()


class OffClock:
    """A worker's own clock, wrong by a constant."""

    def __init__(self, room: Room, off: int) -> None:
        self.room, self.off = room, off

    def now(self) -> int:
        """What the worker believes."""
        return self.room.at + self.off

    def sleep(self, seconds: float) -> None:
        """Others go on."""
        self.room.sleep(seconds)


@dataclass
class RoomTill:
    """The one account of all workers, kept as the store keeps it: as JSON between visits."""

    room: Room
    limits: Sequence[Limit]
    clock: OffClock
    kept: dict[str, object] = field(default_factory=dict)
    visits: int = 0
    shared = True

    def timer(self) -> int:
        """The worker's own."""
        return self.clock.now()

    def visit(self, work: Work[T]) -> T:
        """At the room's instant, which is the database's."""
        self.visits += 1
        account: Account = account_of(self.kept.get("row", {}))  # type: ignore[arg-type]
        account.limits = tuple(self.limits)
        done = work(account, self.room.at)
        self.kept["row"] = account.as_json()
        return done


@dataclass
class Vendor:
    """When calls arrived, and how many were there at once."""

    arrived: list[int] = field(default_factory=list)
    there: int = 0
    most: int = 0

    def most_in(self, length: int) -> int:
        """The most calls in any window of that length, wherever it begins."""
        times = sorted(self.arrived)
        return max((n - bisect_left(times, at - length + 1) + 1 for n, at in enumerate(times)), default=0)


@dataclass(frozen=True)
class Saturation:
    """What came of workers that always wanted more than there was."""

    over: float  # the most in any window, as a share of the limit
    used: float  # of what the limit allowed over the time
    visits_per_call: float
    most_at_once: int


def saturate(
    limits: Sequence[Limit],
    *,
    seed: int,
    windows: int = 12,
    workers: int = 8,
    latency: float = 0.05,
    deaths: float = 0.0,
    priority: Priority = Priority.RUNS,
) -> Saturation:
    """Workers call as fast as they may for so many windows of the first limit. `deaths`: chance a call that it is the last."""
    room, vendor, kept = Room(seed), Vendor(), dict[str, object]()
    first, visits = limits[0], 0
    tills: list[RoomTill] = []

    def life() -> None:
        while True:
            till = RoomTill(room, limits, OffClock(room, room.random.randint(-600, 600) * SECOND), kept)
            tills.append(till)
            purse = Purse(till, limits)
            while room.random.random() >= deaths:
                try:
                    with asking_as(priority):
                        purse.take()
                except RetryAt as later:
                    room.sleep((later.at - till.clock.now()) / SECOND)
                    continue
                there, back = (room.random.random() * latency for _ in range(2))
                room.sleep(there)
                vendor.arrived.append(room.at)
                vendor.there += 1
                vendor.most = max(vendor.most, vendor.there)
                room.sleep(back)
                vendor.there -= 1
                purse.done()

    for _ in range(workers):
        room.start(life, at=room.random.randint(0, SECOND // 2))
    room.run(windows * first.length)
    visits = sum(till.visits for till in tills)
    allowed = first.calls * windows
    over = max(vendor.most_in(limit.length) / limit.calls for limit in limits if limit.length)
    return Saturation(over, len(vendor.arrived) / allowed, visits / max(1, len(vendor.arrived)), vendor.most)
