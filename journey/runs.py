"""Runs: one execution each, with its counts, the revisions it was pinned to, and how it ended. The only writer of `run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from journey.context import Context
from journey.counts import Counts
from kernel.errors import ThroughlineError
from kernel.leases import hold
from kernel.ledger.states import PENDING, State
from kernel.log import get
from kernel.store import Store
from kernel.store.tables import delivery, run

log = get(__name__)


@dataclass(slots=True)
class Run:
    """A run while it goes on."""

    ctx: Context
    kind: str
    sync: str | None
    counts: Counts = field(default_factory=Counts)
    pending_before: int = 0
    stopped: list[ThroughlineError] = field(default_factory=list)  # streams or shards that could not go on
    state: str = "running"

    @property
    def dead_letters(self) -> int:
        """How many letters this run wrote."""
        return self.counts.inbound.parked + self.counts.outbound.dead


@contextmanager
def recorded(ctx: Context, kind: str, sync: str | None, flow_run: str = "") -> Iterator[Run]:
    """Record a run from its start to its end; the counts are checked before it may be called completed."""
    with hold(ctx.store, f"run:{kind}:{sync or ctx.run_id}"):
        _abandon(ctx.store, kind, sync)
        current = Run(ctx, kind, sync)
        with ctx.store.write() as conn:
            current.pending_before = _pending(conn, sync)
            conn.execute(run.insert().values(_row(current, flow_run)))
        try:
            yield current
            _count_outbound(current)
            current.counts.check()
            current.state = (
                "failed" if current.stopped else "with_dead_letters" if current.dead_letters else "completed"
            )
            _finish(current, "; ".join(str(error) for error in current.stopped))
        except BaseException as error:
            current.state = "failed"
            _finish(current, str(error) if isinstance(error, ThroughlineError) else type(error).__name__)
            raise


def _row(current: Run, flow_run: str) -> dict[str, Any]:
    return {
        "id": current.ctx.run_id,
        "kind": current.kind,
        "sync": current.sync,
        "state": current.state,
        "started_at": current.ctx.store.clock.now(),
        "flow_run": flow_run or None,
        "revisions": orjson.dumps(dict(current.ctx.pins.revisions)).decode(),
        "counts": orjson.dumps(current.counts.as_json()).decode(),
    }


def _abandon(store: Store, kind: str, sync: str | None) -> None:
    """A run that a killed worker left 'running': we hold its lease, so it is over."""
    with store.write() as conn:
        left = run.update().where(run.c.kind == kind, run.c.sync == sync, run.c.state == "running")
        conn.execute(
            left.values(
                state="abandoned", ended_at=store.clock.now(), error="its worker was lost; the next run went on"
            )
        )


def _pending(conn: Connection, sync: str | None) -> int:
    query = select(func.count()).select_from(delivery).where(delivery.c.state.in_(PENDING))
    return int(conn.execute(query.where(delivery.c.sync == sync) if sync else query).scalar() or 0)


def _count_outbound(current: Run) -> None:
    """From the ledger itself, not from what the code thinks it did: planned is what was pending plus what is new."""
    ctx, out = current.ctx, current.counts.outbound
    mine = (delivery.c.sync == current.sync) if current.sync else (delivery.c.run_id == delivery.c.run_id)
    with ctx.store.read() as conn:
        created = (
            conn.execute(
                select(func.count()).select_from(delivery).where(mine, delivery.c.run_id == ctx.run_id)
            ).scalar()
            or 0
        )
        ended = (
            select(delivery.c.state, func.count())
            .where(mine, delivery.c.settled_run == ctx.run_id)
            .group_by(delivery.c.state)
        )
        by_state: dict[str, int] = {row[0]: row[1] for row in conn.execute(ended).all()}
        out.pending = _pending(conn, current.sync)
    out.planned = current.pending_before + int(created)
    out.applied = by_state.get(State.APPLIED, 0)
    out.no_op = by_state.get(State.NO_OP, 0)
    out.superseded = by_state.get(State.SUPERSEDED, 0)
    out.dead = by_state.get(State.DEAD, 0)


def _finish(current: Run, error: str) -> None:
    store = current.ctx.store
    with store.write() as conn:
        values = {"state": current.state, "ended_at": store.clock.now(), "error": error or None}
        conn.execute(
            run.update()
            .where(run.c.id == current.ctx.run_id)
            .values(**values, counts=orjson.dumps(current.counts.as_json()).decode())
        )
    log.info("run ended", run=current.ctx.run_id, kind=current.kind, sync=current.sync, state=current.state)
