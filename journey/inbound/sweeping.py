"""The sweep: objects that a complete read no longer shows are deleted, as if their vendor had told it.

Only where the connector declares that nothing else tells (`Deletes.SWEEP`), and only after a read from zero to the vendor's
real end of which every batch is known. A read that shows nothing, that held a row nobody could read, or that may not show
everything deletes nothing; what changed since the read began is left alone; and the vendor is asked for each object by id
before it is taken as gone, for lists move while they are read. Too many at once wait for a person, who releases exactly
that set: the next read of the stream carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from journey.context import Context
from journey.counts import Counts, Inbound, add
from journey.inbound import checkpoints, sighting
from journey.inbound.classifying import Hasher, Known, News
from journey.inbound.landing import Batch
from journey.inbound.sighting import Sighting
from journey.inbound.sorting import land_news
from journey.syncs import Stream
from kernel.approvals import OPEN, Answer
from kernel.clock import SECOND
from kernel.ids import content_hash, new_id
from kernel.records import SourceRecord
from kernel.store import again_on_race, bulk
from kernel.store.tables import object_, version

BATCH = 500
"""Objects asked for, and landed, at once."""

UNSHOWN = "no longer shown by a complete read"
"""What the deleted version says of itself."""

Renew = Callable[[], None]


@dataclass(slots=True)
class Missing:
    """What a complete read did not show: object ids in order, of how many that were there, and when the read began."""

    ids: list[str] = field(default_factory=list)
    known: int = 0
    began: int = 0


def finish(ctx: Context, sight: Sighting, counts: Counts, renew: Renew) -> None:
    """A complete read has come to its end: delete what it no longer shows, or ask a person whether to."""
    stream = sight.stream
    carry_out(ctx, stream, counts, renew)
    with ctx.store.read() as conn:
        shown = sight.shown(conn)
        missing = Missing(*sighting.unseen(conn, stream, shown), sight.began)
    read = len(shown)
    if missing.known and not read:
        counts.warn(f"{stream}: a complete read showed nothing at all; nothing was deleted")
    missing.ids = _unchanged(ctx, stream, missing) if read else []
    if missing.ids and (held_back := ctx.connections.open(stream.connection).holds_back(stream.resource)):
        counts.warn(f"{stream}: {held_back}; nothing was deleted that a complete read does not show", len(missing.ids))
        missing.ids = []
    if _may(ctx, stream, read, missing, counts):
        _delete(ctx, stream, missing.ids, missing.began, counts, renew)
    with ctx.store.write("swept") as conn:
        sighting.drop(conn, stream, sight.read)


def carry_out(ctx: Context, stream: Stream, counts: Counts, renew: Renew) -> None:
    """Delete what people released since; forget what was refused or overtaken."""
    for question, state in sighting.questions(ctx.store, stream).items():
        if state in OPEN:
            continue
        if state == Answer.RELEASED:
            with ctx.store.read() as conn:
                ids, began = sighting.kept(conn, stream, question)
            _delete(ctx, stream, ids, began, counts, renew)
        with ctx.store.write("swept") as conn:
            sighting.drop(conn, stream, question)


def _may(ctx: Context, stream: Stream, read: int, missing: Missing, counts: Counts) -> bool:
    """Whether what is missing may be deleted unasked; else the question is asked, and what it is about is kept."""
    share, limits = checkpoints.strictest(ctx, stream)
    much = len(missing.ids) > (1 - share) * missing.known
    much |= any(limit.exceeded(len(missing.ids), missing.known) for limit in limits)
    if not missing.ids:
        return checkpoints.notice_shrinking(ctx, stream, read, counts)
    return checkpoints.notice_shrinking(
        ctx,
        stream,
        read,
        counts,
        much=much,
        facts={"missing": len(missing.ids), "known": missing.known},
        mark=content_hash([str(stream), *missing.ids]),
        keep=lambda conn, question: sighting.keep(conn, stream, question, missing.ids, missing.began),
    )


def _unchanged(ctx: Context, stream: Stream, missing: Missing) -> list[str]:
    """Less what a webhook or another read landed since the read began, or so shortly before that lists may not know it yet."""
    declared = ctx.declared(stream.connection, stream.resource)
    late = int((declared.safety_lag + declared.lookback).total_seconds() * SECOND)
    found: list[str] = []
    for start in range(0, len(missing.ids), BATCH):
        found += _as_known(ctx, missing.ids[start : start + BATCH], missing.began - late)
    return sorted(found)


def _as_known(ctx: Context, ids: Sequence[str], since: int) -> dict[str, tuple[str, Known]]:
    """Of some objects those that are there and did not change since an instant: vendor id, and all as it is guarded by."""
    columns = ["id", "vendor_id", "source_at", "landed_hash", "parked_hash", "version", "deleted"]
    with ctx.store.read() as conn:
        rows = bulk.select_in(conn, object_, "id", ids, columns)
        newer = bulk.select_in(conn, version, "object_id", ids, ["object_id"], f"AND t.read_at >= {int(since)}")
    changed = {row.object_id for row in newer}
    return {
        row.id: (row.vendor_id, Known(row.source_at, row.landed_hash, row.parked_hash, row.version, deleted=False))
        for row in rows
        if not row.deleted and row.version and row.id not in changed and (row.source_at or 0) < since
    }


def _delete(ctx: Context, stream: Stream, ids: Sequence[str], began: int, counts: Counts, renew: Renew) -> None:
    connector, there = ctx.connections.open(stream.connection), 0
    for start in range(0, len(ids), BATCH):
        renew()
        known = _as_known(ctx, ids[start : start + BATCH], began)
        asked = {vendor_id: object_id for object_id, (vendor_id, _) in known.items()}
        found = connector.fetch(stream.resource, list(asked)) if asked else []
        gone = {each.id for each in found if each.deleted} - {each.id for each in found if not each.deleted}
        there += len(asked.keys() - gone)
        _land(ctx, stream, [asked[each] for each in asked if each in gone], began, counts)
    if there:
        counts.warn(f"{stream}: not shown by a complete read, and there all the same when asked for by id", there)


def _land(ctx: Context, stream: Stream, ids: Collection[str], began: int, counts: Counts) -> None:
    """Land the deletions. What changes at this moment is looked at again, and then left alone."""
    declared = ctx.declared(stream.connection, stream.resource)
    hashed = Hasher(declared.volatile)

    def once() -> tuple[Inbound, Counts]:
        tally, warnings = Inbound(), Counts()
        news = []
        for object_id, (vendor_id, known) in _as_known(ctx, list(ids), began).items():
            # at the time of what was landed: shown again unchanged, it must not look older than its own deletion
            record = SourceRecord(vendor_id, {"id": vendor_id}, known.source_at, deleted=True)
            news.append(News(record, object_id, hashed(record), new_id(), known, UNSHOWN))
        tally.read += len(news)
        if news:
            land_news(ctx, Batch(stream), news, tally, warnings, started_at=ctx.store.clock.now())
        return tally, warnings

    tally, warnings = again_on_race(ctx.store.clock, str(stream), once)
    tally.check()
    add(counts.inbound, tally)
    if tally.landed:
        counts.warn(f"{stream}: {UNSHOWN}, and deleted", tally.landed)
    for what, times in warnings.warnings.items():
        counts.warn(what, times)
