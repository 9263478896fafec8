"""Carrying out what a person asked for: letters replayed, stored versions mapped again, a route seeded.

All of it goes the usual way through landing, planning and the ledger, so it can be done twice without a second effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from dead_letter import parking
from journey.context import Context
from journey.counts import Counts
from journey.dirty import mark_rows
from journey.inbound import reading
from journey.inbound.classifying import Arrival
from journey.syncs import Stream, Sync
from kernel.errors import BadSetting
from kernel.ids import new_id
from kernel.ledger import plans
from kernel.records import SourceRecord
from kernel.store import Store, bulk
from kernel.store.tables import dead_letter, delivery, dirty, golden, object_, version

_BATCH = 500


@dataclass(slots=True)
class Replayed:
    """What became of the letters."""

    versions: int = 0
    deliveries: int = 0
    superseded: int = 0  # something newer went through meanwhile: nothing was written


def replay_letters(ctx: Context, counts: Counts) -> Replayed:
    """Carry out every replay that was asked for. Stopped in the middle, the next call goes on."""
    done = Replayed()
    while rows := _asked(ctx, _BATCH):
        _versions(ctx, [row for row in rows if row.kind == "version"], counts, done)
        _deliveries(ctx, [row for row in rows if row.kind == "delivery"], done)
    return done


def _asked(ctx: Context, limit: int) -> list[Any]:
    with ctx.store.read() as conn:
        return list(
            conn.execute(
                select(dead_letter).where(dead_letter.c.state == "replaying").order_by(dead_letter.c.id).limit(limit)
            ).all()
        )


def _versions(ctx: Context, rows: Sequence[Any], counts: Counts, done: Replayed) -> None:
    """A parked version lands again from raw (or as edited). One that was superseded meanwhile writes nothing and says so."""
    with ctx.store.read() as conn:
        ids = [row.object_id for row in rows]
        objects = {row.id: row for row in bulk.select_in(conn, object_, "id", ids, ["id", "vendor_id", "parked_hash"])}
        about = [row.about for row in rows]
        versions = {
            row.trace_id: row
            for row in bulk.select_in(
                conn, version, "trace_id", about, ["trace_id", "source_at", "content_hash", "state"]
            )
        }
    by_stream: dict[Stream, list[SourceRecord]] = {}
    stale, current = [], []
    for row in rows:
        target, seen = objects.get(row.object_id), versions.get(row.about)
        if target is None or seen is None or seen.state != "parked" or target.parked_hash != seen.content_hash:
            stale.append(row.id)
            continue
        payload = ctx.store.open(dead_letter, row.id, row.edited if row.mode == "edited" else row.payload)
        by_stream.setdefault(Stream(row.connection, row.resource), []).append(
            SourceRecord(target.vendor_id, payload, seen.source_at, hash=seen.content_hash)
        )
        current.append(row)
    with ctx.store.write("replay.versions") as conn:
        _close(conn, ctx, stale, "superseded", "a newer version had landed; nothing was written")
    for stream, records in by_stream.items():
        reading.land_records(ctx, stream, records, counts, started_at=ctx.store.clock.now(), how=Arrival.AGAIN)
    done.versions += len(current)
    done.superseded += len(stale)


def _deliveries(ctx: Context, rows: Sequence[Any], done: Replayed) -> None:
    """A dead delivery is planned again as it was, or (remap) its golden record is rendered anew with today's mapping."""
    with ctx.store.write("replay.deliveries") as conn:
        again = [row for row in rows if row.mode == "verbatim"]
        reopened = plans.reopen(conn, ctx.run_id, [row.about for row in again], ctx.store.clock.now())
        _mark_goldens(ctx, conn, [row.about for row in rows if row.about not in reopened])
        lost = [row.id for row in again if row.about not in reopened]
        _close(conn, ctx, lost, "superseded", "the record has changed since; what it needs now is planned")
        _close(conn, ctx, [row.id for row in rows if row.id not in lost], "resolved", "replayed")
    done.deliveries += len(rows) - len(lost)
    done.superseded += len(lost)


