"""What became of deliveries that were sent, written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from dead_letter import parking
from journey import echo
from journey.dirty import mark_rows
from journey.outbound import sending
from journey.outbound.redundant import settle_redundant
from journey.outbound.sending import Sent, letter
from journey.outbound.shard import Shard
from kernel.errors import Fate, Park, ThroughlineError
from kernel.ids import object_id
from kernel.ledger.claims import Claimed
from kernel.ledger.settling import Settled, settle
from kernel.ledger.states import State
from kernel.store import bulk
from kernel.store.tables import binding, dirty, object_

Done = tuple[int, ThroughlineError | None]
"""How many deliveries moved, and the error that stops the shard."""


def send_and_settle(shard: Shard, claimed: Sequence[Claimed]) -> Done:
    """Send what was claimed, batch by batch, and settle it."""
    if not claimed:
        return 0, None
    sent = sending.send(shard, claimed)
    done = settle_sent(shard, sent)
    settle_redundant(shard, sent)
    return done


def settle_sent(shard: Shard, sent: Sequence[Sent], was: State = State.INFLIGHT, now: int | None = None) -> Done:
    """Write what became of a batch; payloads are sealed and letters made before the transaction.

    `now`: the instant from which waits are counted, so that what failed together is due together.
    """
    ctx = shard.ctx
    at = ctx.store.clock.now() if now is None else now
    _refuse_taken(shard, sent)
    learned = [each.claimed.binding_id for each in sent if each.error is None or sending.missing(each)]
    held = sending.held_fields(shard, learned)
    results = [_result(shard, each, held.get(each.claimed.binding_id, {}), at) for each in sent]
    dead = {result.claimed.id for result in results if result.state is State.DEAD}
    letters = parking.rows(
        ctx.store,
        ctx.run_id,
        [letter(shard, s.claimed, s.error, "send") for s in sent if s.error is not None and s.claimed.id in dead],
    )
    objects = sending.observed_objects(shard, sent)
    again = _missing(shard, [each for each in sent if each.claimed.id in dead and sending.missing(each)])

    def work(conn: Connection) -> None:
        place = shard.connection, shard.resource
        mine = settle(conn, ctx.store, ctx.run_id, *place, results, was, asks=shard.ever_asks)
        ours = {result.claimed.id for result in mine}
        parking.park(conn, [row for row in letters if row["about"] in ours])
        parking.resolve(
            conn, [result.claimed.id for result in mine if result.state is State.APPLIED], ctx.store.clock.now()
        )
        bulk.upsert(conn, dirty, again)
        bulk.insert_new(conn, object_, objects)
        bulk.update(conn, object_, [{"source_at": row["source_at"], "id": row["id"]} for row in objects], ["id"])

    ctx.store.transact(work, "settle")
    return _done(sent)


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


def _result(shard: Shard, sent: Sent, held: echo.Fields, now: int) -> Settled:
    if sent.error is None:
        return sending.applied(shard, sent, held)
    return sending.failed(shard, sent, held, now)


def _missing(shard: Shard, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """Marks for records whose object is gone at the target, where the route says what then: it is planned anew."""
    routes = [route for sync in shard.ctx.pins.syncs.values() for route in sync.routes]
    ours = [r for r in routes if (r.connection, r.resource) == (shard.connection, shard.resource)]
    entity = next((route.entity for route in ours if route.on_missing_at_target != "park"), None)
    if entity is None:
        return []
    marks = {each.claimed.golden_id: (entity, "missing", each.claimed.trace_id) for each in sent}
    return mark_rows(shard.ctx, marks)


def _done(sent: Sequence[Sent]) -> Done:
    errors = [each.error for each in sent if each.error is not None]
    ends = (Fate.STOP, Fate.RETRY_AT, Fate.REAUTHENTICATE)
    return len(sent) - sum(error.fate in ends for error in errors), next((e for e in errors if e.fate in ends), None)
