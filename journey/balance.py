"""The outbound half of conservation, from the ledger itself: what a run found or made, and what became of it.

Another sync may write the same target, a reconcile may settle there, a replay may take up what is dead, a worker that was
thought lost may come back: whoever moves a delivery while a run goes on, the run's sums must hold, and each delivery is
counted once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from journey.counts import Outbound
from kernel.ledger.states import ENDED, PENDING, State
from kernel.store.tables import dead_letter, delivery, run


class _Ids:
    """A set of ids in eight bytes each: of a paused sync a million deliveries may be pending."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._marks = array("Q", sorted(array("Q", map(_mark, ids))))

    def __contains__(self, id: str) -> bool:
        at = bisect_left(self._marks, _mark(id))
        return at < len(self._marks) and self._marks[at] == _mark(id)


_FAR = 1_000
"""A run that was abandoned may still do something, if its worker was only slow: until so many others have begun."""


def _mark(id: str) -> int:
    return int(id[-16:], 16)  # the half that is noise


@dataclass(slots=True)
class Opening:
    """The ledger of a sync at a run's start, as far as this run and those beside it made or settled it."""

    number: int = 1  # of this run; a higher one began later, whatever its worker's clock says
    beside: Sequence[str] = ()  # the earlier runs that may still do something
    pending: int = 0
    others: _Ids = field(default_factory=_Ids)  # of the pending ones, those that no run beside had planned
    created: int = 0
    ended: dict[str, int] = field(default_factory=dict)  # state -> how many
    dead: dict[str, Any] = field(default_factory=dict)  # delivery -> what was counted of it


def opening(conn: Connection, run_id: str, sync: str | None) -> Opening:
    """As a run begins, before its own row is written."""
    found = _beginning(conn)
    by_us, settled = _by_these(run_id, sync, run.c.id.in_(found.beside))
    query = select(delivery.c.id, delivery.c.state, delivery.c.fence, *_flags(by_us, settled))
    rows = conn.execute(query.where(_of(run_id, sync), or_(delivery.c.state.in_(PENDING), by_us, settled)))
    found.others = _Ids(_counted(rows, found))
    return found


def _beginning(conn: Connection) -> Opening:
    """One statement, so one moment: a run that begins beside us is either listed or has a number not below ours."""
    newest = select(func.coalesce(func.max(run.c.number), 0)).scalar_subquery()
    alive = or_(run.c.state == "running", and_(run.c.state == "abandoned", run.c.number > newest - _FAR))
    query = select(run.c.id, run.c.number, alive.label("alive")).where(or_(alive, run.c.number == newest))
    rows = conn.execute(query.order_by(run.c.number)).all()
    return Opening(number=rows[-1].number + 1 if rows else 1, beside=[row.id for row in rows if row.alive])


def _counted(rows: Iterable[Any], found: Opening) -> Iterable[str]:
    """Counts them all; gives the ids of those that a replay may bring to a run beside."""
    for row in rows:
        found.created += row.by_us
        if row.state in PENDING:
            found.pending += 1
            if not row.by_us:
                yield row.id
        elif row.settled:
            found.ended[row.state] = found.ended.get(row.state, 0) + 1
            if row.state == State.DEAD:
                found.dead[row.id] = row


def count(conn: Connection, run_id: str, sync: str | None, before: Opening, out: Outbound) -> None:
    """Planned is what was pending plus what is new; ended is what this run, and those beside it, ended meanwhile."""
    by_us, settled = _by_these(run_id, sync, or_(run.c.id.in_(before.beside), run.c.number >= before.number))
    letters = select(dead_letter.c.about).where(dead_letter.c.kind == "delivery")
    # What a replay may have taken up is told one by one, all else as sums.
    apart = or_(delivery.c.state == State.DEAD, and_(by_us, delivery.c.id.in_(letters)))
    one = (case((apart, delivery.c.id), else_="").label("id"), case((apart, delivery.c.fence), else_=0).label("fence"))
    kinds = (delivery.c.state, *_flags(by_us, settled), *one)
    query = select(*kinds, func.count().label("n"))
    query = query.where(_of(run_id, sync), or_(delivery.c.state.in_(PENDING), by_us, settled))
    rows = conn.execute(query.group_by(*kinds)).all()  # one statement, so one moment of the ledger
    ended = {state: -before.ended.get(state, 0) for state in ENDED}
    for row in rows:
        if row.settled and row.state in ENDED:
            ended[row.state] += row.n
    out.pending = sum(row.n for row in rows if row.state in PENDING)
    out.planned = before.pending + sum(row.n for row in rows if row.by_us) - before.created
    _reopened(before, {row.id: row for row in rows if row.id}, out, ended)
    out.applied, out.no_op = ended[State.APPLIED], ended[State.NO_OP]
    out.superseded, out.dead = ended[State.SUPERSEDED], ended[State.DEAD]


def _reopened(before: Opening, now: Mapping[str, Any], out: Outbound, ended: dict[State, int]) -> None:
    """A dead delivery that is taken up again belongs to the run that did it: it may be one that we had counted already.

    Pending at our start, it is not planned a second time; dead at our start, it stays dead in those sums and is planned anew.
    """
    out.planned -= sum(row.by_us for row in now.values() if row.id in before.others)
    for id, was in before.dead.items():
        row = now.get(id)
        if row is None or (row.state, row.fence) != (was.state, was.fence):
            ended[State.DEAD] += 1
            out.planned += was.by_us


def _flags(by_us: ColumnElement[bool], settled: ColumnElement[bool]) -> tuple[Any, Any]:
    return case((by_us, 1), else_=0).label("by_us"), case((settled, 1), else_=0).label("settled")


def _of(run_id: str, sync: str | None) -> ColumnElement[bool]:
    """A sync's deliveries; without a sync, the run's alone."""
    return delivery.c.run_id == run_id if sync is None else delivery.c.sync == sync


def _by_these(
    run_id: str, sync: str | None, these: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """(made, ended) by one of these runs; without a sync, by the run itself."""
    if sync is None:
        return delivery.c.run_id == run_id, delivery.c.run_id == run_id
    ids = select(run.c.id).where(these)
    return delivery.c.run_id.in_(ids), delivery.c.settled_run.in_(ids)
