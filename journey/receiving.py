"""Webhooks: a receipt is stored before it is acknowledged, and processed later: records land, hints are read again.

Landing knows content seen before, so a receipt processed twice (a kill before it is marked) has one effect.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from journey import inbound
from journey.context import Context
from journey.counts import Counts
from journey.syncs import Stream
from kernel.errors import Park, ThroughlineError
from kernel.ids import new_id
from kernel.log import get
from kernel.records import Delivered, SourceRecord, WebhookRequest
from kernel.store import Store, bulk
from kernel.store.tables import receipt

BATCH = 200
"""Receipts processed at once."""

_FETCH = 100
log = get(__name__)


@dataclass(slots=True)
class Received:
    """What became of the receipts."""

    processed: int = 0
    refused: int = 0  # their signature or body is not the vendor's
    waiting: int = 0  # they could not be processed now; the next call goes on with them


def keep(store: Store, connection: str, request: WebhookRequest, dedupe_key: str) -> bool:
    """Store a verified request, before it is acknowledged; False where the same was received before."""
    key = new_id()
    row = {
        "id": key,
        "connection": connection,
        "dedupe_key": store.vault.keyed_hash("receipt", dedupe_key or base64.b64encode(request.body).decode()),
        "state": "received",
        "received_at": request.received_at or store.clock.now(),
        "processed_at": None,
        "request": store.seal(receipt, key, _written(request)),
    }
    with store.write("receipt") as conn:
        return bulk.insert_new(conn, receipt, [row]) == 1


def receive(ctx: Context, counts: Counts, most: int = 10_000) -> Received:
    """Process what was received, oldest first, at most `most` receipts."""
    done, after = Received(), ""
    while done.processed + done.refused + done.waiting < most and (rows := _unprocessed(ctx, after)):
        after = rows[-1].id
        _process(ctx, rows, counts, done)
    return done


def _unprocessed(ctx: Context, after: str) -> list[Any]:
    query = select(receipt).where(receipt.c.state == "received", receipt.c.id > after)
    with ctx.store.read() as conn:
        return list(conn.execute(query.order_by(receipt.c.id).limit(BATCH)).all())


def _process(ctx: Context, rows: Sequence[Any], counts: Counts, done: Received) -> None:
    """One batch: opened, landed by stream, then marked. What fails leaves its receipts as they are."""
    opened = _Opened(ctx, counts)
    for row in rows:
        opened.add(row)
    opened.land()
    waiting = opened.waiting
    ended = [(row.id, "processed") for row in rows if row.id not in waiting | opened.refused]
    now = ctx.store.clock.now()
    changes = [
        {"state": state, "processed_at": now, "id": key, "was_state": "received"}
        for key, state in [*ended, *((key, "refused") for key in opened.refused)]
    ]
    with ctx.store.write() as conn:
        bulk.update(conn, receipt, changes, ["id", "was_state"])
    done.processed += len(ended)
    done.refused += len(opened.refused)
    done.waiting += len(waiting)


class _Opened:
    """A batch of receipts by what they hold: whole records and hints, by stream, each with the receipt it came from."""

    def __init__(self, ctx: Context, counts: Counts) -> None:
        self.ctx, self.counts = ctx, counts
        self.refused: set[str] = set()
        self.waiting: set[str] = set()
        self._records: dict[Stream, list[tuple[str, SourceRecord]]] = {}
        self._hints: dict[Stream, dict[str, list[str]]] = {}  # vendor id -> receipts that named it
        self._oldest = 0

    def add(self, row: Any) -> None:
        """Open one receipt; a proven forgery is refused, whatever else is wrong lets it wait."""
        try:
            request = _read(self.ctx.store.open(receipt, row.id, row.request), row.received_at)
            told = self.ctx.connections.open(row.connection).webhook(request)
        except Park as error:
            log.warning("receipt refused", receipt=row.id, connection=row.connection, cause=error.cause)
            self.refused.add(row.id)
        except ThroughlineError as error:
            self._wait([row.id], row.connection, error.cause)
        except Exception as crash:  # one receipt that its connector cannot open must not hold up the others
            self._wait([row.id], row.connection, type(crash).__name__)
        else:
            self._oldest = min(self._oldest or row.received_at, row.received_at)
            self._sort(row, told)

    def land(self) -> None:
        """Land the records, then what the hints name, read anew."""
        for stream, records in self._records.items():
            self._land(stream, [record for _, record in records], {key for key, _ in records}, self._oldest)
        for stream, hints in self._hints.items():
            names = list(hints)
            for start in range(0, len(names), _FETCH):
                self._read_again(stream, {name: hints[name] for name in names[start : start + _FETCH]})

    def _sort(self, row: Any, told: Delivered) -> None:
        for resource, record in told.records:
            if stream := self._mapped(row.connection, resource):
                self._records.setdefault(stream, []).append((row.id, record))
        for resource, vendor_id in told.hints:
            if stream := self._mapped(row.connection, resource):
                self._hints.setdefault(stream, {}).setdefault(vendor_id, []).append(row.id)

    def _mapped(self, connection: str, resource: str) -> Stream | None:
        """A vendor tells more than we asked for: what no mapping reads is counted and left."""
        system = self.ctx.connections.system(connection)
        if self.ctx.pins.mappings.get(f"{system}.{resource}") is None:
            self.counts.warn(f"{connection}.{resource} has no mapping; its webhooks are not used")
            return None
        return Stream(connection, resource)

    def _read_again(self, stream: Stream, hints: dict[str, list[str]]) -> None:
        receipts = {key for keys in hints.values() for key in keys}
        started = self.ctx.store.clock.now()
        try:
            records = self.ctx.connections.open(stream.connection).fetch(stream.resource, list(hints))
        except ThroughlineError as error:
            self._wait(receipts, str(stream), error.cause)
            return
        self._land(stream, records, receipts, started)

    def _land(self, stream: Stream, records: Sequence[SourceRecord], receipts: set[str], started_at: int) -> None:
        try:
            inbound.land_records(self.ctx, stream, records, self.counts, started_at=started_at)
        except ThroughlineError as error:
            self._wait(receipts, str(stream), error.cause)

    def _wait(self, receipts: Iterable[str], where: str, cause: str) -> None:
        log.warning("receipts wait", where=where, cause=cause)
        self.counts.warn(f"{where}: receipts could not be processed ({cause})")
        self.waiting.update(receipts)


def _written(request: WebhookRequest) -> dict[str, Any]:
    body = base64.b64encode(request.body).decode()
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body}


def _read(written: dict[str, Any], received_at: int) -> WebhookRequest:
    body = base64.b64decode(written["body"])
    return WebhookRequest(written["method"], written["url"], written["headers"], body, received_at)
