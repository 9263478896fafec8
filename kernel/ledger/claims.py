"""Taking deliveries up: one committed row with fence and lease before the first byte leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam, exists, func, or_, select

from kernel.ledger.states import NEXT, OPEN, State
from kernel.records import Action
from kernel.store import Store, bulk
from kernel.store.columns import among
from kernel.store.tables import attempt, binding, delivery


@dataclass(slots=True)
class Claimed:
    """A delivery in the claimer's hands."""

    id: str
    binding_id: str
    golden_id: str
    action: str
    trace_id: str
    sync: str
    op_key: str
    generation: int
    attempts: int
    fence: int
    sent_at: int
    mapping: str
    ext_key: str
    vendor_id: str | None
    body: dict[str, Any]  # {"fields": …, "refs": {name: golden id}, "of": …}; after binding also {"bound": …}
    planned_at: int = 0
    doubtful: bool = (
        False  # an earlier send of it was never answered: whatever is said of this one, that one may have landed
    )

    @property
    def idempotency_key(self) -> str:
        """Never reused with another body: the generation rises only after a reconcile proved "not applied"."""
        return f"{self.op_key}-g{self.generation}"


_CLAIMED = (
    *(delivery.c.id, delivery.c.binding_id, delivery.c.golden_id, delivery.c.action, delivery.c.trace_id),
    *(delivery.c.sync, delivery.c.op_key, delivery.c.generation, delivery.c.attempts, delivery.c.fence),
    *(delivery.c.sent_at, delivery.c.mapping, delivery.c.body, delivery.c.planned_at, delivery.c.state),
)


def due(
    conn: Connection,
    connection: str,
    resource: str,
    states: Mapping[State, ColumnElement[bool]],
    now: int,
    limit: int,
    **values: int,
) -> list[Any]:
    """Deliveries of these states that may be taken up now, each under a condition (whose parameters are `values`).

    None of their binding is open or undecided, no older send could still land.
    """
    found: list[Any] = []
    for state, condition in states.items():
        told = {"connection": connection, "resource": resource, "now": now, "most": limit - len(found), **values}
        found.extend(bulk.plain(conn.execute(_due(state, condition), told)))
        if len(found) >= limit:
            break
    return found


def enough(
    conn: Connection, connection: str, resource: str, state: State, condition: ColumnElement[bool], now: int, least: int
) -> bool:
    """Whether so many of one state and condition may be taken up now."""
    told = {"connection": connection, "resource": resource, "now": now, "most": least}
    return bool(conn.execute(_count(state, condition), told).scalar_one() >= least)


@lru_cache(maxsize=64)
def _count(state: State, condition: ColumnElement[bool]) -> Select[Any]:
    some = _ready(state, condition).with_only_columns(delivery.c.id).limit(bindparam("most"))
    return select(func.count()).select_from(some.subquery())


@lru_cache(maxsize=64)
def _due(state: State, condition: ColumnElement[bool]) -> Select[Any]:
    """Built once: it costs more to build than to run."""
    ready = _ready(state, condition).order_by(delivery.c.not_before).limit(bindparam("most"))
    return ready.with_for_update(of=delivery, skip_locked=True)


def _ready(state: State, condition: ColumnElement[bool]) -> Select[Any]:
    other = delivery.alias()
    blocked = exists().where(
        other.c.binding_id == delivery.c.binding_id,
        other.c.id != delivery.c.id,
        other.c.state.in_((*OPEN, State.CONFLICT)),
    )
    now: BindParameter[int] = bindparam("now")
    may_pass = or_(delivery.c.state == State.UNKNOWN, binding.c.hold_until.is_(None), binding.c.hold_until <= now)
    return (
        select(*_CLAIMED, binding.c.ext_key, binding.c.vendor_id)
        .join(binding, binding.c.id == delivery.c.binding_id)
        .where(
            delivery.c.connection == bindparam("connection"),
            delivery.c.resource == bindparam("resource"),
            delivery.c.state == state,
            condition,
            delivery.c.not_before <= now,
            ~blocked,
            may_pass,
        )
    )


def take(conn: Connection, store: Store, rows: list[Any], state: State, now: int) -> list[Claimed]:
    """Mark rows of `due` as ours. A send counts an attempt; a reconcile does not."""
    sending = state is State.INFLIGHT
    claimed = [
        Claimed(
            id=row.id,
            binding_id=row.binding_id,
            golden_id=row.golden_id,
            action=row.action,
            trace_id=row.trace_id,
            sync=row.sync,
            op_key=row.op_key,
            generation=row.generation,
            attempts=row.attempts + sending,
            fence=row.fence + 1,
            sent_at=now if sending else row.sent_at or now,
            mapping=row.mapping or "",
            ext_key=row.ext_key,
            vendor_id=row.vendor_id,
            body=store.open(delivery, row.id, row.body),
            planned_at=row.planned_at,
            doubtful=row.state == State.UNKNOWN,
        )
        for row in rows
    ]
    changes = [
        {
            "state": state,
            "fence": c.fence,
            "sent_at": c.sent_at,
            "attempts": c.attempts,
            "id": c.id,
            "was_fence": c.fence - 1,
        }
        for c in claimed
    ]
    taken = bulk.update(conn, delivery, changes, ["id", "was_fence"])
    assert taken == len(claimed), "a claimed delivery changed under its lock"  # I2: single writer
    return claimed


_LEFT = ["id", "binding_id", "fence", "sent_at", "attempts", "planned_at", "state"]


