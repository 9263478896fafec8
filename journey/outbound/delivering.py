"""The outbound half: claim ─ send ─ settle, a batch at a time, under one lease a shard (a target resource).

The claim is committed before the first byte leaves (I1). What a lost answer means depends on the write class:
A and B send the same body again, C and D ask the vendor first (`reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, func, select

from dead_letter import parking
from journey import pausing
from journey.context import Context
from journey.outbound import by_job, sending
from journey.outbound.claiming import CLAIM, claim
from journey.outbound.reconciling import reconcile_unknown
from journey.outbound.sending import letter
from journey.outbound.settling import Done, send_and_settle
from journey.outbound.shard import Shard
from journey.syncs import Stream, Sync
from kernel.clock import SECOND
from kernel.errors import Park, Stop, ThroughlineError
from kernel.leases import Held, hold
from kernel.ledger import claims
from kernel.ledger.states import OPEN, State
from kernel.store import bulk
from kernel.store.tables import binding, delivery

PATIENCE = 20
"""Seconds a run waits, in all, for deliveries that become due soon (a back-off, an answer that was lost)."""

Progress = Callable[[Stream, int], None]


def deliver(ctx: Context, connection: str, resource: str, progress: Progress | None = None) -> ThroughlineError | None:
    """Send everything that is due for one target resource, until a person pauses it. Returns the error that stopped the shard, if one did."""
    with _held_shard(ctx, connection, resource) as shard:
        lease, done = shard.lease, 0
        while True:
            lease.renew()
            if pausing.paused(ctx.store).writing(connection, resource):
                return None
            settled, error = _round(shard)
            done += settled
            if progress and settled:
                progress(Stream(connection, resource), done)
            if error is not None or not settled:
                return error


def settle_unknown(ctx: Context, connection: str, resource: str) -> int:
    """Settle the lost answers that are due for one target, where that is done by asking; nothing is sent. How many."""
    with _held_shard(ctx, connection, resource) as shard:
        done = 0
        while looked_at := reconcile_unknown(shard):
            shard.lease.renew()
            done += looked_at
        return done


@contextmanager
def _held_shard(ctx: Context, connection: str, resource: str) -> Iterator[Shard]:
    """The shard of a target under its lease, what its last holder left behind put in order."""
    spec = ctx.declared(connection, resource).write
    if spec is None:
        raise Stop(f"{connection}.{resource} cannot be written")
    with hold(ctx.store, f"deliver:{connection}.{resource}") as lease:
        shard = Shard(ctx, connection, resource, ctx.connections.open(connection), spec, lease)
        _recover(shard)
        yield shard


def _recover(shard: Shard) -> None:
    """What the last holder of this shard left in flight is UNKNOWN; children whose parent came go on, or are dead in time."""
    store, now = shard.ctx.store, shard.ctx.store.clock.now()

    def work(conn: Connection) -> None:
        claims.expire(conn, shard.connection, shard.resource, now, partial(shard.patience, now=now), shard.landing)
        claims.release_ready(conn, shard.connection, shard.resource, now)

    store.transact(work, "recover")
    _expire_waiting(shard, now)


def _expire_waiting(shard: Shard, now: int) -> None:
    limits = [
        r.wait_limit
        for s in shard.ctx.pins.syncs.values()
        for r in s.routes
        if (r.connection, r.resource) == (shard.connection, shard.resource)
    ]
    before = now - min(limits, default=86_400) * SECOND
    store = shard.ctx.store
    query = (
        select(delivery, binding.c.ext_key, binding.c.vendor_id)
        .join(binding, binding.c.id == delivery.c.binding_id)
        .where(delivery.c.connection == shard.connection, delivery.c.resource == shard.resource)
        .where(delivery.c.state == State.WAITING, delivery.c.planned_at < before)
        .limit(CLAIM)
    )

    def work(conn: Connection) -> None:
        rows = list(conn.execute(query.with_for_update(of=delivery)).all())
        error = Park("the record this one refers to never got an id at the target", cause="parent_missing")
        letters = []
        for row in rows:
            claimed = sending.as_claimed(store, row)
            letters.append(letter(shard, claimed, error, "plan"))
        changes = [
            {
                "state": State.DEAD,
                "cause": "parent_missing",
                "settled_run": shard.ctx.run_id,
                "id": row.id,
                "was_state": State.WAITING,
            }
            for row in rows
        ]
        bulk.update(conn, delivery, changes, ["id", "was_state"])
        parking.park(conn, parking.rows(store, shard.ctx.run_id, letters))

    store.transact(work, "expire_waiting")


def _round(shard: Shard) -> Done:
    """Claim, send and settle one batch, or all that a job of the vendor's carries."""
    reconcile_unknown(shard)
    carried = by_job.carry(shard)
    return send_and_settle(shard, claim(shard)) if carried is None else carried


def deliver_sync(
    ctx: Context, sync: Sync, progress: Progress | None = None, without: Collection[str] = ()
) -> list[ThroughlineError]:
    """Deliver to every target of a sync, in the order of its routes, until nothing moves: parents release their children.

    `without`: connections that stopped already and are left alone.
    """
    errors: list[ThroughlineError] = []
    targets = [(target.connection, target.resource) for target in sync.targets if target.connection not in without]
    deadline = ctx.store.clock.now() + PATIENCE * SECOND
    while targets:
        for connection, resource in list(targets):
            if (connection, resource) not in targets:
                continue
            try:
                error = deliver(ctx, connection, resource, progress)
            except Held:  # the worker that has this shard sends what we planned, too
                targets.remove((connection, resource))
                continue
            if error is not None:
                errors.append(error)
                targets = [target for target in targets if target[0] != connection]
        held = pausing.paused(ctx.store)
        targets = [target for target in targets if not held.writing(*target)]
        due_at = _next_due(ctx, targets)
        if due_at is None or due_at > deadline:
            break
        ctx.store.clock.sleep(max(0.0, (due_at - ctx.store.clock.now()) / SECOND))
    return errors


def _next_due(ctx: Context, targets: Sequence[tuple[str, str]]) -> int | None:
    """When the next delivery that nothing else blocks may be claimed."""
    with ctx.store.read() as conn:
        found = [
            conn.execute(_earliest(), {"connection": connection, "resource": resource}).scalar()
            for connection, resource in targets
        ]
    return min((at for at in found if at is not None), default=None)


@cache
def _earliest() -> Select[Any]:
    """Built once: it costs more to build than to run."""
    other = delivery.alias()
    blocked = select(other.c.id).where(
        other.c.binding_id == delivery.c.binding_id,
        other.c.id != delivery.c.id,
        other.c.state.in_((*OPEN, State.CONFLICT)),
    )
    return (
        select(func.min(func.coalesce(_later(), delivery.c.not_before)))
        .join(binding, binding.c.id == delivery.c.binding_id)
        .where(delivery.c.connection == bindparam("connection"), delivery.c.resource == bindparam("resource"))
        .where(delivery.c.state.in_((State.PLANNED, State.UNKNOWN)), ~blocked.exists())
    )


def _later() -> ColumnElement[int]:
    held = (delivery.c.state == State.PLANNED) & (binding.c.hold_until > delivery.c.not_before)
    return case((held, binding.c.hold_until))
