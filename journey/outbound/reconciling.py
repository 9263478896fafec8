"""Where sending again could double a record, a lost answer is settled by asking: what does the vendor hold under our key?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from dead_letter import parking
from journey import echo
from journey.outbound.sending import held_fields, letter
from journey.outbound.shard import Shard
from kernel.clock import SECOND
from kernel.errors import Park, RetryAt, ThroughlineError
from kernel.ledger import claims
from kernel.ledger.claims import Claimed
from kernel.ledger.settling import Settled, settle
from kernel.ledger.states import State
from kernel.records import Action, SourceRecord

TOGETHER = 50
"""So many are asked for at once, at least: where a vendor can only list all it has (Stripe), one look serves them all."""

_LONGEST = 24 * 3600
"""Seconds after the last send in which the vendor is asked; a person decides what could not be read until then."""


def reconcile_unknown(shard: Shard) -> int:
    """Settle what became due after the settle time; how many were looked at."""
    store = shard.ctx.store
    if not shard.ever_asks:
        return 0

    def claim(conn: Connection) -> list[Claimed]:
        now = store.clock.now()
        lost, forgotten = {State.UNKNOWN: shard.asked}, shard.forgotten(now)
        most = max(shard.spec.batch_size, TOGETHER)
        rows = claims.due(conn, shard.connection, shard.resource, lost, now, most, forgotten=forgotten)
        return claims.take(conn, store, rows, State.RECONCILING, now)

    claimed = store.transact(claim, "reconcile.claim")
    if not claimed:
        return 0
    try:
        found = shard.connector.find(shard.resource, [each.ext_key for each in claimed])
        held = held_fields(shard, [each.binding_id for each in claimed])
        results = [_result(shard, each, found.get(each.ext_key, []), held.get(each.binding_id, {})) for each in claimed]
    except ThroughlineError as error:
        results = [_cannot_read(shard, each, error) for each in claimed]
    _write(shard, results)
    return len(claimed)


def _result(shard: Shard, claimed: Claimed, hits: Sequence[SourceRecord], held: echo.Fields) -> Settled:
    now = shard.ctx.store.clock.now()
    if len(hits) > 1:
        text = f"{len(hits)} objects at the target carry this record's key"
        return Settled(claimed, State.CONFLICT, "several", cause="several_at_target", error=text)
    leaving = claimed.action in (Action.DELETE, Action.ARCHIVE)
    if not hits and leaving:
        return Settled(claimed, State.APPLIED, "gone", fields={}, present=False)
    if not hits and claimed.attempts >= shard.most_attempts:
        return Settled(claimed, State.DEAD, "gave_up", cause="unanswered", error="no attempt was ever answered")
    again: dict[str, Any] = {"not_before": now, "generation": claimed.generation + 1}
    if not hits:  # proven: the send did not land, and after the settle time it no longer can
        return Settled(claimed, State.PLANNED, "missing", **again)
    hit = hits[0]
    if leaving or not _holds(shard, claimed, hit):
        return Settled(claimed, State.PLANNED, "differs", vendor_id=hit.id, **again)
    fields = echo.after_write(held, shard.part, claimed.body["fields"], hit.raw)
    return Settled(claimed, State.APPLIED, "found", vendor_id=hit.id, fields=fields)


def _holds(shard: Shard, claimed: Claimed, hit: SourceRecord) -> bool:
    """Whether all we sent is there. What cannot be seen (a reference, a field not shown) is sent again, by id."""
    observed = shard.part.observe(hit.raw)
    return not claimed.body["refs"] and all(
        (name in observed and (observed[name] == value or shard.part.same(name, observed[name], value)))
        or (name not in observed and value is None)
        for name, value in claimed.body["fields"].items()
    )


def _cannot_read(shard: Shard, claimed: Claimed, error: ThroughlineError) -> Settled:
    now = shard.ctx.store.clock.now()
    waits = isinstance(error, RetryAt) or error.outage  # nobody can be asked now: that is no answer
    if claimed.sent_at < now - _LONGEST * SECOND and not waits:
        return Settled(claimed, State.DEAD, "unknown", cause="unknown_outcome", error=error.message)
    at = now + int(shard.spec.settle.total_seconds() * SECOND)
    if isinstance(error, RetryAt):
        at = max(at, error.at)
    return Settled(claimed, State.UNKNOWN, "unreadable", cause=error.cause, error=error.message, not_before=at)


def _write(shard: Shard, results: list[Settled]) -> None:
    ctx = shard.ctx
    person = [r for r in results if r.state in (State.CONFLICT, State.DEAD)]
    letters = [
        letter(shard, r.claimed, Park(r.error, cause=r.cause, trace_id=r.claimed.trace_id), "reconcile") for r in person
    ]
    rows = parking.rows(ctx.store, ctx.run_id, letters)

    def work(conn: Connection) -> None:
        place = (shard.connection, shard.resource)
        settled = settle(conn, ctx.store, ctx.run_id, *place, results, State.RECONCILING, asks=True)
        mine = {result.claimed.id for result in settled}
        parking.park(conn, [row for row in rows if row["about"] in mine])

    ctx.store.transact(work, "reconcile.settle")