def expire(
    conn: Connection, connection: str, resource: str, now: int, patience: Callable[[int, int], int], landing: int
) -> int:
    """Called by the new holder of a shard's lease: what the last holder left in flight is UNKNOWN. How many there were.

    It may have been sent until just now: it is not taken up before `patience` (µs, of attempts and planned_at) is over,
    and nothing newer of its binding is sent while it could land (`landing`, µs).
    """
    query = select(*(delivery.c[name] for name in _LEFT)).where(
        delivery.c.connection == connection,
        delivery.c.resource == resource,
        delivery.c.state.in_((State.INFLIGHT, State.RECONCILING)),
    )
    rows = conn.execute(query.with_for_update()).all()
    bulk.update(
        conn,
        delivery,
        [
            {
                "state": State.UNKNOWN,
                "fence": row.fence + 1,
                "cause": "worker_lost",
                "not_before": now + patience(row.attempts, row.planned_at) if row.state == State.INFLIGHT else now,
                "id": row.id,
                "was_fence": row.fence,
            }
            for row in rows
        ],
        ["id", "was_fence"],
    )
    lost = [row for row in rows if row.state == State.INFLIGHT]
    bulk.update(conn, binding, [{"hold_until": now + landing, "id": row.binding_id} for row in lost], ["id"])
    bulk.insert_new(
        conn,
        attempt,
        [
            {
                "delivery_id": row.id,
                "n": row.attempts,
                "fence": row.fence,
                "sent_at": row.sent_at,
                "settled_at": now,
                "outcome": "worker_lost",
                "status": None,
                "request_id": None,
                "error": None,
            }
            for row in lost
        ],
    )
    return len(rows)


def release_ready(conn: Connection, connection: str, resource: str, now: int) -> int:
    """Children whose parent has its vendor id go on: it may have got that while their plan was being made. How many."""
    seat = (
        exists()
        .where(
            binding.c.golden_id == delivery.c.wait_on,
            binding.c.connection == connection,
            binding.c.slot == "primary",
            binding.c.vendor_id.is_not(None),
        )
        .correlate(delivery)
    )
    waiting = delivery.update().where(
        delivery.c.connection == connection,
        delivery.c.resource == resource,
        delivery.c.state == State.WAITING,
        seat,
    )
    return conn.execute(waiting.values(state=State.PLANNED, wait_on=None, not_before=now)).rowcount


@dataclass(slots=True)
class Unsettled:
    """What may have got to a binding, as far as nobody knows yet."""

    fields: set[str] = field(default_factory=set)  # a new plan must carry them, whatever was last seen
    doubted: bool = False  # a send was given up unanswered
    open: bool = False  # a send is under way or unanswered: what follows it stands in line
    leaving: bool = False  # one of them takes the object away: nothing that was seen there may be counted on


Pending = frozenset[tuple[str, str]]
"""(delivery, state) of everything that is on its way to some bindings."""


def pending(conn: Connection, binding_ids: Sequence[str]) -> Pending:
    """What a plan is made beside; it is made anew where this changed meanwhile."""
    rows = bulk.select_in(conn, delivery, "binding_id", binding_ids, ["id", "state"], f"AND {_PENDING}")
    return frozenset((row.id, row.state) for row in rows)


def unsettled(conn: Connection, store: Store, binding_ids: Sequence[str]) -> dict[str, Unsettled]:
    """By binding. A send that was given up is a doubt until a later one is answered or the object is read again."""
    columns = ["id", "binding_id", "state", "action", "body"]
    found: dict[str, Unsettled] = {}
    for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, columns, f"AND ({_OPEN} OR {_GIVEN_UP})"):
        one = found.setdefault(row.binding_id, Unsettled())
        one.fields.update(_keys(store.open(delivery, row.id, row.body)))
        one.doubted |= row.state == State.DEAD
        one.open |= row.state in OPEN
        one.leaving |= row.action in (Action.DELETE, Action.ARCHIVE)
    return found


def under_way(conn: Connection, store: Store, binding_ids: Sequence[str]) -> dict[str, set[str]]:
    """By binding: the fields of a send that nobody has answered yet."""
    rows = bulk.select_in(conn, delivery, "binding_id", binding_ids, ["id", "binding_id", "body"], f"AND {_OPEN}")
    return {row.binding_id: set(_keys(store.open(delivery, row.id, row.body))) for row in rows}


def sent_fields(conn: Connection, store: Store, binding_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By binding: the values of every send that may have got there, the newest last said."""
    columns = ["id", "binding_id", "planned_at", "attempts", "body"]
    rows = [
        row for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, columns) if row.attempts and row.body
    ]
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row.planned_at, row.id)):
        found.setdefault(row.binding_id, {}).update(store.open(delivery, row.id, row.body).get("fields", {}))
    return found


def _among(states: Sequence[State]) -> str:
    return f"({among(*states, table='t')})"


_OPEN, _NEXT, _PENDING = _among(OPEN), _among(NEXT), _among((*OPEN, *NEXT))
_ANSWERED = "coalesce((SELECT s.updated_at FROM target_state s WHERE s.binding_id = t.binding_id), 0)"
_GIVEN_UP = f"(t.state = 'DEAD' AND t.cause = 'unknown_outcome' AND t.sent_at > {_ANSWERED})"


def _keys(body: dict[str, Any]) -> list[str]:
    return [*body.get("fields", {}), *(f"→{name}" for name in body.get("refs", {}))]


def has_next(conn: Connection, binding_ids: list[str]) -> set[str]:
    """The bindings for which a newer plan stands ready."""
    return {
        row.binding_id
        for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, ["binding_id"], f"AND {_NEXT}")
    }
