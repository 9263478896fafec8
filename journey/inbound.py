"""The inbound half: read page ─ hash ─ map ─ echo ─ resolve and merge ─ land with the checkpoint.

Everything up to the landing is pure and cheap to repeat; the landing is one short transaction a batch. A race with
another worker is noticed there, and the batch is computed again from what is stored now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from dead_letter.parking import Letter
from journey import bindings, checkpoints, echo
from journey.classifying import News, classify
from journey.context import Context
from journey.counts import Counts, Inbound, add
from journey.drafts import COLUMNS, KeyHash, Member, from_row, member_id, succeed
from journey.landing import Batch, land, object_row, version_row
from journey.syncs import Stream
from kernel.errors import Park
from kernel.leases import hold
from kernel.log import get
from kernel.records import Page, SourceRecord
from kernel.store import again_on_race, bulk
from kernel.store.tables import binding, member, target_state
from mappings import Drawn, Mapping, Part

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
        for page in _batches(connector.read(stream.resource, since, window=window)):
            lease.renew()
            before = Inbound()
            _land_page(ctx, stream, page, before, counts, checkpoints.row(ctx, stream, backfill, page, declared))
            add(counts.inbound, before)
            read += len(page.records)
            if progress:
                progress(stream, counts.inbound)
        if not declared.incremental:
            checkpoints.notice_shrinking(ctx.store, stream, read, counts)


def land_records(
    ctx: Context,
    stream: Stream,
    records: Sequence[SourceRecord],
    counts: Counts,
    *,
    started_at: int,
    again: bool = False,
) -> None:
    """Land records that did not come from a read: a webhook's, a replay's, a remap's (`again`: even when unchanged)."""
    for start in range(0, len(records), BATCH):
        page = Page(list(records[start : start + BATCH]), {}, started_at)
        before = Inbound()
        _land_page(ctx, stream, page, before, counts, None, again=again)
        add(counts.inbound, before)


def _batches(pages: Iterable[Page]) -> Iterator[Page]:
    """Pages put together to batches; the cursor is the newest page's, the start the oldest page's."""
    gathered: Page | None = None
    for page in pages:
        if gathered is None:
            gathered = page
        else:
            gathered = Page(gathered.records + page.records, page.cursor, gathered.started_at, page.last)
        if len(gathered.records) >= BATCH:
            yield gathered
            gathered = None
    if gathered is not None:
        yield gathered


def _land_page(
    ctx: Context,
    stream: Stream,
    page: Page,
    into: Inbound,
    counts: Counts,
    checkpoint: dict[str, Any] | None,
    again: bool = False,
) -> None:
    def once() -> tuple[Inbound, Counts]:
        tally, warnings = Inbound(), Counts()
        _land_once(ctx, stream, page, tally, warnings, checkpoint, again)
        return tally, warnings

    tally, warnings = again_on_race(ctx.store.clock, str(stream), once)
    tally.check()
    add(into, tally)
    for what, times in warnings.warnings.items():
        counts.warn(what, times)


def _land_once(
    ctx: Context,
    stream: Stream,
    page: Page,
    tally: Inbound,
    warnings: Counts,
    checkpoint: dict[str, Any] | None,
    again: bool,
) -> None:
    mapping = ctx.mapping(stream.connection, stream.resource)
    declared = ctx.declared(stream.connection, stream.resource)
    news, confirmed = classify(ctx.store, stream, declared, _identified(mapping, page), tally, again=again)
    alive = [item for item in news if not item.record.deleted and not item.record.fault]
    drawn = dict(
        zip(
            (item.object_id for item in alive),
            mapping.draw([item.record for item in alive], connection=stream.connection),
            strict=True,
        )
    )
    batch = Batch(stream, replayed=again, confirmed=confirmed)
    surroundings = _Surroundings(ctx, stream, news, page.started_at)
    arrival = ctx.store.clock.now()
    for n, item in enumerate(news):
        _sort(ctx, batch, item, drawn.get(item.object_id), mapping, surroundings, arrival + n, tally, warnings)
    batch.bound = surroundings.bound
    land(ctx, batch, checkpoint)


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
    around: _Surroundings,
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


