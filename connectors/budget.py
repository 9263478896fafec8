"""Staying below a vendor's documented limits, before it has to tell us: the seam between HTTP and whoever counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kernel.clock import Clock
from kernel.quota import Kind as Kind
from kernel.quota import Limit as Limit
from kernel.quota import Purse
from kernel.quota import Told as Told
from kernel.quota.tills import MemoryTill


class Budget(Protocol):
    """Leave to make calls, and what came of them. The engine gives one that all workers share."""

    def take(self, calls: int = 1, cost: int = 1, what: str = "") -> None:
        """Return when the calls may be made; raises RetryAt when that is too long from now. `what`: "METHOD /path"."""

    def done(self, trouble: bool = False) -> bool:
        """A call ended; `trouble`: the vendor failed or could not be reached. Whether it is left alone from now on."""

    def told(self, left: Sequence[Told]) -> None:
        """What an answer says is left."""

    def refused(self, after: float | None, cause: str) -> None:
        """The vendor said that too much was asked; `after`: seconds until it may be asked again, where it says so."""

    def close(self) -> None:
        """Give back what was leased and not spent."""


BudgetFor = Callable[[Sequence[Limit]], Budget]
"""Whoever counts, told the limits of one connection."""


class Windows(Purse):
    """The same arithmetic within this process alone: for tests, the conformance kit and whoever has no store."""

    def __init__(self, limits: Sequence[Limit], clock: Clock) -> None:
        super().__init__(MemoryTill(limits, clock), limits)


@dataclass(frozen=True, slots=True)
class Left:
    """A header that tells how much of a limit is left; `most` is the header with the whole of it, where there is one."""

    limit: str
    header: str
    most: str = ""
    cost: int = 1  # of the header's units, what one of the limit's calls takes


def left_in(*rows: Left) -> Callable[[Mapping[str, str]], list[Told]]:
    """A reader of what the headers of any answer say is left. A header that is no number tells nothing."""

    def left(headers: Mapping[str, str]) -> list[Told]:
        found = []
        for row in rows:
            now, whole = headers.get(row.header, ""), headers.get(row.most, "")
            if now.isdigit():
                found.append(
                    Told(row.limit, int(now) // row.cost, most=int(whole) // row.cost if whole.isdigit() else None)
                )
        return found

    return left
