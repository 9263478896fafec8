"""Taking deliveries up: one committed row with fence and lease before the first byte leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select

from kernel.ledger.states import OPEN, State
from kernel.store import Store, bulk
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

    @property
    def idempotency_key(self) -> str:
        """Never reused with another body: the generation rises only after a reconcile proved "not applied"."""
        return f"{self.op_key}-g{self.generation}"


_CLAIMED = [column for column in delivery.columns if column.name != "before"]


def due(
    conn: Connection, connection: str, resource: str, states: tuple[State, ...], now: int, limit: int
) -> list[Row[Any]]:
    """Deliveries that may be taken up now: none of their binding is open or undecided, no older send could still land."""
    other = delivery.alias()
    blocked = exists().where(
        other.c.binding_id == delivery.c.binding_id,
        other.c.id != delivery.c.id,
        other.c.state.in_((*OPEN, State.CONFLICT)),
    )
    may_pass = or_(delivery.c.state == State.UNKNOWN, binding.c.hold_until.is_(None), binding.c.hold_until <= now)
    found: list[Row[Any]] = []
    for state in states:
        query = (
            select(*_CLAIMED, binding.c.ext_key, binding.c.vendor_id)
            .join(binding, binding.c.id == delivery.c.binding_id)
            .where(
                delivery.c.connection == connection,
                delivery.c.resource == resource,
                delivery.c.state == state,
                delivery.c.not_before <= now,
                ~blocked,
                may_pass,
            )
            .order_by(delivery.c.not_before)
            .limit(limit - len(found))
            .with_for_update(of=delivery, skip_locked=True)
        )
        found += conn.execute(query).all()
        if len(found) >= limit:
            break
    return found


def take(conn: Connection, store: Store, rows: list[Row[Any]], state: State, now: int) -> list[Claimed]:
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


def expire(conn: Connection, connection: str, resource: str, now: int) -> int:
    """Called by the new holder of a shard's lease: what the last holder left in flight is UNKNOWN. How many there were."""
    query = select(delivery.c.id, delivery.c.fence, delivery.c.sent_at, delivery.c.attempts, delivery.c.state).where(
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
                "id": row.id,
                "was_fence": row.fence,
            }
            for row in rows
        ],
        ["id", "was_fence"],
    )
    lost = [row for row in rows if row.state == State.INFLIGHT]
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


def open_fields(conn: Connection, store: Store, binding_ids: list[str]) -> dict[str, set[str]]:
    """By binding: the fields of a send whose outcome is not known yet; a new plan must carry them, whatever was last seen."""
    quoted = ",".join(f"'{state}'" for state in OPEN)
    rows = bulk.select_in(
        conn, delivery, "binding_id", binding_ids, ["id", "binding_id", "body"], f"AND t.state IN ({quoted})"
    )
    return {row.binding_id: {*_keys(store.open(delivery, row.id, row.body))} for row in rows}


def _keys(body: dict[str, Any]) -> list[str]:
    return [*body.get("fields", {}), *(f"→{name}" for name in body.get("refs", {}))]


def has_next(conn: Connection, binding_ids: list[str]) -> set[str]:
    """The bindings for which a newer plan stands ready."""
    condition = "AND t.state IN ('PLANNED','WAITING')"
    return {
        row.binding_id for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, ["binding_id"], condition)
    }
