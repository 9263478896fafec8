"""The outbound half of conservation, from the ledger itself: what a run found or made, and what became of it.

Another sync may write the same target, a reconcile may settle there, a replay may take up what is dead: whoever moves a
delivery while a run goes on, the run's sums must hold, and each delivery is counted once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from journey.counts import Outbound
from kernel.ledger.states import ENDED, PENDING, State
from kernel.store.tables import delivery, run


@dataclass(slots=True)
class Opening:
    """The ledger of a sync at a run's start, as far as this run and those beside it made or settled it."""

    pending: int = 0
    created: int = 0
    ended: dict[str, int] = field(default_factory=dict)  # state -> how many
    at: int = 0
    rows: dict[str, Any] = field(default_factory=dict)  # delivery -> what was counted of it
    beside: Sequence[str] = ()  # the runs that went on then; their end is stamped by another clock than ours


def opening(conn: Connection, run_id: str, sync: str | None, at: int) -> Opening:
    """At the instant `at`, before the run's own row is written."""
    beside = [row.id for row in conn.execute(select(run.c.id).where(run.c.state == "running"))]
    found = Opening(at=at, beside=beside)
    mine, by_us, settled = _conditions(run_id, sync, beside)
    query = select(delivery.c.id, delivery.c.state, delivery.c.fence, *_flags(by_us, settled))
    for row in conn.execute(query.where(mine, or_(delivery.c.state.in_(PENDING), by_us, settled))):
        found.rows[row.id] = row
        found.pending += row.state in PENDING
        found.created += row.by_us
        if row.settled and row.state in ENDED:
            found.ended[row.state] = found.ended.get(row.state, 0) + 1
    return found


def count(conn: Connection, run_id: str, sync: str | None, before: Opening, out: Outbound) -> None:
    """Planned is what was pending plus what is new; ended is what this run, and those beside it, ended meanwhile."""
    mine, by_us, settled = _conditions(run_id, sync, before.beside)
    old = delivery.c.planned_at <= before.at  # these one by one, the new ones as sums
    one = (case((old, delivery.c.id), else_="").label("id"), case((old, delivery.c.fence), else_=0).label("fence"))
    kinds = (delivery.c.state, *_flags(by_us, settled), *one)
    query = select(*kinds, func.count().label("n")).where(mine, or_(delivery.c.state.in_(PENDING), by_us, settled))
    rows = conn.execute(query.group_by(*kinds)).all()  # one statement, so one moment of the ledger
    ended = {state: -before.ended.get(state, 0) for state in ENDED}
    for row in rows:
        if row.settled and row.state in ENDED:
            ended[row.state] += row.n
    out.pending = sum(row.n for row in rows if row.state in PENDING)
    out.planned = before.pending + sum(row.n for row in rows if row.by_us) - before.created
    _reopened(before, {row.id: row for row in rows}, out, ended)
    out.applied, out.no_op = ended[State.APPLIED], ended[State.NO_OP]
    out.superseded, out.dead = ended[State.SUPERSEDED], ended[State.DEAD]


def _reopened(before: Opening, now: Mapping[str, Any], out: Outbound, ended: dict[State, int]) -> None:
    """A dead delivery that is taken up again belongs to the run that did it: it may be one that we had counted already.

    Pending at our start, it is not planned a second time; dead at our start, it stays dead in those sums and is planned anew.
    """
    for id, was in before.rows.items():
        row = now.get(id)
        if was.state in PENDING:
            out.planned -= row is not None and bool(row.by_us) and not was.by_us
        elif was.settled and (row is None or (row.state, row.fence) != (was.state, was.fence)):
            ended[State(was.state)] += 1
            out.planned += was.by_us


def _flags(by_us: ColumnElement[bool], settled: ColumnElement[bool]) -> tuple[Any, Any]:
    return case((by_us, 1), else_=0).label("by_us"), case((settled, 1), else_=0).label("settled")


def _conditions(
    run_id: str, sync: str | None, running: Sequence[str]
) -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[bool]]:
    """(a sync's deliveries, made by this run or one beside it, ended by one of these); without a sync, its own alone."""
    made = delivery.c.run_id == run_id
    if sync is None:
        return made, made, made
    beside = _beside(run_id, running)
    return delivery.c.sync == sync, delivery.c.run_id.in_(beside), delivery.c.settled_run.in_(beside)


def _beside(run_id: str, running: Sequence[str]) -> Select[Any]:
    """This run, those that went on when it began, and every run that went on at some moment of it."""
    other = run.alias()
    mine = select(other.c.started_at).where(other.c.id == run_id).scalar_subquery()
    then = run.c.id.in_([run_id, *running])
    return select(run.c.id).where(or_(then, run.c.state == "running", run.c.ended_at >= mine))
