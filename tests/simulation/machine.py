"""Virtual time, and processes of which exactly one runs at a time: the seed says who goes on, and who dies where.

A worker is a greenlet. It may lose its turn before every statement outside a transaction, after every commit and at
every request; it may die at every failpoint. What died takes no further step: its store refuses everything.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

import greenlet
from sqlalchemy import Connection, Engine, event

import kernel.ids
import kernel.leases
from kernel import failpoints
from kernel.clock import SECOND
from kernel.store import Store
from kernel.vault import Vault

START = 1_790_000_000 * SECOND


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Crashes:
    """How often, and where, processes die."""

    chance: float = 0.0  # at every failpoint
    left: int = 0  # no more than so many of those
    aims: set[tuple[str, int]] = field(default_factory=set)  # and surely here: (point, which pass of it)


class Machine:
    """One simulated computer room."""

    def __init__(self, seed: int, crashes: Crashes, linger: float = 0.75) -> None:
        """`linger`: how likely a worker goes on when another could."""
        self.random = Random(seed)  # noqa: S311 - reproducible on purpose
        self.at = START
        self.crashes, self.linger = crashes, linger
        self.workers: list[Worker] = []
        self.current: Worker | None = None
        self.hub = greenlet.getcurrent()
        self.passed: dict[str, int] = {}  # failpoint -> how often
        self.crashed: list[str] = []  # where
        self.watch: Callable[[str], None] = lambda point: None
        self.dead_pids: set[int] = set()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._pids = count(1000)

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Have something happen by itself, later."""
        heapq.heappush(self._events, (self.at + int(seconds * SECOND), next(self._order), what))

    def advance(self, to: int) -> None:
        """Let time pass, and what was to happen meanwhile happen."""
        while self._events and self._events[0][0] <= to:
            at, _, what = heapq.heappop(self._events)
            self.at = max(self.at, at)
            what()
        self.at = max(self.at, to)

    def start(self, name: str, life: Callable[[Worker], None]) -> Worker:
        """A worker that lives `life`, anew after every crash."""
        worker = Worker(self, name, next(self._pids))
        worker.glet = greenlet.greenlet(lambda: self._live(worker, life), parent=self.hub)
        self.workers.append(worker)
        return worker

    def _live(self, worker: Worker, life: Callable[[Worker], None]) -> None:
        while True:
            try:
                life(worker)
                return
            except Crash:
                self.dead_pids.add(worker.pid)
                worker.pid, worker.dead, worker.writing = next(self._pids), False, False
                worker.sleep(self.random.choice((0.1, 1.0, 20.0)))

    def run(self) -> None:
        """Until every worker has ended."""
        while alive := [w for w in self.workers if not w.glet.dead]:
            ready = [w for w in alive if w.wake <= self.at]
            if not ready:
                self.advance(min(w.wake for w in alive))
                continue
            self.current = self.random.choice(ready)
            self.current.glet.switch()
            self.current = None
        self.workers.clear()

    def turn(self) -> None:
        """Another worker may go first."""
        worker = self.current
        if worker is None or worker.writing:
            return
        if worker.dead:
            raise Crash
        if len(self.workers) > 1 and self.random.random() >= self.linger:
            self.hub.switch()

    def point(self, name: str) -> None:
        """A place where a process may die; also, outside a transaction, a turn."""
        worker = self.current
        if worker is None:
            return
        if worker.dead:
            raise Crash
        if name.endswith(".committed"):
            worker.writing = False
        self.passed[name] = nth = self.passed.get(name, 0) + 1
        self.watch(name)
        if self._dies(name, nth):
            self.crashed.append(name)
            worker.dead = True
            raise Crash
        if not name.endswith(".before_commit"):
            worker.stall(name)
            self.turn()

    def _dies(self, name: str, nth: int) -> bool:
        if (name, nth) in self.crashes.aims:
            return True
        if self.crashes.left > 0 and self.random.random() < self.crashes.chance:
            self.crashes.left -= 1
            return True
        return False

    @contextmanager
    def running(self, engine: Engine) -> Iterator[None]:
        """Time, chance and processes of the engine's modules are this machine's inside the block."""

        def before(conn: Connection, *_: Any) -> None:
            self.turn()

        real_ids, real_leases = (kernel.ids.time, kernel.ids.os), (kernel.leases.os, kernel.leases.socket)
        names = Random(self.random.random())  # noqa: S311
        kernel.ids.time = SimpleNamespace(time_ns=lambda: self.at * 1000)  # type: ignore[assignment]
        kernel.ids.os = SimpleNamespace(urandom=names.randbytes)  # type: ignore[assignment]
        kernel.leases.os = SimpleNamespace(getpid=self._pid, kill=self._signal)  # type: ignore[assignment]
        kernel.leases.socket = SimpleNamespace(gethostname=self._host)  # type: ignore[assignment]
        event.listen(engine, "before_cursor_execute", before)
        failpoints.install(self.point)
        try:
            yield
        finally:
            failpoints.install(None)
            event.remove(engine, "before_cursor_execute", before)
            kernel.ids.time, kernel.ids.os = real_ids
            kernel.leases.os, kernel.leases.socket = real_leases

    def _pid(self) -> int:
        return self.current.pid if self.current else 1

    def _host(self) -> str:
        return self.current.host if self.current else "desk"

    def _signal(self, pid: int, _signal: int) -> None:
        if pid in self.dead_pids:
            raise ProcessLookupError


class Worker:
    """One process (and, after a crash, the ones that follow it), with its clock."""

    def __init__(self, machine: Machine, name: str, pid: int) -> None:
        """Made by `Machine.start`."""
        self.machine, self.name, self.pid = machine, name, pid
        self.host = "one"
        self.glet: Any = None
        self.wake = 0
        self.dead = False  # crashed, unwinding
        self.writing = False  # inside a transaction: nobody else could write
        self.stalls = 0.0  # chance at a commit of being stopped for longer than a lease lasts
        self.stalled = 0

    def now(self) -> int:
        """The instant; every look takes a little time."""
        self.machine.at += 7
        return self.machine.at

    def sleep(self, seconds: float) -> None:
        """Others go on meanwhile."""
        if self.dead:
            raise Crash
        self.wake = self.machine.at + max(1, int(seconds * SECOND))
        self.machine.hub.switch()

    def stall(self, point: str) -> None:
        """Stopped by the system for minutes, then resumed as if nothing had happened."""
        if self.stalls and point.endswith(".committed") and self.machine.random.random() < self.stalls:
            self.stalled += 1
            self.sleep(self.machine.random.uniform(61, 200))


class ProcessStore(Store):
    """A worker's store: between transactions others go on, and after its death it does nothing."""

    def __init__(self, engine: Engine, vault: Vault, worker: Worker) -> None:
        """One a worker."""
        super().__init__(engine, vault, worker)
        self.worker = worker

    @contextmanager
    def write(self, point: str = "") -> Iterator[Connection]:
        """As the store's, under the machine's eyes."""
        self.worker.machine.turn()
        if self.worker.dead:
            raise Crash
        self.worker.writing = True
        try:
            with super().write(point or "unnamed") as conn:
                yield conn
        finally:
            self.worker.writing = False
