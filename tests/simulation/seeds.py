"""One seed from its first step to the comparison of everything with everything."""

from __future__ import annotations

import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from connectors.base import Bulk, WriteClass
from dead_letter import deciding, inspecting
from journey import runs
from journey.context import Context, Pins
from journey.inbound import reading, receiving
from journey.interventions.replay import replay_letters
from journey.syncing import run_sync
from journey.syncs import Stream, Sync
from kernel.errors import Broken, ThroughlineError
from kernel.leases import Held
from kernel.store import open_store, sqlite_url
from kernel.store.columns import metadata
from kernel.vault import Vault
from tests.journey.conftest import BLANK, MAPPINGS, RULES, WORDS, route
from tests.simulation.checks import Guard, Verdict
from tests.simulation.connectors import SourceConnector, TargetConnector, hook_request, writable
from tests.simulation.faults import Faults
from tests.simulation.machine import Crash, Crashes, Machine, ProcessStore, Worker
from tests.simulation.points import POINTS
from tests.simulation.source import Source
from tests.simulation.story import Story
from tests.simulation.vendor import Vendor

ROUNDS = 12
"""Runs that may pass, once all is calm, until nothing is pending."""


@dataclass
class Outcome:
    """What one seed came to, and what happened on its way."""

    mode: str
    seed: int
    verdict: Verdict
    crashed: list[str]
    passed: dict[str, int]
    faults: Counter[str]
    after_apply: int
    writes: int
    letters: int  # that waited for a person when all was calm
    stalls: int
    troubles: Counter[str] = field(default_factory=Counter)  # errors that ended a run


