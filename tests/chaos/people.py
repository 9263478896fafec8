"""What people do at the source while the storm goes on: they come, change, change back, and leave. The last name tells the version."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from sandbox.simulator import Simulator
from sandbox.zendesk.objects import stamp

LATE = 0.1
"""Part of the people who come while the storm goes on,"""
LEAVING = 0.1
"""and part who leave in it."""


@dataclass(slots=True)
class Person:
    """What the source last said of somebody."""

    n: int
    id: int
    email: str
    version: int
    phone: str | None
    there: bool = True

    @property
    def last(self) -> str:
        """The last name."""
        return f"V{self.version}"


class People:
    """Everybody at the source."""

    def __init__(self, source: Simulator, seed: int, records: int) -> None:
        """Most of them are there from the beginning, since an hour ago."""
        self.source: Any = source
        self.random = Random(f"people{seed}")  # noqa: S311
        self.records = records
        self.everybody: list[Person] = []
        for _ in range(int(records * (1 - LATE))):
            self._come()

    def act(self) -> None:
        """One person does something."""
        if len(self.everybody) < self.records and self.random.random() < 0.4:
            self._come()
            return
        one = self.random.choice(self.everybody)
        if not one.there:
            return
        deed = self.random.choice((self._rename, self._rename, self._rephone, self._rephone, self._leave))
        deed(one)

    def settle(self) -> None:
        """Whoever was still to come comes."""
        while len(self.everybody) < self.records:
            self._come()

    def _come(self) -> None:
        n = len(self.everybody)
        one = Person(n, 0, f"p{n}@d{n % 997}.example", 1, self._number(n))
        now = stamp(self.source.state.now())
        made = self.source.make(
            "users", name=f"Pim{n} {one.last}", email=one.email, phone=one.phone, created_at=now, updated_at=now
        )
        one.id = made["id"]
        self.everybody.append(one)

    def _rename(self, one: Person) -> None:
        one.version += 1
        self.source.change("users", one.id, name=f"Pim{one.n} {one.last}")

    def _rephone(self, one: Person) -> None:
        """Values that come back: only who knows what was really written sees that they must be written again."""
        one.phone = self._number(one.n)
        self.source.change("users", one.id, phone=one.phone)

    def _leave(self, one: Person) -> None:
        if sum(not each.there for each in self.everybody) < LEAVING * self.records:
            one.there = False
            self.source.remove("users", one.id)

    def _number(self, n: int) -> str | None:
        return self.random.choice((f"+1212{2_000_000 + 2 * n}", f"+1212{2_000_001 + 2 * n}", None))
