"""What happens in one seed: which people there are, what is done to them and when, and what must be true in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.machine import Machine
from tests.simulation.source import Source

PEOPLE = 20
COMPANIES = 6
TITLES = ("A", "B", None)


@dataclass
class Story:
    """People in the shop, some of them also users of the help desk; every last name tells its version."""

    machine: Machine
    shop: Source
    help: Source
    deletes: bool
    length: float  # seconds in which people do things
    users: set[int] = field(default_factory=set)
    versions: dict[int, int] = field(default_factory=dict)

    def tell(self) -> None:
        """Put everything on the machine's calendar."""
        random = Random(self.machine.random.random())  # noqa: S311
        self.users = set(random.sample(range(PEOPLE), 6))
        for n in range(PEOPLE):
            born = 0.0 if random.random() < 0.6 else random.uniform(0, self.length * 0.7)
            self._at(born, self._born, n)
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                self._at(random.uniform(born, self.length), random.choice((self._rename, self._retitle)), n)
            if n in self.users:
                self._at(random.uniform(0, self.length), self._ask_for_help, n)
                self._at(random.uniform(0, self.length), self._ask_for_help, n)
            elif self.deletes and random.random() < 0.25:
                left = random.uniform(born, self.length)
                self._at(left, self._leave, n)
                if random.random() < 0.5:
                    self._at(random.uniform(left, self.length), self._rename, n)

        for n in range(3):  # orders that a clerk may have typed wrong
            self._at(random.uniform(0, self.length), self._order, n)
            self._at(random.uniform(0, self.length), self._order, n)

    def expected(self) -> dict[str, dict[str, Any]]:
        """By e-mail: what a target must hold of everybody who is there."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.shop.living("customers"):
            values, n = row.values, int(row.id)
            found[values["email"]] = {"lastname": values["last"], "company": self._domain(n)}
            if n not in self.users:
                found[values["email"]]["jobtitle"] = values.get("title")
        for row in self.help.living("users"):
            found.setdefault(row.values["email"], {})["jobtitle"] = row.values["role"]
        return found

    def companies(self) -> dict[str, str]:
        """Domain -> name."""
        return {self._domain(int(row.id)): row.values["company"] for row in self.shop.living("customers")}

    def gone(self) -> set[str]:
        """E-mails of those who left, where leaving means deletion."""
        left = [row for row in self.shop.rows.get("customers", {}).values() if row.deleted]
        return {self._email(int(row.id)) for row in left} if self.deletes else set()

    def _at(self, seconds: float, what: Any, n: int) -> None:
        self.machine.after(seconds, lambda: what(n))

    def _born(self, n: int) -> None:
        self._rename(n)

    def _rename(self, n: int) -> None:
        self.versions[n] = self.versions.get(n, 0) + 1
        self._put(n, last=f"V{self.versions[n]}")

    def _retitle(self, n: int) -> None:
        """Values that come back: only who knows what was really written sees that they must be written again."""
        if n not in self.users and n in self.versions:
            self._put(n, title=self.machine.random.choice(TITLES))
        elif n in self.versions:
            self._rename(n)

    def _put(self, n: int, **values: Any) -> None:
        known = self.shop.newest("customers", str(n))
        if known is None or known.deleted:
            values = {"last": f"V{self.versions[n]}", **({} if n in self.users else {"title": None}), **values}
        self.shop.put("customers", str(n), email=self._email(n), company=f"C{n % COMPANIES}", **values)

    def _leave(self, n: int) -> None:
        self.shop.remove("customers", str(n))

    def _order(self, n: int) -> None:
        self.shop.put("orders", f"o{n}", number=self.machine.random.choice(("", f"{n}", f"{n}0")))

    def _ask_for_help(self, n: int) -> None:
        self.help.put("users", f"u{n}", email=self._email(n), role=self.machine.random.choice(("A", "B")))

    @staticmethod
    def _email(n: int) -> str:
        return f"p{n}@{Story._domain(n)}"

    @staticmethod
    def _domain(n: int) -> str:
        return f"d{n % COMPANIES}.example"
