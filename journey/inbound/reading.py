"""The inbound half: read page ─ hash ─ map ─ echo ─ resolve and merge ─ land with the checkpoint.

Everything up to the landing is pure and cheap to repeat; the landing is one short transaction a batch. A race with
another worker is noticed there, and the batch is computed again from what is stored now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dead_letter.parking import Letter
from journey.context import Context
from journey.counts import Counts, Inbound, add
from journey.inbound import checkpoints, enriching
from journey.inbound.classifying import Arrival, News, classify
from journey.inbound.landing import Batch, land, object_row, version_row
from journey.inbound.shapes import Shape, sound
from journey.inbound.surroundings import Surroundings
from journey.syncs import Stream
from kernel.errors import Park, RetryAt
from kernel.leases import hold
from kernel.log import get
from kernel.records import Page, SourceRecord
from kernel.store import again_on_race
from mappings import Drawn, Mapping

BATCH = 1000
"""Records landed in one transaction; ten pages of a usual vendor."""

log = get(__name__)
Progress = Callable[[Stream, Inbound], None]


def read_stream(
    ctx: Context,
    stream: Stream,
    counts: Counts,
    *,
    window: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> None:
    """Read a stream from its checkpoint to its end (or a backfill's window), landing batch by batch."""
    connector = ctx.connections.open(stream.connection)
    declared = ctx.declared(stream.connection, stream.resource)
    backfill = f"{window[0]}..{window[1]}" if window else ""
    with hold(ctx.store, f"stream:{stream}:{backfill}") as lease:
        since = checkpoints.load(ctx.store, stream, backfill)
        read = 0
        shape = Shape.load(ctx.store, stream, ctx.mapping(stream.connection, stream.resource))
        for page in _batches(sound(connector, stream, connector.read(stream.resource, since, window=window))):
            lease.renew()
            shape.look(page.records, counts)
            before = Inbound()
            _land_page(ctx, stream, page, before, counts, checkpoints.row(ctx, stream, backfill, page, declared))
            add(counts.inbound, before)
            read += len(page.records)
            if progress:
                progress(stream, counts.inbound)
        shape.save(ctx.store)
        if not declared.incremental and since is None and not backfill:  # else it began in the middle
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
) -> list[str]:
    def once() -> tuple[Inbound, Counts, list[str]]:
        tally, warnings = Inbound(), Counts()
        ties = _land_once(ctx, stream, page, tally, warnings, checkpoint, how)
        return tally, warnings, ties

    tally, warnings, ties = again_on_race(ctx.store.clock, str(stream), once)
    tally.check()
    add(into, tally)
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
) -> list[str]:
    mapping = ctx.mapping(stream.connection, stream.resource)
    declared = ctx.declared(stream.connection, stream.resource)
    classified = classify(ctx.store, stream, declared, _identified(mapping, page), tally, how)
    news = classified.news
    alive = [item for item in news if not item.record.deleted and not item.record.fault]
    drawn = dict(
        zip(
            (item.object_id for item in alive),
            mapping.draw([item.record for item in alive], connection=stream.connection),
            strict=True,
        )
    )
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
    surroundings = Surroundings(ctx, stream, news, page.started_at)
    arrival = ctx.store.clock.now()
    told_before: set[str] = set()
    if mapping.enriching:
        batch.named = enriching.match(ctx, stream, surroundings, news, drawn, arrival)
        told_before = enriching.told_before(ctx, news)
    for n, item in enumerate(news):
        found = drawn.get(item.object_id)
        if found is not None and found.filtered == enriching.UNMATCHED:
            warnings.warn(f"{stream} {enriching.UNMATCHED}")
            if item.object_id in told_before:
                tally.filtered += 1
                continue
        _sort(ctx, batch, item, found, mapping, surroundings, arrival + n, tally, warnings)
    batch.bound, batch.learned = surroundings.bound, surroundings.learned
    batch.verdicts = surroundings.verdicts
    land(ctx, batch, checkpoint)
    return classified.ties


def _identified(mapping: Mapping, page: Page) -> Sequence[SourceRecord]:
    """Records with the id and time that the mapping states, where it does (generic sources).

    Where the vendor gives versions no time, they are ordered by when they were seen: at the start of the read.
    """
    for record in page.records:
        if not record.deleted and not record.fault and (stated := mapping.identify(record.raw)) is not None:
            record.id, record.updated_at = stated
        if record.updated_at is None and page.started_at:
            record.updated_at = page.started_at
    return page.records


def _sort(
    ctx: Context,
    batch: Batch,
    item: News,
    drawn: Drawn | None,
    mapping: Mapping,
    around: Surroundings,
    arrival: int,
    tally: Inbound,
    warnings: Counts,
) -> None:
    """Put one piece of news where it belongs: parked, filtered or landed."""
    error = Park(item.record.fault, cause="bad_record") if item.record.fault else drawn.error if drawn else None
    if error is not None:
        tally.parked += 1
        _park(ctx, batch, item, error, mapping)
        return
    known = item.known
    values: dict[str, Any] = {"landed_hash": item.hash, "parked_hash": None, "version": item.trace_id}
    if drawn is not None and drawn.filtered is not None:
        tally.filtered += 1
        if drawn.filtered == enriching.UNMATCHED:
            values["landed_hash"] = None  # it is news again with every read: its golden record may come later
        batch.exits.add(item.object_id)
        batch.versions.append(version_row(ctx, item, "filtered", mapping.revision, drawn.filtered))
    else:
        tally.landed += 1
        batch.versions.append(version_row(ctx, item, "landed", mapping.revision))
    for warning in drawn.warnings if drawn else ():
        warnings.warn(f"{batch.stream} {warning.field} {warning.rule}")
    parts = drawn.parts if drawn is not None and drawn.filtered is None else []
    batch.members += around.members(item, parts, arrival)
    if known is None:
        batch.new_objects.append(object_row(batch.stream, item, **values))
    else:
        batch.known_objects.append(_object_change(item, values))
        if known.parked_hash:
            batch.cured.append(item.object_id)
    state = around.state(item)
    if state is not None:
        batch.states.append(state)
    if item.record.deleted:
        batch.vanished.append(item.object_id)


def _park(ctx: Context, batch: Batch, item: News, error: Park, mapping: Mapping) -> None:
    batch.versions.append(version_row(ctx, item, "parked", mapping.revision, error.cause))
    error.trace_id = item.trace_id
    batch.letters.append(
        Letter(
            kind="version",
            about=item.trace_id,
            trace_id=item.trace_id,
            object_id=item.object_id,
            connection=batch.stream.connection,
            resource=batch.stream.resource,
            stage="map",
            error=error,
            rule=error.cause,
            payload=item.record.raw,
            revision=mapping.revision,
        )
    )
    if item.known is None:
        batch.new_objects.append(object_row(batch.stream, item, parked_hash=item.hash))
    else:
        kept = {"landed_hash": item.known.landed_hash, "version": item.known.version, "parked_hash": item.hash}
        batch.known_objects.append(_object_change(item, kept))
        if item.known.parked_hash:
            batch.parked_anew.append(item.object_id)


def _object_change(item: News, values: dict[str, Any]) -> dict[str, Any]:
    assert item.known is not None
    return {
        **values,
        "source_at": item.record.updated_at or item.known.source_at,
        "deleted": int(item.record.deleted),
        "id": item.object_id,
        "was_version": item.known.version,
        "was_source_at": item.known.source_at,
        "was_parked_hash": item.known.parked_hash,
    }
