"""One seed: workers are started and killed while vendors fail and people edit; then it is calm, and everything is compared."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from subprocess import Popen

from kernel.store import Store, sqlite_url
from tests.chaos import looking, verdict
from tests.chaos.pace import Pace
from tests.chaos.people import People
from tests.chaos.place import Place, build, own_systems
from tests.chaos.vendors import Vendors
from tests.simulation.points import OURS, POINTS

MOST = 0.8
"""The storm goes on until so much of what there is was written in it,"""
STORM = 300
"""but no more seconds (the wall's) than these."""
CALM = 900
"""Seconds (the wall's) in which a calm worker must have settled everything."""
_HOOKS = ("receipt.", "processed.")  # of webhooks, which tests/webhooks kills
_NAMED = [point for point in POINTS if point not in OURS and not point.startswith(_HOOKS)]
_EACH = ("lease.", "run.", "land.", "plan.", "recover.", "claim.", "settle.", "send.answered")
_OFTEN = [point for point in _NAMED if point.startswith(_EACH)]
"""Points that every sync passes; the others wait for something to happen."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed is about."""

    seed: int
    records: int
    systems: list[str]
    database: str  # sqlite, or the URL of an empty PostgreSQL database
    kills: int
    speed: float = 10.0  # of the storm's time; 20 times and more, a busy machine's pauses pass for the vendor's
    workers: int = 2
    mutant: str = ""  # a defect of tests/mutants, to see whether it is noticed


@dataclass(slots=True)
class Outcome:
    """What became of it."""

    plan: Plan
    kills: Counter[str] = field(default_factory=Counter)  # at which point; "random" for a moment
    faults: Counter[str] = field(default_factory=Counter)
    faults_after_apply: int = 0
    states: set[str] = field(default_factory=set)  # that deliveries were in when a worker died
    edits: int = 0
    sends: int = 0
    deliveries: int = 0
    repeats: int = 0  # class E: as promised, at least once
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def bad(self) -> list[str]:
        """Everything that should not be."""
        return [*self.lost, *self.doubled, *self.stale, *self.stuck, *self.defects]


@dataclass(slots=True)
class _Life:
    """One worker process, and what ends it."""

    process: Popen[bytes]
    point: str  # where it kills itself
    written: int  # or when the targets took so much
    old: float  # or at this moment

    def is_over(self, written: int) -> bool:
        return written >= self.written or time.monotonic() > self.old


class Storm:
    """One seed under way."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        """Vendors up, people there, documents active; no worker yet."""
        self.plan, self.outcome = plan, Outcome(plan)
        self.random = Random(f"storm{plan.seed}")  # noqa: S311
        self.pace = Pace.make(folder / "pace", plan.speed)
        self.vendors = Vendors(plan.systems, self.pace, folder)
        self.people = People(self.vendors.box["zendesk"], plan.seed, plan.records)
        url = sqlite_url(folder / "throughline.db") if plan.database == "sqlite" else plan.database
        self.place: Place = build(folder, url, self.pace, self.vendors)
        self.place.mutant = plan.mutant
        self._over, self._began = threading.Event(), time.monotonic()

    def run(self) -> Outcome:
        """From the first worker to the comparison."""
        editing = threading.Thread(target=self._edit, daemon=True)
        try:
            self.vendors.faults_on(self.plan.seed, 3 if self.plan.records < 1000 else 1)
            editing.start()
            self._kill_and_restart()
            self._over.set()
            editing.join()
            self._calm()
            self._compare()
        finally:
            self._over.set()
            self._end()
        self.outcome.seconds = round(time.monotonic() - self._began, 1)
        return self.outcome

    def _edit(self) -> None:
        pause = max(0.02, 10 / self.plan.records)
        while not self._over.wait(pause):
            self.people.act()
            self.outcome.edits += 1

    def _kill_and_restart(self) -> None:
        """Every worker dies: at a failpoint that it is given at its start, or once the targets hold so much, or of old age."""
        living: dict[int, _Life] = {}
        store = self.place.store()
        try:
            while self.outcome.kills.total() < self.plan.kills or self._written() < MOST * self._all:
                if time.monotonic() - self._began > STORM:
                    return
                for n in range(self.plan.workers):
                    life = living.get(n)
                    if life is None:
                        living[n] = self._started(n)
                    elif life.process.poll() is not None or life.is_over(self._written()):
                        self._bury(life, store)
                        del living[n]
                time.sleep(0.01)
        finally:
            store.close()
            self._end()

    def _bury(self, life: _Life, store: Store) -> None:
        at = "random" if life.process.poll() is None else life.point
        life.process.send_signal(signal.SIGKILL)
        code = life.process.wait()
        if code != -signal.SIGKILL:
            self.outcome.defects.append(f"a worker ended with code {code}")
        self.outcome.kills[at] += 1
        self.outcome.states |= looking.states(store)

    @property
    def _all(self) -> int:
        return self.plan.records * len(self.plan.systems)

    def _written(self) -> int:
        """How much the targets took: never less than it was."""
        boxes = [self.vendors.box[target.system] for target in self.vendors.targets]
        return sum(len(box.state.changes) for box in boxes)

    def _started(self, n: int) -> _Life:
        point = ""
        if self.outcome.kills.total() < self.plan.kills and self.random.random() < 0.6:
            point = f"{self.random.choice(self.random.choice((_NAMED, _OFTEN, _OFTEN)))}:{self.random.choice((1, 1, 1, 2, 3, 5))}"
        share = self.random.uniform(0.2, 2.0) * (4 if point else 1) / max(1, self.plan.kills)
        written = self._written() + int(self._all * share)
        old = time.monotonic() + self.random.uniform(8, 25) + self.plan.records / 500
        if self.outcome.kills.total() >= self.plan.kills:
            written, old = 10**12, old + STORM  # enough died: the rest of the storm is the faults'
        return _Life(self.place.worker(f"worker{n}", failpoint=point), point.partition(":")[0], written, old)

    def _calm(self) -> None:
        self.vendors.faults_off()
        self.people.settle()
        time.sleep(1.5)  # what was to be applied late is applied by now
        self.pace.jump(130)
        process = self.place.worker("calm", calm=True)
        if process.wait(CALM) != 0:
            self.outcome.defects.append("the calm worker failed")

    def _compare(self) -> None:
        out, store = self.outcome, self.place.store()
        try:
            for target in self.vendors.targets:
                seen = looking.observed(self.vendors, self.people, store, target)
                out.lost += verdict.lost(seen)
                out.doubled += verdict.doubled(seen)
                out.stale += verdict.stale(seen)
                out.stuck = verdict.stuck(seen)
                out.repeats += getattr(self.vendors.box[target.system], "repeats", 0)
            out.faults, out.faults_after_apply = self.vendors.fired()
            out.sends, out.deliveries = looking.attempts(store)
            out.defects += self.place.defects()
        finally:
            store.close()

    def _end(self) -> None:
        for process in self.place.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def close(self) -> None:
        """Vendors down."""
        self._end()
        self.vendors.stop()
        self.pace.close()


def run(plan: Plan, keep: Path | None = None) -> Outcome:
    """Run one seed; `keep`: a folder for its home, which then stays."""
    with tempfile.TemporaryDirectory(prefix="storm-") as scratch, own_systems():
        storm = Storm(plan, keep or Path(scratch))
        try:
            return storm.run()
        finally:
            storm.close()
