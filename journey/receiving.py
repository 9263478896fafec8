"""Webhooks: the raw body is stored before it is acknowledged, and processed afterwards, once, however often it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from journey import inbound
from journey.context import Connections, Context
from journey.counts import Counts
from journey.syncs import Stream
from kernel.errors import BadSetting, Park, ThroughlineError
from kernel.ids import derived_id, new_id
from kernel.log import get
from kernel.records import Delivered, SourceRecord, WebhookRequest
from kernel.store import Store, bulk
from kernel.store.tables import receipt

_BATCH = 500
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
        return Answer(401 if refused.cause == "bad_signature" else 400)
    except BadSetting:
        return _later()  # an unknown connection may be a deployment under way: a 4xx would make senders give up
    except ThroughlineError as error:
        log.warning("webhook not taken", connection=connection, cause=error.cause)
        return _later()
    if delivered.answer is not None:
        return Answer(*delivered.answer)
    try:
        _store(store, connection, request, delivered)
    except ThroughlineError as error:
        log.error("webhook not stored", connection=connection, cause=error.cause)
        return _later()
    return Answer(200)


def _later() -> Answer:
    return Answer(503, {"retry-after": "60"})


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


def process(ctx: Context, counts: Counts) -> int:
    """Land what receipts hold; a hint re-reads the object by API. How many receipts were processed."""
    done = 0
    while rows := _waiting(ctx.store):
        records, hints = _opened(ctx, rows)
        for stream, found in records.items():
            inbound.land_records(ctx, stream, found, counts, started_at=min(row.received_at for row in rows))
        for stream, ids in hints.items():
            started = ctx.store.clock.now()
            fetched = ctx.connections.open(stream.connection).fetch(stream.resource, sorted(ids))
            inbound.land_records(ctx, stream, fetched, counts, started_at=started)
        now = ctx.store.clock.now()
        with ctx.store.write("processed") as conn:
            bulk.update(
                conn, receipt, [{"state": "processed", "processed_at": now, "id": row.id} for row in rows], ["id"]
            )
        done += len(rows)
    return done


def _waiting(store: Store) -> list[Any]:
    query = (
        select(receipt).where(receipt.c.state == "received").order_by(receipt.c.received_at, receipt.c.id).limit(_BATCH)
    )
    with store.read() as conn:
        return list(conn.execute(query).all())


def _opened(ctx: Context, rows: Iterable[Any]) -> tuple[dict[Stream, list[SourceRecord]], dict[Stream, set[str]]]:
    records: dict[Stream, list[SourceRecord]] = {}
    hints: dict[Stream, set[str]] = {}
    for row in rows:
        kept = ctx.store.open(receipt, row.id, row.request)
        for resource, vendor_id, raw, updated_at, deleted in kept["records"]:
            stream = Stream(row.connection, resource)
            records.setdefault(stream, []).append(SourceRecord(vendor_id, raw, updated_at, deleted))
        for resource, vendor_id in kept["hints"]:
            hints.setdefault(Stream(row.connection, resource), set()).add(vendor_id)
    return records, hints