def _mark_goldens(ctx: Context, conn: Connection, delivery_ids: Sequence[str]) -> None:
    dead = bulk.select_in(conn, delivery, "id", delivery_ids, ["golden_id", "trace_id"])
    entities = {
        row.id: row.entity
        for row in bulk.select_in(conn, golden, "id", [row.golden_id for row in dead], ["id", "entity"])
    }
    marks = {
        row.golden_id: (entities[row.golden_id], "replay", row.trace_id) for row in dead if row.golden_id in entities
    }
    bulk.upsert(conn, dirty, mark_rows(ctx, marks))


def _close(conn: Connection, ctx: Context, ids: Sequence[str], state: str, reason: str) -> None:
    parking.close(conn, ids, state, reason, ctx.store.clock.now())


def remap(ctx: Context, stream: Stream, counts: Counts) -> None:
    """Map every stored object of a stream again from its raw payload, with today's mapping and without the vendor."""
    for records in _stored(ctx, stream):
        reading.land_records(ctx, stream, records, counts, started_at=ctx.store.clock.now(), how=Arrival.AGAIN)


def _stored(ctx: Context, stream: Stream) -> Iterator[list[SourceRecord]]:
    """Each object's newest version, be it landed, filtered or parked."""
    after = ""
    query = select(object_).where(object_.c.connection == stream.connection, object_.c.resource == stream.resource)
    while True:
        with ctx.store.read() as conn:
            page = conn.execute(query.where(object_.c.id > after).order_by(object_.c.id).limit(_BATCH)).all()
            newest = {row.version: row for row in page if row.version and not row.parked_hash}
            parked = {row.id: row for row in page if row.parked_hash}
            columns = ["trace_id", "object_id", "content_hash", "raw"]
            raws = bulk.select_in(conn, version, "trace_id", newest, columns)
            waiting = bulk.select_in(conn, version, "object_id", parked, columns, "AND t.state = 'parked'")
            raws += [row for row in waiting if row.content_hash == parked[row.object_id].parked_hash]
        if not page:
            return
        after = page[-1].id
        objects = {row.id: row for row in page}
        yield [
            SourceRecord(
                objects[row.object_id].vendor_id,
                ctx.store.open(version, row.trace_id, row.raw),
                objects[row.object_id].source_at,
                bool(objects[row.object_id].deleted),
                hash=row.content_hash,
            )
            for row in raws
            if row.raw is not None  # pruned
        ]


def seed(ctx: Context, sync: Sync, entity: str | None = None) -> int:
    """Mark every golden record of a sync's entities dirty: a new route fills itself, an existing one writes what differs."""
    entities = {route.entity for route in sync.routes}
    if entity is not None and entity not in entities:
        raise BadSetting(f"sync {sync.name} routes no '{entity}'; it routes: {', '.join(sorted(entities))}")
    return sum(mark_all(ctx.store, sync.name, each, "seed") for each in ([entity] if entity else sorted(entities)))


def mark_all(store: Store, sync: str, entity: str, reason: str) -> int:
    """Mark every golden record of an entity for one sync, in short transactions; how many."""
    after, marked, token = "", 0, new_id()
    query = select(golden.c.id, golden.c.trace_id).where(golden.c.entity == entity, golden.c.merged_into.is_(None))
    while True:
        with store.write("seed") as conn:
            rows = conn.execute(query.where(golden.c.id > after).order_by(golden.c.id).limit(5000)).all()
            marks = [
                {
                    "golden_id": r.id,
                    "sync": sync,
                    "entity": entity,
                    "reason": reason,
                    "trace_id": r.trace_id,
                    "token": token,
                }
                for r in rows
            ]
            bulk.upsert(conn, dirty, marks)
        if not rows:
            return marked
        after, marked = rows[-1].id, marked + len(rows)
