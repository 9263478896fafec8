"""Fault switches: which request goes wrong, and how. Set in process, or by POST to /__sandbox__/faults.

kind                 what the caller meets (options in brackets)
429                  too many requests [retry_after]
500 502 503 504 401  that status [apply: the write was done all the same]
expired_token        the vendor's own 401
timeout              no answer, the connection stays open [apply, seconds]
reset                the connection is reset without an answer [apply]
late_apply           reset now, applied later: at `Simulator.apply_late()`, or after [seconds]
truncated            the body is cut in the middle, the HTTP message is whole
dropped              the connection ends in the middle of the body
html200, empty200    a 200 with a web page, or with nothing [apply, default true]
slow                 the right answer after [seconds]
duplicate_page       the answer given last for the same path
overlapping_page     the right page, with rows of the one before in front of it
reordered_page       the right page, its rows backwards
partial wrong_length anything else is handed to the simulator, which asks `fault(request)` [index, …]
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Fault:
    """One switch. It fires on matching requests: the `nth` (from 1) or each, at most `times`, or with `probability`."""

    kind: str
    method: str = "*"
    path: str = ".*"  # a regular expression found anywhere in the path
    nth: int | None = None
    times: int | None = 1  # None: for ever
    probability: float | None = None
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0
    _dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._dice.seed(self.seed)

    def fires(self, method: str, path: str) -> bool:
        """Whether this request goes wrong; counts it."""
        if self.method not in ("*", method) or not re.search(self.path, path):
            return False
        self.seen += 1
        if self.times is not None and self.fired >= self.times:
            return False
        if self.nth is not None and self.seen != self.nth:
            return False
        if self.probability is not None and self._dice.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The switches of one simulator."""

    def __init__(self) -> None:
        self.switches: list[Fault] = []

    def add(
        self,
        kind: str | int,
        method: str = "*",
        path: str = ".*",
        *,
        nth: int | None = None,
        times: int | None = 1,
        probability: float | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Fault:
        """Set a switch; `options` are the kind's."""
        fault = Fault(str(kind), method, path, nth, times, probability, seed, options)
        self.switches.append(fault)
        return fault

    def clear(self) -> None:
        """All is well again."""
        self.switches.clear()

    def pick(self, method: str, path: str) -> Fault | None:
        """The first switch that fires on this request."""
        return next((fault for fault in list(self.switches) if fault.fires(method, path)), None)
