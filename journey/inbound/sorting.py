"""What becomes of news: each version is parked, filtered or landed, and a batch of them is written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from dead_letter.parking import Letter
from journey.context import Context
from journey.counts import Counts, Inbound
from journey.inbound import enriching
from journey.inbound.classifying import News
from journey.inbound.landing import Batch, land, object_row, version_row
from journey.inbound.surroundings import Surroundings
from kernel.errors import Park
from mappings import Drawn, Mapping


def land_news(
    ctx: Context,
    batch: Batch,
    news: Sequence[News],
    tally: Inbound,
    warnings: Counts,
    *,
    started_at: int,
    checkpoint: dict[str, Any] | None = None,
    also: Callable[[Connection], None] | None = None,
) -> None:
    """Map a batch of news, see what each of it is, and land it: with the checkpoint, and with what `also` writes."""
    stream = batch.stream
    mapping = ctx.mapping(stream.connection, stream.resource)
    alive = [item for item in news if not item.record.deleted and not item.record.fault]
    drawn = dict(
        zip(
            (item.object_id for item in alive),
            mapping.draw([item.record for item in alive], connection=stream.connection),
            strict=True,
        )
    )
    surroundings = Surroundings(ctx, stream, news, started_at)
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
    land(ctx, batch, checkpoint, also)


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
        batch.versions.append(version_row(ctx, item, "landed", mapping.revision, item.rule))
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
