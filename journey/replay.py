"""Carrying out what a person asked for: letters replayed, stored versions mapped again, a route seeded.

All of it goes the usual way through landing, planning and the ledger, so it can be done twice without a second effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from dead_letter import parking
from journey import inbound
from journey.context import Context
from journey.counts import Counts
from journey.landing import mark_rows
from journey.syncs import Stream, Sync
from kernel.errors import BadSetting
from kernel.ledger import plans
from kernel.records import SourceRecord
from kernel.store import bulk
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
            SourceRecord(target.vendor_id, payload, seen.source_at)
        )
        current.append(row)
    with ctx.store.write("replay.versions") as conn:
        _close(conn, ctx, stale, "superseded", "a newer version had landed; nothing was written")
        bulk.update(
            conn,
            version,
            [{"state": "superseded", "trace_id": row.about, "was_state": "parked"} for row in current],
            ["trace_id", "was_state"],
        )
    for stream, records in by_stream.items():
        inbound.land_records(ctx, stream, records, counts, started_at=ctx.store.clock.now(), again=True)
    done.versions += len(current)
    done.superseded += len(stale)


def _deliveries(ctx: Context, rows: Sequence[Any], done: Replayed) -> None:
    """A dead delivery is planned again as it was, or (remap) its golden record is rendered anew with today's mapping."""
    with ctx.store.write("replay.deliveries") as conn:
        again = [row for row in rows if row.mode == "verbatim"]
        reopened = plans.reopen(conn, ctx.run_id, [row.about for row in again], ctx.store.clock.now())
        _mark_goldens(ctx, conn, [row.about for row in rows if row.mode != "verbatim"])
        lost = [row.id for row in again if row.about not in reopened]
        _close(conn, ctx, lost, "superseded", "a newer write to the same object exists; nothing was written")
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
        inbound.land_records(ctx, stream, records, counts, started_at=ctx.store.clock.now(), again=True)


def _stored(ctx: Context, stream: Stream) -> Iterator[list[SourceRecord]]:
    after = ""
    query = select(object_).where(object_.c.connection == stream.connection, object_.c.resource == stream.resource)
    while True:
        with ctx.store.read() as conn:
            page = conn.execute(
                query.where(object_.c.id > after, object_.c.version.is_not(None)).order_by(object_.c.id).limit(_BATCH)
            ).all()
            raws = {
                row.trace_id: row
                for row in bulk.select_in(
                    conn, version, "trace_id", [row.version for row in page], ["trace_id", "raw", "deleted"]
                )
            }
        if not page:
            return
        after = page[-1].id
        yield [
            SourceRecord(
                row.vendor_id,
                ctx.store.open(version, row.version, raws[row.version].raw),
                row.source_at,
                bool(row.deleted),
            )
            for row in page
            if row.version in raws and raws[row.version].raw is not None
        ]


def seed(ctx: Context, sync: Sync, entity: str | None = None) -> int:
    """Mark every golden record of a sync's entities dirty: a new route fills itself, an existing one writes what differs."""
    entities = {route.entity for route in sync.routes}
    if entity is not None and entity not in entities:
        raise BadSetting(f"sync {sync.name} routes no '{entity}'; it routes: {', '.join(sorted(entities))}")
    marked = 0
    for each in [entity] if entity else sorted(entities):
        after = ""
        while True:
            query = select(golden.c.id, golden.c.trace_id).where(
                golden.c.entity == each, golden.c.id > after, golden.c.merged_into.is_(None)
            )
            with ctx.store.write("seed") as conn:
                rows = conn.execute(query.order_by(golden.c.id).limit(5000)).all()
                if not rows:
                    break
                marks = mark_rows(ctx, {row.id: (each, "seed", row.trace_id) for row in rows})
                bulk.upsert(conn, dirty, [mark for mark in marks if mark["sync"] == sync.name])
            after = rows[-1].id
            marked += len(rows)
    return marked
