"""Runs: one execution each, with its counts, the revisions it was pinned to, and how it ended. The only writer of `run`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from journey import balance, waiting
from journey.balance import Opening
from journey.context import Context
from journey.counts import Counts
from kernel.approvals import Question
from kernel.errors import RetryAt, ThroughlineError
from kernel.leases import Lease, hold
from kernel.log import get
from kernel.quota import Priority, asking_as
from kernel.store.tables import run

log = get(__name__)

_PRIORITY = {"receive": Priority.WEBHOOKS, "backfill": Priority.BACKFILLS, "replay": Priority.PEOPLE}
"""By kind of run: who goes first where a vendor's limit does not let everybody; the others are RUNS."""


@dataclass(slots=True)
class Run:
    """A run while it goes on."""

    ctx: Context
    kind: str
    sync: str | None  # of a backfill or remap: the stream
    lease: Lease
    counts: Counts = field(default_factory=Counts)
    before: Opening = field(default_factory=Opening)
    stopped: list[ThroughlineError] = field(default_factory=list)  # streams or shards that could not go on
    waiting: list[Question] = field(default_factory=list)  # what a person must release before the sync does all of it
    state: str = "running"

    @property
    def dead_letters(self) -> int:
        """How many letters this run wrote."""
        return self.counts.inbound.parked + self.counts.outbound.dead

    @property
    def goes_on_at(self) -> int | None:
        """Where all that stopped did so because it must wait (a budget that is spent, a vendor that is down): until when."""
        waits = [error.at for error in self.stopped if isinstance(error, RetryAt)]
        return min(waits) if waits and len(waits) == len(self.stopped) else None


@contextmanager
def recorded(ctx: Context, kind: str, sync: str | None, flow_run: str = "") -> Iterator[Run]:
    """Record a run from its start to its end; the counts are checked before it may be called completed.

    One run of a kind and sync goes on at a time; Held tells that another worker has it.
    """
    priority = _PRIORITY.get(kind, Priority.RUNS)
    with _rare_collections(), asking_as(priority), hold(ctx.store, f"run:{kind}:{sync or ''}") as lease:
        current = Run(ctx, kind, sync, lease)
        with ctx.store.write("run.start") as conn:
            _abandon(conn, current)
            current.before = balance.opening(conn, ctx.run_id, sync)
            conn.execute(run.insert().values(_row(current, flow_run)))
        try:
            yield current
            _count_outbound(current)
            current.counts.check()
            current.waiting = _waiting(current)
            current.state = _ended(current)
            _finish(current, "; ".join(str(error) for error in current.stopped))
        except BaseException as error:
            current.state = "failed"
            _finish(current, str(error) if isinstance(error, ThroughlineError) else type(error).__name__)
            raise


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A batch is a hundred thousand objects without a cycle among them: looking for one every 700 is a tenth of a run."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 50_000), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _waiting(current: Run) -> list[Question]:
    sync = current.ctx.pins.syncs.get(current.sync or "") if current.kind == "sync" else None
    return waiting.concerning(current.ctx.store, sync) if sync is not None else []


def _ended(current: Run) -> str:
    """The worst of what is true: a person's yes is waited for before a letter is."""
    if current.stopped:
        return "failed" if current.goes_on_at is None else "partial"
    if current.waiting:
        return "awaiting_approval"
    return "with_dead_letters" if current.dead_letters else "completed"


def _row(current: Run, flow_run: str) -> dict[str, Any]:
    return {
        "id": current.ctx.run_id,
        "number": current.before.number,
        "kind": current.kind,
        "sync": current.sync,
        "state": current.state,
        "started_at": current.ctx.store.clock.now(),
        "flow_run": flow_run or None,
        "revisions": orjson.dumps(dict(current.ctx.pins.revisions)).decode(),
        "counts": orjson.dumps(current.counts.as_json()).decode(),
    }


def _abandon(conn: Connection, current: Run) -> None:
    """A run that a killed worker left 'running': we hold its lease, so it is over."""
    left = run.update().where(run.c.kind == current.kind, run.c.sync == current.sync, run.c.state == "running")
    lost = {"state": "abandoned", "error": "its worker was lost; the next run went on"}
    conn.execute(left.values(**lost, ended_at=current.ctx.store.clock.now()))


def _count_outbound(current: Run) -> None:
    """From the ledger itself, not from what the code thinks it did."""
    with current.ctx.store.read() as conn:
        balance.count(conn, current.ctx.run_id, current.sync, current.before, current.counts.outbound)


def _finish(current: Run, error: str) -> None:
    store = current.ctx.store
    with store.write("run.finish") as conn:
        values = {"state": current.state, "ended_at": store.clock.now(), "error": error or None}
        conn.execute(
            run.update()
            .where(run.c.id == current.ctx.run_id)
            .values(**values, counts=orjson.dumps(current.counts.as_json()).decode())
        )
    log.info("run ended", run=current.ctx.run_id, kind=current.kind, sync=current.sync, state=current.state)
