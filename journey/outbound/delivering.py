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
from journey import echo, pausing
from journey.context import Context
from journey.dirty import mark_rows
from journey.outbound import sending
from journey.outbound.reconciling import reconcile_unknown
from journey.outbound.redundant import settle_redundant
from journey.outbound.sending import Sent, letter
from journey.outbound.shard import Shard
from journey.syncs import Stream, Sync
from kernel.clock import SECOND
from kernel.errors import Fate, Park, Stop, ThroughlineError
from kernel.ids import object_id
from kernel.leases import Held, hold
from kernel.ledger import claims
from kernel.ledger.claims import Claimed
from kernel.ledger.settling import Settled, settle
from kernel.ledger.states import OPEN, State
from kernel.store import bulk
from kernel.store.tables import binding, delivery, dirty, object_

CLAIM = 1000
"""Deliveries claimed at once where sending one twice is harmless (classes A and B)."""

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


def _round(shard: Shard) -> tuple[int, ThroughlineError | None]:
    """Claim, send and settle one batch; (how many, the error that stops the shard)."""
    reconcile_unknown(shard)
    claimed = _claim(shard)
    if not claimed:
        return 0, None
    sent = sending.send(shard, claimed)
    _settle(shard, sent)
    settle_redundant(shard, sent)
    stopping = next(
        (
            each.error
            for each in sent
            if each.error is not None and each.error.fate in (Fate.STOP, Fate.RETRY_AT, Fate.REAUTHENTICATE)
        ),
        None,
    )
    moved = sum(1 for each in sent if each.error is None or each.error.fate in (Fate.PARK, Fate.UNKNOWN, Fate.RETRY))
    return moved, stopping


def _claim(shard: Shard) -> list[Claimed]:
    """One committed transaction: fence, lease, vendor ids of parents bound, body frozen. A child without parent waits."""
    store = shard.ctx.store
    limit = CLAIM if shard.resends else shard.spec.batch_size

    def work(conn: Connection) -> list[Claimed]:
        now = store.clock.now()
        rows = claims.due(
            conn, shard.connection, shard.resource, shard.to_send, now, limit, forgotten=shard.forgotten(now)
        )
        taken = claims.take(conn, store, rows, State.INFLIGHT, now)
        return _bind(conn, shard, taken)

    return store.transact(work, "claim")


def _bind(conn: Connection, shard: Shard, taken: Sequence[Claimed]) -> list[Claimed]:
    """Resolve references to vendor ids, once: a body that was sent before is sent again as it was."""
    wanted = {(end, shard.spec.references[name]) for each in taken for name, end in each.body["refs"].items()}
    seats: dict[tuple[str, str], str | None] = {}
    condition = "AND t.slot = 'primary'"
    for row in bulk.select_in(
        conn,
        binding,
        "golden_id",
        {end for end, _ in wanted},
        ["golden_id", "connection", "resource", "vendor_id"],
        condition,
    ):
        if row.connection == shard.connection:
            seats[(row.golden_id, row.resource)] = row.vendor_id
    ready: list[Claimed] = []
    waiting, frozen = [], []
    for each in taken:
        if "bound" not in each.body:
            ends = {name: (end, shard.spec.references[name]) for name, end in each.body["refs"].items()}
            missing = next((end for end, resource in ends.values() if not seats.get((end, resource))), None)
            if missing is not None:
                waiting.append(
                    {
                        "state": State.WAITING,
                        "wait_on": missing,
                        "attempts": each.attempts - 1,
                        "id": each.id,
                        "was_fence": each.fence,
                    }
                )
                continue
            each.body["bound"] = {name: (resource, seats[(end, resource)]) for name, (end, resource) in ends.items()}
            if ends:
                frozen.append(
                    {"body": shard.ctx.store.seal(delivery, each.id, each.body), "id": each.id, "was_fence": each.fence}
                )
        ready.append(each)
    bulk.update(conn, delivery, waiting, ["id", "was_fence"])
    bulk.update(conn, delivery, frozen, ["id", "was_fence"])
    return ready


def _settle(shard: Shard, sent: Sequence[Sent]) -> None:
    """Write what became of a batch; payloads are sealed and letters made before the transaction."""
    ctx = shard.ctx
    _refuse_taken(shard, sent)
    learned = [each.claimed.binding_id for each in sent if each.error is None or sending.missing(each)]
    held = sending.held_fields(shard, learned)
    results = [_result(shard, each, held.get(each.claimed.binding_id, {})) for each in sent]
    dead = {result.claimed.id for result in results if result.state is State.DEAD}
    letters = parking.rows(
        ctx.store,
        ctx.run_id,
        [letter(shard, s.claimed, s.error, "send") for s in sent if s.error is not None and s.claimed.id in dead],
    )
    objects = sending.observed_objects(shard, sent)
    again = _missing(shard, [each for each in sent if each.claimed.id in dead and sending.missing(each)])

    def work(conn: Connection) -> None:
        mine = settle(conn, ctx.store, ctx.run_id, shard.connection, shard.resource, results, asks=shard.ever_asks)
        ours = {result.claimed.id for result in mine}
        parking.park(conn, [row for row in letters if row["about"] in ours])
        parking.resolve(
            conn, [result.claimed.id for result in mine if result.state is State.APPLIED], ctx.store.clock.now()
        )
        bulk.upsert(conn, dirty, again)
        bulk.insert_new(conn, object_, objects)
        bulk.update(conn, object_, [{"source_at": row["source_at"], "id": row["id"]} for row in objects], ["id"])

    ctx.store.transact(work, "settle")


def _refuse_taken(shard: Shard, sent: Sequence[Sent]) -> None:
    """Where the vendor answered with an object that another golden record is bound to, a person must say who is who."""
    answered: dict[str, list[Sent]] = {}
    for each in sent:
        if each.error is None and each.outcome.vendor_id and each.outcome.vendor_id != each.claimed.vendor_id:
            each.object_id = object_id(shard.connection, shard.resource, each.outcome.vendor_id)
            answered.setdefault(each.object_id, []).append(each)
    with shard.ctx.store.read() as conn:
        rows = bulk.select_in(conn, binding, "object_id", answered, ["id", "object_id"])
    holders = {row.object_id: row.id for row in rows}
    for key, claimants in answered.items():
        for each in claimants:
            if each.claimed.binding_id != holders.get(key, claimants[0].claimed.binding_id):
                text = "the object it was written to belongs to another golden record"
                each.outcome.error = Park(text, cause="bound_elsewhere", trace_id=each.claimed.trace_id)
                each.outcome.vendor_id = None


def _result(shard: Shard, sent: Sent, held: echo.Fields) -> Settled:
    if sent.error is None:
        return sending.applied(shard, sent, held)
    return sending.failed(shard, sent, held)


def _missing(shard: Shard, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """Marks for records whose object is gone at the target, where the route says what then: it is planned anew."""
    routes = [route for sync in shard.ctx.pins.syncs.values() for route in sync.routes]
    ours = [r for r in routes if (r.connection, r.resource) == (shard.connection, shard.resource)]
    entity = next((route.entity for route in ours if route.on_missing_at_target != "park"), None)
    if entity is None:
        return []
    marks = {each.claimed.golden_id: (entity, "missing", each.claimed.trace_id) for each in sent}
    return mark_rows(shard.ctx, marks)


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
