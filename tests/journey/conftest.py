"""A small world for the journey's tests: three systems in memory, the real dictionary and rules, both databases."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import dedup
import dictionary
import mappings
from journey.context import Context, Pins
from journey.limits import Limits
from journey.runs import Run
from journey.syncing import run_sync
from journey.syncs import Route, Stream, Sync
from kernel import documents
from kernel.store import Store, tables
from tests.conftest import ROOT, FakeClock
from tests.journey.memory import MemorySystem, resource

HERE = Path(__file__).parent
WORDS = dictionary.load(ROOT / "dictionary/entities")
RULES = dedup.load_rules(ROOT / "dedup/rules", WORDS)
RESOURCES = {"shop": ["customers", "orders"], "crm": ["contacts", "companies"], "help": ["users"]}
MAPPINGS = mappings.load(HERE / "config/mappings", WORDS, known_resources=RESOURCES)
BLANK = documents.parse("{}", file="test")


class TickingClock(FakeClock):
    """Moves a little with every look, so that nothing happens at the same instant."""

    def now(self) -> int:
        """A new instant."""
        self.at += 1000
        return self.at


def route(entity: str, to: str, **options: Any) -> Route:
    """A route with the default policies."""
    connection, _, name = to.partition(".")
    policies: dict[str, Any] = {
        "when": None,
        "on_source_delete": "keep",
        "on_filter_exit": "keep",
        "on_last_member_gone": "keep",
        "on_missing_at_target": "park",
        "requires": frozenset(),
        "wait_limit": 86_400,
    }
    return Route(entity=entity, connection=connection, resource=name, **(policies | options))


@dataclass
class World:
    """The systems, the store, and a sync that can be run."""

    store: Store
    clock: TickingClock
    systems: dict[str, MemorySystem]
    streams: list[str] = field(default_factory=lambda: ["shop.customers", "shop.orders"])
    routes: list[Route] = field(default_factory=list)
    mappings: mappings.Mappings = MAPPINGS
    limits: Limits = field(default_factory=Limits)

    def open(self, name: str) -> Any:
        """The Connections protocol."""
        return self.systems[name]

    def system(self, name: str) -> str:
        """Connections are named like their systems here."""
        return name

    def context(self) -> Context:
        """A fresh run's context."""
        streams = tuple(Stream(*name.split(".")) for name in self.streams)
        sync = Sync("test", "", None, streams, tuple(self.routes), BLANK, self.limits)
        return Context(self.store, Pins(WORDS, self.mappings, RULES, {"test": sync}), self)

    def run(self) -> Run:
        """Run the sync once."""
        ctx = self.context()
        return run_sync(ctx, ctx.pins.syncs["test"])

    def rows(self, table: str) -> list[Any]:
        """Every row of a table."""
        with self.store.read() as conn:
            return list(conn.execute(tables.metadata.tables[table].select()).all())

    def golden(self, entity: str = "contact") -> list[dict[str, Any]]:
        """The data of every living golden record."""
        alive = [row for row in self.rows("golden") if row.entity == entity and not row.merged_into and not row.gone]
        return [self.store.open(tables.golden, row.id, row.data)["data"] for row in alive]

    def states(self) -> dict[str, int]:
        """Deliveries by state."""
        found: dict[str, int] = {}
        for row in self.rows("delivery"):
            found[row.state] = found.get(row.state, 0) + 1
        return found

    @property
    def shop(self) -> MemorySystem:
        """A source."""
        return self.systems["shop"]

    @property
    def crm(self) -> MemorySystem:
        """A target that is read too."""
        return self.systems["crm"]

    @property
    def help(self) -> MemorySystem:
        """Another one."""
        return self.systems["help"]


@pytest.fixture
def world(store: Store) -> World:
    """Shop → CRM, both entities."""
    clock = TickingClock()
    store.clock = clock
    systems = {
        "shop": MemorySystem("shop", {name: resource(name) for name in RESOURCES["shop"]}, clock.now),
        "crm": MemorySystem(
            "crm",
            {"contacts": resource("contacts", company="companies"), "companies": resource("companies")},
            clock.now,
        ),
        "help": MemorySystem("help", {"users": resource("users")}, clock.now),
    }
    return World(store, clock, systems, routes=[route("account", "crm.companies"), route("contact", "crm.contacts")])


__all__ = ["TickingClock", "World", "route"]
