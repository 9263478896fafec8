"""Deliveries that a gate holds: HELD is a next plan that nobody sends before a person released exactly this set.

What is held carries its approval in `gate`, and so does what was released: it is not counted a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, exists, func, select, update

from kernel.ids import content_hash
from kernel.ledger.states import UNANSWERED, State
from kernel.records import Action
from kernel.store import bulk
from kernel.store.tables import binding, delivery, golden

REMOVING = (Action.DELETE, Action.ARCHIVE, Action.CLEAR)
_UNSENT = (State.PLANNED, State.WAITING)
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries that are held together: all of a target, or those of one sync, or only its removals or its changes."""

    connection: str
    resource: str
    sync: str | None = None
    removing: bool | None = None  # True: removals; False: changes of objects that are there; None: whatever it is

    @property
    def condition(self) -> ColumnElement[bool]:
        """Of delivery rows."""
        told = (delivery.c.connection == self.connection) & (delivery.c.resource == self.resource)
        if self.sync is not None:
            told &= delivery.c.sync == self.sync
        if self.removing is not None:
            takes_away = delivery.c.action.in_(REMOVING)
            there = exists().where(binding.c.id == delivery.c.binding_id, binding.c.vendor_id.is_not(None))
            told &= takes_away if self.removing else ~takes_away & there
        return told


def unsent(conn: Connection, group: Group) -> int:
    """How many of a group nobody has judged or released and nothing has sent yet, held ones included."""
    query = select(func.count()).select_from(delivery).where(group.condition)
    free = delivery.c.state.in_(_UNSENT) & delivery.c.gate.is_(None)
    return int(conn.execute(query.where(free)).scalar() or 0) + int(
        conn.execute(query.where(delivery.c.state == State.HELD)).scalar() or 0
    )


def hold(conn: Connection, group: Group, gate: str, binding_ids: Sequence[str] | None = None) -> None:
    """Hold what of a group is not sent and was not released; of these bindings only, where some are named."""
    what = group.condition & delivery.c.state.in_(_UNSENT) & delivery.c.gate.is_(None)
    held = {"state": State.HELD, "gate": gate}
    if binding_ids is None:
        conn.execute(update(delivery).where(what).values(held))
        return
    for start in range(0, len(binding_ids), _AT_ONCE):
        part = binding_ids[start : start + _AT_ONCE]
        conn.execute(update(delivery).where(what, delivery.c.binding_id.in_(part)).values(held))


def held(conn: Connection, gate: str) -> list[str]:
    """The keys of what a gate holds, in order."""
    query = select(delivery.c.op_key).where(delivery.c.gate == gate, delivery.c.state == State.HELD)
    return sorted(conn.execute(query).scalars())


def fingerprint(op_keys: Sequence[str]) -> str:
    """Of exactly these plans."""
    return content_hash(list(op_keys))


def by_action(conn: Connection, gate: str) -> dict[str, int]:
    """What a gate holds, counted."""
    query = select(delivery.c.action, func.count()).where(delivery.c.gate == gate, delivery.c.state == State.HELD)
    return {str(row[0]): int(row[1]) for row in conn.execute(query.group_by(delivery.c.action)).all()}


def some(conn: Connection, gate: str, most: int) -> list[Any]:
    """A few of what a gate holds, as a person is shown them: ids and names, no values."""
    query = (
        select(delivery.c.id, delivery.c.trace_id, delivery.c.golden_id, golden.c.entity, delivery.c.action)
        .add_columns(binding.c.vendor_id, delivery.c.planned_at)
        .join(binding, binding.c.id == delivery.c.binding_id)
        .join(golden, golden.c.id == delivery.c.golden_id)
        .where(delivery.c.gate == gate, delivery.c.state == State.HELD)
    )
    return list(conn.execute(query.order_by(delivery.c.planned_at, delivery.c.id).limit(most)).all())


def hand_over(conn: Connection, gate: str, other: str) -> None:
    """Another question holds the same from now on."""
    conn.execute(update(delivery).where(delivery.c.gate == gate, delivery.c.state == State.HELD).values(gate=other))


def free(conn: Connection, gate: str, now: int, *, asks: bool, marked: bool = True) -> int:
    """Let what a gate holds be sent; how many. `marked`: a person released it, so it is not counted again.

    `asks`: a lost answer is settled by asking. Then what stood behind one that was given up unanswered looks first, too.
    """
    lost = delivery.alias()
    nowhere = exists().where(binding.c.id == delivery.c.binding_id, binding.c.vendor_id.is_(None))
    given_up = exists().where(
        lost.c.binding_id == delivery.c.binding_id, lost.c.state == State.DEAD, lost.c.cause == UNANSWERED
    )
    usual = case((delivery.c.wait_on.is_(None), State.PLANNED), else_=State.WAITING)
    first = case((nowhere & given_up, State.UNKNOWN), else_=usual) if asks else usual
    change = {"state": first, "not_before": now} | ({} if marked else {"gate": None})
    where = (delivery.c.gate == gate, delivery.c.state == State.HELD)
    return conn.execute(update(delivery).where(*where).values(change)).rowcount


def discard(conn: Connection, gate: str, run_id: str, error: str) -> int:
    """End what a gate holds: a person refused it. No letter is written, for nothing is left to do; how many."""
    ended = {"state": State.DEAD, "cause": "change_refused", "error": error, "settled_run": run_id}
    where = (delivery.c.gate == gate, delivery.c.state == State.HELD)
    return conn.execute(update(delivery).where(*where).values(ended)).rowcount


@dataclass(frozen=True, slots=True)
class Busy:
    """A binding that is written, or held, often."""

    sends: int  # begun since the instant asked for
    gates: frozenset[str]  # that hold its next plan


def busy(conn: Connection, binding_ids: Sequence[str], since: int) -> dict[str, Busy]:
    """By binding: how often it was sent since an instant (µs), and what holds it."""
    condition = f"AND (t.state = 'HELD' OR t.sent_at > {int(since)})"
    found: dict[str, Busy] = {}
    for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, _BUSY, condition):
        before = found.get(row.binding_id, Busy(0, frozenset()))
        gates = before.gates | {row.gate} if row.state == State.HELD and row.gate else before.gates
        found[row.binding_id] = Busy(before.sends + ((row.sent_at or 0) > since), gates)
    return found


_BUSY = ["binding_id", "state", "gate", "sent_at"]


def count_bindings(conn: Connection, connection: str, resource: str, coming: bool) -> int:
    """The objects of a target that we believe to be there; `coming`: and those that are to be made."""
    where = [binding.c.connection == connection, binding.c.resource == resource]
    if not coming:
        where.append(binding.c.vendor_id.is_not(None))
    return int(conn.execute(select(func.count()).select_from(binding).where(*where)).scalar() or 0)