class Ground:
    """A store that is emptied and used again: making one costs more than a whole seed."""

    def __init__(self) -> None:
        """On memory where there is such a folder."""
        memory = Path("/dev/shm")  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=memory if memory.is_dir() else None))
        self.path = self.folder / "store.db"
        self.store = open_store(sqlite_url(self.path), Vault([bytes(range(32))]))
        self.engine: Engine = self.store.engine

    def clear(self) -> None:
        """Empty every table."""
        with self.store.write() as conn:
            for table in metadata.sorted_tables:
                conn.exec_driver_sql(f'DELETE FROM "{table.name}"')  # noqa: S608 - our own tables

    def close(self) -> None:
        """Remove it."""
        self.store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Seed:
    """One seed's systems, workers and story."""

    def __init__(self, ground: Ground, mode: str, seed: int, workers: int) -> None:
        """`workers`: at most so many; a seed may have fewer."""
        self.ground, self.mode, self.seed = ground, mode, seed
        choose = random.Random(f"{mode}{seed}")  # noqa: S311
        random.seed(choose.random())  # the engine's own jitter
        crashes = Crashes(choose.choice((0.0, 0.004, 0.012)), left=choose.choice((0, 2, 4, 8)))
        crashes.aims = {(point, choose.choice((1, 1, 2, 3))) for point in choose.sample(POINTS, choose.choice((0, 6)))}
        self.machine = Machine(seed, crashes, linger=choose.choice((0.5, 0.9, 0.98)))
        self.faults = Faults(self.machine.random, choose.choice((0.0, 0.1, 0.25, 0.4)))
        self.vendor = Vendor(self.machine, WriteClass(mode))
        hooks = choose.random() < 0.5
        self.shop, self.help = Source(self.machine, hooks), Source(self.machine, hooks)
        self.page_size, self.batch = choose.choice((2, 3, 8)), choose.choice((3, 7, 1000))
        self.stalls = choose.choice((0.0, 0.0, 0.01))
        self.hosts = choose.choice((("one", "one"), ("one", "two")))
        self.workers = 1 if choose.random() < 0.3 else workers
        deletes = mode != "E" and choose.random() < 0.4
        self.policy = "delete" if deletes else "keep"
        self.story = Story(self.machine, self.shop, self.help, deletes, length=choose.choice((8.0, 16.0, 30.0)))
        self.guard = Guard(self.machine, self.vendor, {"shop": self.shop, "help": self.help}, str(ground.path))
        self.machine.watch = self.guard.committed
        self.bulk = Bulk(3, 8) if mode == "A" and choose.random() < 0.5 else None
        self.systems = self._connect()
        self.troubles: Counter[str] = Counter()
        self.letters = 0
        self.everybody: list[Worker] = []

    def _connect(self) -> dict[str, Any]:
        kind = self.vendor.write_class
        written = {
            "contacts": writable("contacts", kind, self.bulk, company="companies"),
            "companies": writable("companies", kind, self.bulk),
        }
        crm = TargetConnector(self.vendor, written, self.faults)
        crm.watch = self.guard
        return {
            "shop": SourceConnector("shop", self.shop, ["customers", "orders"], self.faults, self.page_size),
            "help": SourceConnector("help", self.help, ["users"], self.faults, self.page_size),
            "crm": crm,
        }

    # ── the Connections protocol ──────────────────────────────────────────────────────────────────────────────────────

    def open(self, name: str) -> Any:
        """A connection is named like its system."""
        return self.systems[name]

    def system(self, name: str) -> str:
        """Likewise."""
        return name

    # ── the story ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Outcome:
        """Trouble, then calm, then the comparison."""
        self.ground.clear()
        batch, reading.BATCH = reading.BATCH, self.batch
        try:
            with self.machine.running(self.ground.engine):
                self.story.tell()
                for n in range(self.workers):
                    worker = self.machine.start(f"w{n}", self._work)
                    self.everybody.append(worker)
                    worker.host, worker.stalls = self.hosts[n % 2], self.stalls
                self.machine.run()
                self.faults.chance = 0.0
                self.machine.crashes.left, self.machine.crashes.aims = 0, set()
                self.machine.start("calm", self._calm)
                self.machine.run()
            verdict = self.guard.verdict(self.story.expected(), self.story.companies(), self.story.gone())
        finally:
            reading.BATCH = batch
            self.guard.close()
        return Outcome(
            self.mode,
            self.seed,
            verdict,
            self.machine.crashed,
            self.machine.passed,
            self.faults.seen,
            self.faults.after_apply,
            len(self.vendor.log),
            self.letters,
            sum(worker.stalled for worker in self.everybody),
            self.troubles,
        )

    def _work(self, worker: Worker) -> None:
        """A worker's days: syncs, webhooks, replays, in no order."""
        chances: list[tuple[Callable[[Worker], None], int]] = [
            (self._sync_one, 5),
            (self._sync_two, 3),
            (self._receive, 2 if self.shop.hooks else 0),
            (self._replay, 1),
        ]
        deeds, weights = zip(*chances, strict=True)
        end = self.story.length + 6
        while (self.machine.at - self._start) / 1e6 < end:
            deed = self.machine.random.choices(deeds, weights)[0]
            self._do(worker, deed)
            worker.sleep(self.machine.random.uniform(0.5, 15))

    _start = 1_790_000_000 * 1_000_000

    def _do(self, worker: Worker, deed: Callable[[Worker], None]) -> None:
        try:
            deed(worker)
        except Held:
            pass
        except Broken as error:
            self.guard.broken.append(f"I5: {error}" if error.cause == "conservation" else f"broken: {error}")
        except ThroughlineError as error:
            self.troubles[f"{type(error).__name__} {error.cause}"] += 1
        except Exception as defect:
            place = traceback.extract_tb(defect.__traceback__)[-1]
            self.guard.broken.append(f"defect: {type(defect).__name__} at {place.name}:{place.lineno}: {defect}")

    def _calm(self, worker: Worker) -> None:
        """Vendors behave and nobody dies: whatever is pending must come to its end, with a person's help for letters."""
        worker.sleep(130)  # the last worker's leases run out
        for _ in range(ROUNDS):
            for deed in (self._receive, self._sync_one, self._sync_two):
                self._do(worker, deed)
            letters = self._letters(worker)
            self._do(worker, self._replay)  # which may write new ones: of what a killed worker had taken up
            if not letters and not self._pending():
                return
            worker.sleep(120)

    def _letters(self, worker: Worker) -> list[str]:
        """What waits for a person; a version that is wrong by itself is corrected by her."""
        store = self._store(worker)
        letters = inspecting.ids(store, inspecting.Filter())
        self.letters += len(letters)
        for letter in letters:
            if inspecting.find(store, letter)["kind"] == "version":
                deciding.edit(store, letter, {"number": "corrected"}, by="eva", why="it had none")
                deciding.request_replay(store, [letter], deciding.Mode.EDITED, by="eva")
        return letters

    def _pending(self) -> int:
        count = "SELECT (SELECT count(*) FROM delivery WHERE state IN ('INFLIGHT','UNKNOWN','RECONCILING','PLANNED','WAITING')) + (SELECT count(*) FROM dirty) + (SELECT count(*) FROM dead_letter WHERE state IN ('open','replaying'))"
        (pending,) = self.guard.db.execute(count).fetchone()
        return int(pending) + len(self.shop.outbox) + len(self.help.outbox)

    # ── what a worker does ────────────────────────────────────────────────────────────────────────────────────────────

    def _store(self, worker: Worker) -> ProcessStore:
        return ProcessStore(self.ground.engine, self.ground.store.vault, worker)

    def _context(self, worker: Worker) -> Context:
        routes = (
            route("account", "crm.companies", on_missing_at_target="recreate"),
            route("contact", "crm.contacts", on_last_member_gone=self.policy, on_missing_at_target="recreate"),
        )
        one = Sync("one", "", None, (Stream("shop", "customers"), Stream("shop", "orders")), routes, BLANK)
        two = Sync("two", "", None, (Stream("help", "users"),), routes, BLANK)
        return Context(self._store(worker), Pins(WORDS, MAPPINGS, RULES, {"one": one, "two": two}), self)

    def _sync_one(self, worker: Worker) -> None:
        self._sync(worker, "one")

    def _sync_two(self, worker: Worker) -> None:
        self._sync(worker, "two")

    def _sync(self, worker: Worker, name: str) -> None:
        ctx = self._context(worker)
        run = run_sync(ctx, ctx.pins.syncs[name])
        for error in run.stopped:
            if isinstance(error, Broken):
                self.guard.broken.append(f"broken: {error}")

    def _receive(self, worker: Worker) -> None:
        """Webhooks are posted until they are acknowledged, then processed."""
        ctx = self._context(worker)
        for source, name in ((self.shop, "shop"), (self.help, "help")):
            for event in list(source.outbox):
                resource, row, hint = event
                key = f"{resource}/{row.id}/{row.updated}/{sorted(row.values.items(), key=str)}"
                answer = receiving.accept(ctx.store, self, name, hook_request(resource, row, hint, key))
                if answer.status == 200 and event in source.outbox:
                    source.outbox.remove(event)
        with runs.recorded(ctx, "receive", None) as run:
            receiving.process(ctx, run.counts)

    def _replay(self, worker: Worker) -> None:
        ctx = self._context(worker)
        letters = inspecting.ids(ctx.store, inspecting.Filter())
        deciding.request_replay(ctx.store, letters, deciding.Mode.VERBATIM, by="eva")
        with runs.recorded(ctx, "replay", None) as run:
            replay_letters(ctx, run.counts)


def run_seed(ground: Ground, mode: str, seed: int, workers: int) -> Outcome:
    """Run one seed."""
    return Seed(ground, mode, seed, workers).run()


__all__ = ["Crash", "Ground", "Outcome", "run_seed"]
