"""One system's streams, read off a tape by the real connector, mapped and landed by the real engine, mutant after mutant."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import event

import mappings
from connectors import connector_for, open_connector
from connectors.base import Connector
from console.conformance.ground import Ground, grounds
from journey.context import Context, Pins
from journey.counts import Counts
from journey.inbound import reading
from journey.inbound.shapes import STEADY
from journey.syncs import Stream
from kernel.errors import Fate, ThroughlineError
from kernel.store import Store, open_store, sqlite_url, tables
from kernel.vault import Vault
from tests.conftest import KEY, ROOT, FakeClock
from tests.drift.mutants import SCHEMA, Mutant, applied, common, dotted, drawn
from tests.drift.tape import Tape
from tests.journey.conftest import RULES, WORDS

MAPPINGS = mappings.load(ROOT / "mappings", WORDS)
ALTERNATIVES = frozenset(
    path.strip()
    for file in (ROOT / "mappings").rglob("*.yaml")
    for listed in re.findall(r"first_of: \[([^\]]*)\]", file.read_text(encoding="utf-8"))
    for path in listed.split(",")
)
"""Paths that are read only where another holds nothing."""

PAGES = {
    "stripe": r"^/v1/(?!events|account)",
    "hubspot": r"^/crm/v3/objects/",
    "salesforce": r"/query",
    "shopify": r"/graphql",
    "zendesk": r"/incremental/",
    "typeform": r"/responses",
    "pipedrive": r"^/api/v[12]/(?!.*[fF]ields)",
    "woocommerce": r"/wc/v3/(customers|orders|products)\?",
    "quickbooks": r"/query\?",
}
"""The paths whose answers hold records."""

TELLING = {"woocommerce": ("x-wp-total",)}
"""Headers that tell where a list ends."""

RECORDS = {"stripe": "data", "hubspot": "results", "salesforce": "records", "typeform": "items", "pipedrive": "data",
           "woocommerce": "body"}  # fmt: skip
LISTED = {"hubspot": 100, "stripe": 100, "pipedrive": 500}
"""Records on a page of the first read, where that is not the practice's own number."""

ALSO_PAGED = {"pipedrive": ["leads"]}
"""Streams whose lists go on in another way than those of the practice's main one."""

ASKED = frozenset({"shopify"})
"""Whose answers hold what a document asked for and nothing else: a field that is new there comes with the next one."""

MADE = 7
"""Objects of each resource: more than have to be seen before an absence means anything."""