class _Surroundings:
    """What is stored around a batch of news: earlier members, and for objects of a target their bindings and target states."""

    def __init__(self, ctx: Context, stream: Stream, news: Sequence[News], started_at: int) -> None:
        """Three bulk look-ups at most; none for objects never seen in a stream that nothing writes to."""
        self.ctx, self.stream, self.started_at = ctx, stream, started_at
        self.mapping = ctx.mapping(stream.connection, stream.resource)
        known = [item.object_id for item in news if item.known is not None]
        self._old: dict[str, list[Member]] = {}
        self.bound: dict[str, str] = {}
        self._bindings: dict[str, Any] = {}
        self._states: dict[str, Any] = {}
        self._new_states: dict[str, dict[str, Any]] = {}
        with ctx.store.read() as conn:
            for row in bulk.select_in(conn, member, "object_id", known, COLUMNS):
                self._old.setdefault(row.object_id, []).append(from_row(ctx.store, row))
            if (stream.connection, stream.resource) in ctx.pins.targets:
                for row in bulk.select_in(
                    conn, binding, "object_id", [item.object_id for item in news], bindings.COLUMNS
                ):
                    self._bindings[row.object_id] = row
                    self.bound[row.object_id] = row.golden_id
                ids = [row.id for row in self._bindings.values()]
                columns = ["binding_id", "updated_at", "present", "fields"]
                self._states = {
                    row.binding_id: row for row in bulk.select_in(conn, target_state, "binding_id", ids, columns)
                }

    def members(self, item: News, parts: Sequence[Part], arrival: int) -> list[Member]:
        """The object's members after this version: drawn ones, and withdrawn ones that it no longer holds."""
        old = {each.id: each for each in self._old.get(item.object_id, [])}
        found = [self._member(item, part, old, arrival) for part in parts]
        drawn = {each.id for each in found}
        for each in old.values():
            if each.id not in drawn and each.active:
                each.active, each.version = False, item.trace_id
                found.append(each)
        return found

    def state(self, item: News) -> dict[str, Any] | None:
        """The target state that this read showed, to be written with the landing."""
        bound = self._bindings.get(item.object_id)
        if bound is None:
            return None
        if item.record.deleted:
            row = self._states.get(bound.id)
            fields = self.ctx.store.open(target_state, bound.id, row.fields) if row is not None else {}
            return self._state_row(bound.id, fields, present=False)
        return self._new_states.get(item.object_id)

    def _member(self, item: News, part: Part, old: dict[str, Member], arrival: int) -> Member:
        ours = self._echo(item, part.entity)
        new = Member(
            id=member_id(item.object_id, part),
            object_id=item.object_id,
            part=part.name,
            entity=part.entity,
            connection=self.stream.connection,
            resource=self.stream.resource,
            version=item.trace_id,
            arrival=arrival,
            active=True,
            keys=(),
            data=part.data,
            at={},
            refs=part.refs,
        )
        succeed(new, old.get(new.id), item.record.updated_at or arrival, ours)
        new.keys = self._keys(new)
        return new

    def _keys(self, new: Member) -> tuple[KeyHash, ...]:
        rules = self.ctx.pins.rules
        if new.entity not in rules.entities:
            return ()
        own = {name: value for name, value in new.data.items() if name not in new.ours} if new.ours else new.data
        entity, hashed = new.entity, self.ctx.store.vault.keyed_hash
        return tuple(
            [(kind, hashed(f"{entity}:{kind}", value)) for kind, value in rules.for_entity(entity).linking(own)]
        )

    def _echo(self, item: News, entity: str) -> frozenset[str] | None:
        bound = self._bindings.get(item.object_id)
        part = self.mapping.target_part(entity) if bound is not None else None
        if bound is None or part is None:
            return None
        row = self._states.get(bound.id)
        state = self.ctx.store.open(target_state, bound.id, row.fields) if row is not None else {}
        fields, ours = echo.after_read(
            state, part, item.record.raw, read_before_write=row is not None and self.started_at < row.updated_at
        )
        self._new_states[item.object_id] = self._state_row(bound.id, fields, present=True)
        return ours

    def _state_row(self, binding_id: str, fields: dict[str, Any], present: bool) -> dict[str, Any]:
        return {
            "binding_id": binding_id,
            "updated_at": self.ctx.store.clock.now(),
            "present": int(present),
            "fields": self.ctx.store.seal(target_state, binding_id, fields),
        }
