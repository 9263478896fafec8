"""One batch on the wire: items in, one result each, whatever the vendor answers; a refused batch is cut in halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import func, select

from connectors.base import WriteClass
from dead_letter.parking import Letter
from journey import echo
from journey.outbound.shard import Shard, backoff
from kernel.clock import SECOND
from kernel.errors import Fate, Park, Retry, RetryAt, ThroughlineError, Unknown
from kernel.failpoints import failpoint
from kernel.ids import object_id
from kernel.ledger.claims import Claimed
from kernel.ledger.settling import Settled
from kernel.ledger.states import State
from kernel.records import Action, WriteItem, WriteOutcome
from kernel.store import Store, bulk
from kernel.store.tables import attempt, delivery, target_state


@dataclass(slots=True)
class Sent:
    """A claimed delivery and what the vendor made of it."""

    claimed: Claimed
    outcome: WriteOutcome
    left: bool = True  # a request was made; else the delivery is given back as it was
    object_id: str | None = None  # of the object the vendor answered with, where it is new to the binding

    @property
    def error(self) -> ThroughlineError | None:
        """Why it was not applied; None where it was."""
        return self.outcome.error


def send(shard: Shard, claimed: Sequence[Claimed]) -> list[Sent]:
    """Send in batches of one action; after an error that stops the shard the rest is given back unsent."""
    sent: list[Sent] = []
    stopping: ThroughlineError | None = None
    absent = [each for each in claimed if _is_absent(shard, each)]
    nothing = Park("nothing was ever written there", cause="not_found")
    sent += [Sent(each, WriteOutcome(error=nothing), left=False) for each in absent]
    by_action = sorted((each for each in claimed if each not in absent), key=lambda each: each.action)
    for _, group in groupby(by_action, key=lambda each: each.action):
        items = list(group)
        for start in range(0, len(items), shard.spec.batch_size):
            part = items[start : start + shard.spec.batch_size]
            if stopping is not None:
                sent += [Sent(each, WriteOutcome(error=stopping), left=False) for each in part]
                continue
            shard.lease.renew()
            results = _send(shard, part)
            failpoint("send.answered")
            sent += results
            stopping = next(
                (
                    r.error
                    for r in results
                    if r.error and r.error.fate in (Fate.STOP, Fate.RETRY_AT, Fate.REAUTHENTICATE)
                ),
                None,
            )
    return sent


def _is_absent(shard: Shard, claimed: Claimed) -> bool:
    """To be taken away, and never got there: without a vendor id only an upsert by our key could address it."""
    leaving = claimed.action in (Action.DELETE, Action.ARCHIVE)
    return leaving and claimed.vendor_id is None and shard.spec.write_class is not WriteClass.UPSERT


def _send(shard: Shard, part: Sequence[Claimed]) -> list[Sent]:
    try:
        outcomes = shard.connector.write(shard.resource, [item(each) for each in part])
    except Park as error:
        if len(part) == 1:
            return [Sent(part[0], WriteOutcome(error=error, status=error.status, request_id=error.request_id))]
        middle = len(part) // 2  # the vendor refused the whole batch for some of its items: find them
        return _send(shard, part[:middle]) + _send(shard, part[middle:])
    except ThroughlineError as error:
        return [
            Sent(each, WriteOutcome(error=error, status=error.status, request_id=error.request_id)) for each in part
        ]
    except Exception as crash:  # a connector's defect: the request may have left
        text = f"{shard.connector.system} crashed while writing: {type(crash).__name__}"
        lost = Unknown(text, cause="connector_crashed")
        return [Sent(each, WriteOutcome(error=lost)) for each in part]
    if len(outcomes) != len(part):
        garbled = Unknown("the answer does not match the batch", cause="wrong_length")
        return [Sent(each, WriteOutcome(error=garbled)) for each in part]
    return [Sent(each, outcome) for each, outcome in zip(part, outcomes, strict=True)]


def item(claimed: Claimed) -> WriteItem:
    """A delivery as its connector is given it."""
    return WriteItem(
        action=Action(claimed.action),
        ext_key=claimed.ext_key,
        idempotency_key=claimed.idempotency_key,
        fields=claimed.body["fields"],
        vendor_id=claimed.vendor_id,
        refs={name: (bound[0], bound[1]) for name, bound in claimed.body.get("bound", {}).items()},
        trace_id=claimed.trace_id,
    )


def as_claimed(store: Store, row: Any) -> Claimed:
    """A delivery row joined with its binding, as it would be claimed."""
    return Claimed(
        id=row.id,
        binding_id=row.binding_id,
        golden_id=row.golden_id,
        action=row.action,
        trace_id=row.trace_id,
        sync=row.sync,
        op_key=row.op_key,
        generation=row.generation,
        attempts=row.attempts,
        fence=row.fence,
        sent_at=row.sent_at or 0,
        mapping=row.mapping or "",
        ext_key=row.ext_key,
        vendor_id=row.vendor_id,
        body=store.open(delivery, row.id, row.body),
    )


def letter(shard: Shard, claimed: Claimed, error: ThroughlineError, stage: str) -> Letter:
    """The dead letter of a delivery."""
    return Letter(
        kind="delivery",
        about=claimed.id,
        trace_id=claimed.trace_id,
        connection=shard.connection,
        resource=shard.resource,
        stage=stage,
        error=error,
        rule=error.cause,
        payload=claimed.body,
        revision=claimed.mapping,
        attempts=max(claimed.attempts, 1),
    )


def applied(shard: Shard, sent: Sent, held: echo.Fields) -> Settled:
    """The delivery is done; what the vendor now holds becomes the target state."""
    claimed, outcome = sent.claimed, sent.outcome
    body = claimed.body
    raw = outcome.record.raw if outcome.record is not None else None
    fields = echo.after_write(held, shard.part, body["fields"], raw)
    for name, end in body["refs"].items():
        fields["sent"][f"→{name}"] = end
    gone = claimed.action in (Action.DELETE, Action.ARCHIVE)
    return Settled(
        claimed,
        State.APPLIED,
        "created" if outcome.created else "applied",
        status=outcome.status,
        request_id=outcome.request_id,
        vendor_id=outcome.vendor_id or claimed.vendor_id,
        object_id=sent.object_id,
        fields={} if gone else fields,
        present=not gone,
    )


def missing(sent: Sent) -> bool:
    """The vendor says that the object we address is not there (any more)."""
    known = sent.claimed.vendor_id is not None or sent.claimed.action in (Action.DELETE, Action.ARCHIVE)
    return known and sent.error is not None and sent.error.fate is Fate.PARK and sent.error.cause == "not_found"


def failed(shard: Shard, sent: Sent, held: echo.Fields, now: int) -> Settled:
    """The next state of a delivery that was not applied, by the fate of its error."""
    claimed, error = sent.claimed, sent.error
    assert error is not None
    error.trace_id = error.trace_id or claimed.trace_id
    told: dict[str, Any] = {
        "cause": error.cause,
        "error": error.message,
        "status": sent.outcome.status,
        "request_id": sent.outcome.request_id or error.request_id,
        "left": sent.left and getattr(error, "sent", True),
    }
    # Where an earlier send of the same was never answered, what is said of this one says nothing about that one.
    again, given_up, soonest = State.PLANNED, told, now
    if claimed.doubtful:
        again, given_up = State.UNKNOWN, {**told, "cause": "unknown_outcome"}
        soonest = now + shard.patience(claimed.attempts, claimed.planned_at, now)
    if missing(sent) and claimed.action in (Action.DELETE, Action.ARCHIVE):
        return Settled(claimed, State.NO_OP, "gone already", fields={}, present=False, **told)
    if missing(sent):
        return Settled(claimed, State.DEAD, "missing", fields=held, present=False, **told)
    if error.fate is Fate.PARK:
        return Settled(claimed, State.DEAD, "refused", not_before=now, **given_up)
    if error.fate is Fate.UNKNOWN:
        return _unknown(shard, claimed, error, now, told)
    if isinstance(error, RetryAt):
        return Settled(claimed, again, "later", not_before=max(soonest, error.at), **told)
    if error.fate is Fate.RETRY:
        if _given_up(shard, claimed, error):
            return Settled(claimed, State.DEAD, "gave_up", not_before=now, **given_up)
        after = error.after if isinstance(error, Retry) else None
        wait = int(after * SECOND) if after else shard.scheduled(claimed.attempts) or backoff(claimed.attempts)
        return Settled(
            claimed, again, "outage" if error.outage else "retry", not_before=max(soonest, now + wait), **told
        )
    return Settled(claimed, again, "stopped", not_before=soonest, **told)


def _given_up(shard: Shard, claimed: Claimed, error: ThroughlineError) -> bool:
    """After so many attempts a person must look; those made while the vendor was down for everybody do not count."""
    if error.outage or claimed.attempts < shard.most_attempts:
        return False
    counted = attempt.c.delivery_id == claimed.id, attempt.c.outcome != "outage"
    with shard.ctx.store.read() as conn:
        before = conn.execute(select(func.count()).where(*counted)).scalar_one()
    return before + 1 >= shard.most_attempts


def _unknown(shard: Shard, claimed: Claimed, error: ThroughlineError, now: int, told: dict[str, Any]) -> Settled:
    """Nothing newer is sent while it could land; class B needs no such hold, its key lets it land once only."""
    asks = shard.asks(claimed.attempts, claimed.planned_at, now)
    keyed = shard.spec.write_class is WriteClass.IDEMPOTENCY_KEY
    waits: dict[str, Any] = {
        "not_before": now + shard.patience(claimed.attempts, claimed.planned_at, now),
        "hold_until": None if keyed and not asks else now + shard.landing,
    }
    if not asks and _given_up(shard, claimed, error):
        return Settled(claimed, State.DEAD, "unknown", **waits, **{**told, "cause": "unknown_outcome"})
    return Settled(claimed, State.UNKNOWN, "outage" if error.outage else "unknown", **waits, **told)


def held_fields(shard: Shard, binding_ids: Sequence[str]) -> dict[str, echo.Fields]:
    """The target states of bindings, by their ids."""
    store = shard.ctx.store
    with store.read() as conn:
        rows = bulk.select_in(conn, target_state, "binding_id", binding_ids, ["binding_id", "fields"])
    return {row.binding_id: store.open(target_state, row.binding_id, row.fields) for row in rows}


def observed_objects(shard: Shard, sent: Sequence[Sent]) -> list[dict[str, Any]]:
    """Objects as the vendor answered, where a stream reads them too: an older read of them is stale from now on."""
    if (shard.connection, shard.resource) not in shard.ctx.pins.streams:
        return []
    rows = []
    for each in sent:
        record = each.outcome.record
        if each.error is None and record is not None and record.updated_at is not None:
            rows.append(
                {
                    "id": object_id(shard.connection, shard.resource, record.id),
                    "connection": shard.connection,
                    "resource": shard.resource,
                    "vendor_id": record.id,
                    "source_at": record.updated_at,
                    "deleted": 0,
                }
            )
    return rows
