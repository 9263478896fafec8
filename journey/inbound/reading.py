"""The inbound half: read page ─ hash ─ map ─ echo ─ resolve and merge ─ land with the checkpoint.

Everything up to the landing is pure and cheap to repeat; the landing is one short transaction a batch. A race with
another worker is noticed there, and the batch is computed again from what is stored now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from connectors.base import Deletes
from journey.context import Context
from journey.counts import Counts, Inbound, add
from journey.inbound import checkpoints, sweeping
from journey.inbound.classifying import Arrival, classify
from journey.inbound.landing import Batch
from journey.inbound.shapes import Shape, sound
from journey.inbound.sighting import Sighting
from journey.inbound.sorting import land_news
from journey.syncs import Stream
from kernel.errors import RetryAt
from kernel.leases import hold
from kernel.log import get
from kernel.records import Page, SourceRecord
from kernel.store import again_on_race
from mappings import Mapping

BATCH = 1000
"""Records landed in one transaction; ten pages of a usual vendor."""

WHOLE = "whole"
"""The backfill that reads a stream from zero to its end."""

UNSOUND = "not all of this read is accounted for; what it may not show any more was not looked for"

log = get(__name__)
Progress = Callable[[Stream, Inbound], None]


def read_stream(
    ctx: Context,
    stream: Stream,
    counts: Counts,
    *,
    window: tuple[int, int] | None = None,
    whole: bool = False,
    progress: Progress | None = None,
) -> None:
    """Read a stream from its checkpoint to its end, landing batch by batch; or a backfill: its window, or all of it (`whole`)."""
    connector = ctx.connections.open(stream.connection)
    declared = ctx.declared(stream.connection, stream.resource)
    backfill = f"{window[0]}..{window[1]}" if window else WHOLE if whole and declared.incremental else ""
    complete, sweeps = backfill == WHOLE or not (declared.incremental or window), declared.deletes is Deletes.SWEEP
    with hold(ctx.store, f"stream:{stream}:{backfill}") as lease:
        if sweeps:
            sweeping.carry_out(ctx, stream, counts, lease.renew)
        since = checkpoints.load(ctx.store, stream, backfill)
        sight = Sighting.begin(ctx, stream, backfill, since) if sweeps and complete else None
        read, ended = 0, False
        shape = Shape.load(ctx.store, stream, ctx.mapping(stream.connection, stream.resource))
        for page in _batches(sound(connector, stream, connector.read(stream.resource, since, window=window))):
            lease.renew()
            shape.look(page.records, counts)
            before, row = Inbound(), checkpoints.row(ctx, stream, backfill, page, complete=complete)
            _land_page(ctx, stream, page, before, counts, row, sight=sight)
            add(counts.inbound, before)
            read, ended = read + len(page.records), page.last
            if progress:
                progress(stream, counts.inbound)
        shape.save(ctx.store)
        if sight is not None and ended and sight.sound:
            sweeping.finish(ctx, sight, counts, lease.renew)
            return
        if sight is not None:
            counts.warn(f"{stream}: {UNSOUND}")
        if complete and since is None:  # else it began in the middle
            checkpoints.notice_shrinking(ctx, stream, read, counts)


def land_records(
    ctx: Context,
    stream: Stream,
    records: Sequence[SourceRecord],
    counts: Counts,
    *,
    started_at: int,
    how: Arrival = Arrival.READ,
) -> list[str]:
    """Land records that did not come from a stream's read: a webhook's, a replay's, a remap's.

    Returns the vendor ids of pushed versions that only the vendor can put in order: they are to be fetched and landed.
    """
    ties: list[str] = []
    for start in range(0, len(records), BATCH):
        page = Page(list(records[start : start + BATCH]), {}, started_at)
        before = Inbound()
        ties += _land_page(ctx, stream, page, before, counts, None, how)
        add(counts.inbound, before)
    return ties


def _batches(pages: Iterable[Page]) -> Iterator[Page]:
    """Pages put together to batches; the cursor is the newest page's, the start the oldest page's.

    A page without records that is not the last says where to go on from (a vendor's job was begun): it is kept at once.
    Where the budget is spent in between, what was read with it is not given away.
    """
    gathered: Page | None = None
    spent: RetryAt | None = None
    try:
        for page in pages:
            if gathered is None:
                gathered = page
            else:
                gathered = Page(gathered.records + page.records, page.cursor, gathered.started_at, page.last)
            if len(gathered.records) >= BATCH or not (page.records or page.last):
                yield gathered
                gathered = None
    except RetryAt as error:
        spent = error
    if gathered is not None:
        yield gathered
    if spent is not None:
        raise spent


def _land_page(
    ctx: Context,
    stream: Stream,
    page: Page,
    into: Inbound,
    counts: Counts,
    checkpoint: dict[str, Any] | None,
    how: Arrival = Arrival.READ,
    sight: Sighting | None = None,
) -> list[str]:
    def once() -> tuple[Inbound, Counts, list[str]]:
        tally, warnings = Inbound(), Counts()
        ties = _land_once(ctx, stream, page, tally, warnings, checkpoint, how, sight)
        return tally, warnings, ties

    tally, warnings, ties = again_on_race(ctx.store.clock, str(stream), once)
    tally.check()
    add(into, tally)
    if sight is not None:
        sight.landed()
    for what, times in warnings.warnings.items():
        counts.warn(what, times)
    return ties


def _land_once(
    ctx: Context,
    stream: Stream,
    page: Page,
    tally: Inbound,
    warnings: Counts,
    checkpoint: dict[str, Any] | None,
    how: Arrival,
    sight: Sighting | None,
) -> list[str]:
    mapping = ctx.mapping(stream.connection, stream.resource)
    declared = ctx.declared(stream.connection, stream.resource)
    named = _identified(mapping, page)
    classified = classify(ctx.store, stream, declared, page.records, tally, how)
    batch = Batch(stream, replayed=how is Arrival.AGAIN)
    batch.touched = [
        {
            "source_at": t.source_at,
            "id": t.object_id,
            "was_version": t.known.version,
            "was_source_at": t.known.source_at,
        }
        for t in classified.touched
        if t.source_at != page.started_at  # else it is our own stamp, for the vendor has none
    ]
    also = None
    if sight is not None and checkpoint is not None:
        checkpoint, also = checkpoint | {"seen": sight.look(classified.seen, sound=named)}, sight.write
    started = page.started_at
    land_news(ctx, batch, classified.news, tally, warnings, started_at=started, checkpoint=checkpoint, also=also)
    return classified.ties


def _identified(mapping: Mapping, page: Page) -> bool:
    """Give records the id and time that the mapping states, where it does (generic sources). Whether each has its own id.

    Where the vendor gives versions no time, they are ordered by when they were seen: at the start of the read.
    """
    named = True
    for record in page.records:
        if record.fault:
            named = False
        elif not record.deleted and mapping.identifies:
            if (stated := mapping.identify(record.raw)) is not None:
                record.id, record.updated_at = stated
            else:
                named = False
        if record.updated_at is None and page.started_at:
            record.updated_at = page.started_at
    return named
