"""Webhooks: the raw body is stored before it is acknowledged, and processed afterwards, once, however often it was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from connectors.base import Connector
from journey.context import Connections, Context
from journey.counts import Counts
from journey.inbound import reading
from journey.inbound.classifying import Arrival
from journey.syncs import Stream
from kernel.errors import BadSetting, Park, ThroughlineError
from kernel.ids import derived_id, new_id
from kernel.log import get
from kernel.records import Delivered, SourceRecord, WebhookRequest
from kernel.store import Store, bulk
from kernel.store.tables import receipt

_BATCH = 500
_FETCH = 100  # ids asked for at once
log = get(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told. 2xx only once the receipt is committed; our own trouble is a 503, never a 4xx."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def accept(store: Store, connections: Connections, connection: str, request: WebhookRequest) -> Answer:
    """Verify, store, acknowledge."""
    try:
        delivered = connections.open(connection).webhook(request)
    except Park as refused:
        log.info("webhook refused", connection=connection, cause=refused.cause, rule=refused.message)
        return Answer(401 if refused.cause == "bad_signature" else 400)
    except BadSetting as error:  # an unknown connection may be a deployment under way: a 4xx would make senders give up
        log.warning("webhook not taken", cause=error.cause, setting=error.field)
        return LATER
    except ThroughlineError as error:
        log.warning("webhook not taken", connection=connection, cause=error.cause)
        return LATER
    if delivered.answer is not None:
        return Answer(*delivered.answer)
    try:
        _store(store, connection, request, delivered)
    except ThroughlineError as error:
        log.error("webhook not stored", connection=connection, cause=error.cause)
        return LATER
    return Answer(*delivered.reply) if delivered.reply is not None else Answer(200)


LATER = Answer(503, {"retry-after": "60"})
"""Our own trouble: the sender comes back."""


def _store(store: Store, connection: str, request: WebhookRequest, delivered: Delivered) -> None:
    receipt_id = new_id()
    # What it said is kept beside the body: a secret that rotates before it is processed must not make it unreadable.
    kept = {
        "method": request.method,
        "headers": dict(request.headers),
        "body": request.body.decode("utf-8", "backslashreplace"),
        "records": [(resource, r.id, r.raw, r.updated_at, r.deleted) for resource, r in delivered.records],
        "hints": delivered.hints,
    }
    row = {
        "id": receipt_id,
        "connection": connection,
        "dedupe_key": derived_id("receipt", delivered.dedupe_key or request.body.hex()),
        "state": "received",
        "received_at": request.received_at or store.clock.now(),
        "processed_at": None,
        "request": store.seal(receipt, receipt_id, kept),
    }
    with store.write("receipt") as conn:
        bulk.insert_new(conn, receipt, [row])  # the same delivery sent again is acknowledged and nothing more


@dataclass(slots=True)
class Received:
    """What became of the receipts."""

    processed: int = 0
    waiting: int = 0  # could not be processed now; the next call goes on with them


def process(ctx: Context, counts: Counts, most: int = 100_000) -> Received:
    """Land what receipts hold; a hint re-reads the object by API. What fails lets its own receipts wait, no others."""
    done, after = Received(), ""
    while done.processed + done.waiting < most and (rows := _unprocessed(ctx.store, after)):
        after = rows[-1].id
        waiting = _land(ctx, rows, counts)
        now = ctx.store.clock.now()
        ended = [{"state": "processed", "processed_at": now, "id": row.id} for row in rows if row.id not in waiting]
        with ctx.store.write("processed") as conn:
            bulk.update(conn, receipt, ended, ["id"])
        done.processed += len(ended)
        done.waiting += len(waiting)
    return done


def _unprocessed(store: Store, after: str) -> list[Any]:
    """Receipts in the order of their ids: of their arrival."""
    query = select(receipt).where(receipt.c.state == "received", receipt.c.id > after)
    with store.read() as conn:
        return list(conn.execute(query.order_by(receipt.c.id).limit(_BATCH)).all())


def _land(ctx: Context, rows: Sequence[Any], counts: Counts) -> set[str]:
    """Records first, then what hints name, read anew; the receipts that could not be landed."""
    waiting: set[str] = set()
    for stream, each in _opened(ctx, rows).items():
        if ctx.pins.mappings.get(f"{ctx.connections.system(stream.connection)}.{stream.resource}") is None:
            counts.warn(f"{stream} has no active mapping; what its webhooks say is not used", len(each.receipts))
            continue
        try:
            first = min(row.received_at for row in rows)
            ties = reading.land_records(ctx, stream, each.records, counts, started_at=first, how=_trusted(ctx, stream))
            each.hints += [name for name in dict.fromkeys(ties) if name not in each.hints]
            for start in range(0, len(each.hints), _FETCH):
                started = ctx.store.clock.now()
                names = each.hints[start : start + _FETCH]
                found = ctx.connections.open(stream.connection).fetch(stream.resource, names)
                reading.land_records(ctx, stream, found, counts, started_at=started)
        except ThroughlineError as error:
            log.warning("receipts wait", stream=str(stream), cause=error.cause)
            counts.warn(f"{stream}: {len(each.receipts)} webhooks could not be processed now ({error.cause})")
            waiting |= each.receipts
    return waiting


def _trusted(ctx: Context, stream: Stream) -> Arrival:
    """Of two versions with one time only the vendor knows the newer; where it cannot be asked, the last to arrive counts."""
    connector = type(ctx.connections.open(stream.connection))
    return Arrival.READ if getattr(connector, "fetch", None) is Connector.fetch else Arrival.PUSHED


@dataclass(slots=True)
class _Told:
    """What a batch of receipts says of one stream."""

    records: list[SourceRecord] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    receipts: set[str] = field(default_factory=set)


def _opened(ctx: Context, rows: Sequence[Any]) -> dict[Stream, _Told]:
    found: dict[Stream, _Told] = {}
    for row in rows:
        kept = ctx.store.open(receipt, row.id, row.request)
        for resource, vendor_id, raw, updated_at, deleted in kept["records"]:
            told = found.setdefault(Stream(row.connection, resource), _Told())
            told.records.append(SourceRecord(vendor_id, raw, updated_at, deleted))
            told.receipts.add(row.id)
        for resource, vendor_id in kept["hints"]:
            told = found.setdefault(Stream(row.connection, resource), _Told())
            if vendor_id not in told.hints:
                told.hints.append(vendor_id)
            told.receipts.add(row.id)
    return found