def records_in(system: str, body: Any) -> list[dict[str, Any]]:
    """The records of a page, as they stand in it."""
    if not isinstance(body, dict):
        return []
    if system == "shopify":
        data = body.get("data")
        found = [each for each in (data or {}).values() if isinstance(each, dict)] if isinstance(data, dict) else []
        return [node for each in found for node in _nodes(each)]
    if system in ("zendesk", "quickbooks"):
        around = body.get("QueryResponse") if system == "quickbooks" else body
        lists = around.values() if isinstance(around, dict) else ()
        listed = next((each for each in lists if isinstance(each, list)), [])
    else:
        listed = body.get(RECORDS[system]) or []
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _nodes(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    nodes = connection.get("nodes") or [edge.get("node") for edge in connection.get("edges") or () if edge]
    return [node for node in nodes if isinstance(node, dict)]


@dataclass
class Outcome:
    """What became of one read."""

    read: set[str] = field(default_factory=set)  # ids in the store
    counts: Counts = field(default_factory=Counts)
    stop: ThroughlineError | None = None
    crash: BaseException | None = None
    cursor: str | None = None
    letters: list[str] = field(default_factory=list)  # field and message of each
    members: list[bytes] = field(default_factory=list)

    @property
    def told(self) -> str:
        """Everything that a person is told."""
        return " | ".join([*self.counts.warnings, *self.letters, str(self.stop or "")])


@dataclass
class Rig:
    """One stream ready to be read again and again."""

    system: str
    resource: str
    tape: Tape
    settings: Mapping[str, Any]
    clock: FakeClock
    store: Store
    began: int
    healthy: Outcome = field(default_factory=Outcome)
    shape: str | None = None
    schema: tuple[str, ...] = SCHEMA  # kinds of mutants that must be told by name

    @property
    def stream(self) -> Stream:
        """Its name."""
        return Stream("acct", self.resource)

    @property
    def mapping(self) -> mappings.Mapping:
        """Its mapping."""
        found = MAPPINGS.get(f"{self.system}.{self.resource}")
        assert found is not None
        return found

    @cached_property
    def steady(self) -> set[tuple[str, ...]]:
        """The fields that every record has and has something in, where there are records enough to say so."""
        records = [record for body in self.tape.bodies for record in records_in(self.system, body)]
        return common(records) if len(records) >= STEADY else set()

    def open(self, name: str) -> Connector:
        """The Connections protocol: a connector without anything remembered."""
        return open_connector(
            connector_for(self.system), self.settings, connection=name, clock=self.clock, transport=self.tape
        )

    def mutants(self, seed: int, how_many: int) -> list[Mutant]:
        """So many mutants of what is on the tape."""
        return drawn(seed, how_many, self.tape.bodies, lambda body: records_in(self.system, body), self.mapping.sources)

    def run(self, mutant: Mutant | None, *, keep: bool = False) -> Outcome:
        """Read the stream once. `keep`: on top of what the read before left; otherwise only the stream's shape is known."""
        if not keep:
            self._forget()
        self.mutate(mutant)
        self.clock.at = self.began
        outcome = Outcome()
        ctx = Context(self.store, Pins(WORDS, MAPPINGS, RULES, {}), _Connections(self))
        try:
            reading.read_stream(ctx, self.stream, outcome.counts)
            outcome.counts.inbound.check()
        except ThroughlineError as error:
            outcome.stop = error
        except Exception as error:  # noqa: BLE001 - what the test is about
            outcome.crash = error
        self._look(outcome)
        return outcome

    def mutate(self, mutant: Mutant | None) -> None:
        """From now on the vendor answers as the mutant does; None: as it did."""
        places = partial(records_in, self.system)
        self.tape.change = None if mutant is None else lambda body: applied(mutant, body, places)

    def _look(self, outcome: Outcome) -> None:
        with self.store.read() as conn:
            outcome.read = {row[0] for row in conn.exec_driver_sql('SELECT vendor_id FROM "object"')}
            outcome.cursor = conn.exec_driver_sql("SELECT cursor FROM checkpoint WHERE cursor <> '\"none\"'").scalar()
            rows = conn.exec_driver_sql("SELECT field, message FROM dead_letter").all()
            outcome.letters = [f"{row[0]} {row[1]}" for row in rows]
            members = conn.execute(tables.member.select()).all()
            links = conn.exec_driver_sql("SELECT id, field, to_key FROM link ORDER BY id").all()
        outcome.members = sorted(orjson.dumps(self.store.open(tables.member, m.id, m.data)) for m in members)
        outcome.members.append(repr(links).encode())

    def _forget(self) -> None:
        with self.store.write() as conn:
            for table in tables.metadata.sorted_tables:
                conn.execute(table.delete())
            if self.shape is not None:
                row = {"connection": "acct", "resource": self.resource, "backfill": "", "cursor": "null"}
                kept = {"run_id": "0" * 32, "updated_at": 0, "shape": self.shape}
                conn.execute(tables.checkpoint.insert().values(row | kept))

    def learn(self) -> None:
        """Read it as it is: what is on the tape from now on, and how its records look."""
        self.healthy = self.run(None)
        assert self.healthy.stop is None, self.healthy.stop
        assert self.healthy.crash is None, self.healthy.crash
        with self.store.read() as conn:
            self.shape = conn.exec_driver_sql("SELECT shape FROM checkpoint").scalar()
        self.healthy = self.run(None)


@dataclass
class _Connections:
    rig: Rig
    one: Connector | None = None

    def open(self, name: str) -> Connector:
        if self.one is None:
            self.one = self.rig.open(name)
        return self.one

    def system(self, name: str) -> str:
        return self.rig.system


def fast_store(folder: Path) -> Store:
    """A store that need not survive the machine."""
    store = open_store(sqlite_url(folder / "store.db"), Vault([KEY]))

    @event.listens_for(store.engine, "connect")
    def _unsafe(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")

    store.engine.dispose()
    return store


@contextmanager
def rigs(system: str, folder: Path, recorded: Path | None = None, paged: bool = False) -> Iterator[list[Rig]]:
    """Every mapped stream of a system, its vendor on tape: the simulator's own objects, or the recorded ones.

    `paged`: only streams that stand for a way of paging, of more than two pages each.
    """
    with grounds(system) as ground:
        made = [ground.practice.main, *ALSO_PAGED.get(system, ())] if paged else _resources(ground)
        if recorded is not None:
            ground.practice.paged(large=True)
            ground.sim.load(recorded)
            ground.quiet(made[0])
        else:
            connector = ground.ready()
            ground.practice.paged(large=system == "pipedrive")  # whose pages are as long as they were asked for
            for resource in made:
                ground.make(resource, 2 * LISTED.get(system, ground.practice.page) + 3 if paged else MADE)
            ground.quiet(made[0])
            connector.close()
        store = fast_store(folder)
        found = []
        for resource in made:
            tape = Tape(re.compile(PAGES[system]), TELLING.get(system, ()))
            clock = FakeClock(ground.clock.now())
            schema = tuple(kind for kind in SCHEMA if kind != "new" or system not in ASKED)
            rig = Rig(system, resource, tape, ground.practice.settings(), clock, store, clock.at, schema=schema)
            rig.learn()
            found.append(rig)
        try:
            yield [rig for rig in found if rig.healthy.read]
        finally:
            for rig in found:
                rig.tape.end()
            store.close()


def _resources(ground: Ground) -> list[str]:
    return [name for name, each in ground.resources.items() if each.readable and f"{ground.system}.{name}" in MAPPINGS]


def judged(rig: Rig, mutant: Mutant) -> tuple[str, str]:
    """(verdict, why): passed, reported, parked or stopped; or silent, lost, crashed."""
    got, was = rig.run(mutant), rig.healthy
    if got.crash is not None:
        return "crashed", repr(got.crash)
    if got.stop is not None:
        if not isinstance(got.stop.fate, Fate) or "acct" not in str(got.stop):
            return "crashed", f"an error that does not name the connection: {got.stop}"
        again = rig.run(None, keep=True)
        if again.stop is not None or not was.read <= again.read:
            return "lost", f"after it stopped, {len(was.read - again.read)} records never came: {again.stop}"
        return "stopped", str(got.stop)
    if got.counts.inbound.read < was.counts.inbound.read:
        return (
            "lost",
            f"{got.counts.inbound.read} of {was.counts.inbound.read} records were read; told: {got.told[:200]}",
        )
    if got.letters != was.letters:
        return "parked", got.told[:200]
    if got.counts.warnings != was.counts.warnings:
        return "reported", got.told[:200]
    path, steady = dotted(mutant.path), tuple(mutant.path) in rig.steady
    if got.members != was.members or got.read != was.read:
        told = mutant.kind not in rig.schema or not steady
        return (
            ("passed", "the value came through") if told else ("silent", "what is known changed, and nobody was told")
        )
    if was.counts.inbound.parked == was.counts.inbound.read:
        return "harmless", "none of these records is known anyway"
    mapped = path in rig.mapping.sources and path.rpartition("[].")[2] not in ALTERNATIVES
    if (mutant.kind in rig.schema and steady) or (mutant.kind in ("picklist", "longer") and mapped):
        return "silent", ""
    return "harmless", "what the dictionary holds of it is the same"
