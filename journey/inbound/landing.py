"""Landing one batch: everything it changes in the store, computed first and then written in one short transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection

from dead_letter import parking
from dead_letter.parking import Letter
from dedup import Verdict, anchored_id
from journey import bindings
from journey.context import Context
from journey.dirty import mark_rows
from journey.drafts import Member
from journey.inbound import linking
from journey.inbound.classifying import News
from journey.inbound.linking import Links
from journey.inbound.merging import Merged, merge
from journey.inbound.placing import Placement, place
from journey.syncs import Stream
from kernel.ids import derived_id, new_id
from kernel.store import Raced, bulk
from kernel.store.tables import checkpoint as checkpoint_table
from kernel.store.tables import decision, dirty, golden, link, match_key, member, object_, target_state, version


@dataclass(slots=True)
class Batch:
    """What one batch of news will become."""

    stream: Stream
    versions: list[dict[str, Any]] = field(default_factory=list)
    new_objects: list[dict[str, Any]] = field(default_factory=list)
    known_objects: list[dict[str, Any]] = field(default_factory=list)  # guarded by the version they were read with
    touched: list[dict[str, Any]] = field(default_factory=list)  # objects with a newer time and nothing else new
    members: list[Member] = field(default_factory=list)  # new, changed or withdrawn
    letters: list[Letter] = field(default_factory=list)
    replayed: bool = False  # asked for by a person, not read from the vendor
    cured: list[str] = field(default_factory=list)  # parked objects of which a version is good now
    parked_anew: list[str] = field(default_factory=list)  # parked objects of which another version is parked
    states: list[dict[str, Any]] = field(default_factory=list)  # target states as the read showed them
    bound: dict[str, str] = field(default_factory=dict)  # object id -> golden id of its binding
    learned: list[dict[str, Any]] = field(default_factory=list)  # bindings whose object was known by our key only
    exits: set[str] = field(default_factory=set)  # objects that a filter now keeps out
    vanished: list[str] = field(default_factory=list)  # bound objects that the vendor says are gone
    reviewed: list[Member] = field(default_factory=list)  # stored members that a person's verdicts place anew
    verdicts: list[Verdict] = field(default_factory=list)  # those verdicts, and what our keys on objects prove
    named: list[Verdict] = field(default_factory=list)  # what a source says of a golden record by its id; kept for ever


@dataclass(slots=True)
class _Writes:
    """Computed outside the transaction, written inside it."""

    placements: list[Placement] = field(default_factory=list)
    merged: Merged = field(default_factory=Merged)
    links: list[Links] = field(default_factory=list)
    moves: Links = field(default_factory=Links)
    seats: bindings.Moves = field(default_factory=bindings.Moves)
    members: dict[str, Member] = field(default_factory=dict)
    member_rows: list[dict[str, Any]] = field(default_factory=list)
    letters: list[dict[str, Any]] = field(default_factory=list)
    dirty: list[dict[str, Any]] = field(default_factory=list)


def object_row(stream: Stream, news: News, **values: Any) -> dict[str, Any]:
    """The row of an object first seen now."""
    row = {
        "id": news.object_id,
        "connection": stream.connection,
        "resource": stream.resource,
        "vendor_id": news.record.id,
        "source_at": news.record.updated_at,
        "landed_hash": None,
        "parked_hash": None,
        "version": None,
        "deleted": int(news.record.deleted),
    }
    return row | values


def version_row(ctx: Context, news: News, state: str, mapping: str, rule: str | None = None) -> dict[str, Any]:
    """The row of a version, its raw payload sealed."""
    return {
        "trace_id": news.trace_id,
        "object_id": news.object_id,
        "run_id": ctx.run_id,
        "content_hash": news.hash,
        "state": state,
        "rule": rule,
        "source_at": news.record.updated_at,
        "read_at": ctx.store.clock.now(),
        "deleted": int(news.record.deleted),
        "mapping": mapping,
        "raw": ctx.store.seal(version, news.trace_id, news.record.raw),
    }


def land(
    ctx: Context,
    batch: Batch,
    checkpoint: dict[str, Any] | None,
    also: Callable[[Connection], None] | None = None,
) -> None:
    """Write the batch and, in the same transaction, the checkpoint and what `also` writes. Raises Raced where another worker was faster."""
    with ctx.store.read() as conn:
        writes = _compute(ctx, conn, batch)

    def work(conn: Connection) -> None:
        _write_objects(conn, batch)
        _write_golden(ctx, conn, writes)
        _write_rest(ctx, conn, batch, writes)
        if checkpoint is not None:
            bulk.upsert(conn, checkpoint_table, [checkpoint])
        if also is not None:
            also(conn)

    ctx.store.transact(work, "land")


def _compute(ctx: Context, conn: Connection, batch: Batch) -> _Writes:
    writes = _Writes()
    for entity in dict.fromkeys(each.entity for each in [*batch.members, *batch.reviewed]):
        drafts = [each for each in batch.members if each.entity == entity]
        placement = _placement(ctx, conn, entity, drafts, batch)
        vacated = {was for each, was in placement.before.items() if was and was != placement.members[each].golden_id}
        moved = [m for m in placement.members.values() if m.golden_id != placement.before[m.id]]
        touched = list({each.id: each for each in [*drafts, *moved]}.values())
        merged = merge(ctx, conn, entity, touched, vacated, placement.component)
        _exits(batch, drafts, merged)
        writes.placements.append(placement)
        writes.members |= {each.id: each for each in touched}
        writes.merged.new += merged.new
        writes.merged.changed += merged.changed
        writes.merged.dirty |= merged.dirty
    every = {m.id: m for placement in writes.placements for m in placement.members.values()}
    before = {key: was for placement in writes.placements for key, was in placement.before.items()}
    here = cache(partial(linking.ends, every.values()))
    active = [each for each in batch.members if each.active]
    writes.links.append(linking.draw(ctx.store, conn, active, before, here))
    writes.moves = linking.follow(conn, every, before, here)
    writes.seats = bindings.follow(conn, every, before)
    writes.member_rows = [each.row(ctx.store) for each in writes.members.values()]
    writes.letters = parking.rows(ctx.store, ctx.run_id, batch.letters)
    writes.dirty = _dirty_rows(ctx, conn, batch, writes)
    return writes


def _placement(ctx: Context, conn: Connection, entity: str, drafts: list[Member], batch: Batch) -> Placement:
    if entity in ctx.pins.rules.entities:
        reviewed = [each for each in batch.reviewed if each.entity == entity]
        return place(ctx, conn, entity, [*drafts, *reviewed], batch.bound, batch.verdicts)
    placement = Placement({d.id: d for d in drafts}, {d.id: d.golden_id for d in drafts})
    for draft in drafts:  # transactions and events: the record is its object's, or the one we wrote that object from
        draft.golden_id = draft.golden_id or batch.bound.get(draft.object_id) or anchored_id(draft.id)
        placement.component[draft.golden_id] = draft.golden_id
    return placement


def _exits(batch: Batch, drafts: list[Member], merged: Merged) -> None:
    for draft in drafts:
        known = merged.dirty.get(draft.golden_id or "")
        if draft.object_id in batch.exits and known is not None:
            merged.dirty[str(draft.golden_id)] = (known[0], "filter_exit", known[2])


def _dirty_rows(ctx: Context, conn: Connection, batch: Batch, writes: _Writes) -> list[dict[str, Any]]:
    marks = dict(writes.merged.dirty)
    touched = set(writes.moves.touched) | set(writes.seats.touched)
    for links in writes.links:
        touched |= links.touched
    touched |= {batch.bound[object_id] for object_id in batch.vanished if object_id in batch.bound}
    unnamed = [golden_id for golden_id in touched if golden_id not in marks]
    known = {row["id"]: row["entity"] for row in writes.merged.new}
    known |= {row.id: row.entity for row in bulk.select_in(conn, golden, "id", unnamed, ["id", "entity"])}
    newest = batch.versions[-1]["trace_id"] if batch.versions else new_id()
    for golden_id in unnamed:
        if golden_id in known:
            marks[golden_id] = (known[golden_id], "link", newest)
    return mark_rows(ctx, marks)


_AS_READ = ["id", "was_version", "was_source_at", "was_parked_hash"]


def _write_objects(conn: Connection, batch: Batch) -> None:
    fresh = bulk.insert_new(conn, object_, batch.new_objects) == len(batch.new_objects)
    if not fresh or bulk.update(conn, object_, batch.known_objects, _AS_READ) != len(batch.known_objects):
        raise Raced("another worker landed one of these objects", cause="raced")
    over = [
        {"state": "superseded", "object_id": each, "was_state": "parked"} for each in (*batch.cured, *batch.parked_anew)
    ]
    bulk.update(conn, version, over, ["object_id", "was_state"])
    bulk.update(conn, object_, batch.touched, ["id", "was_version", "was_source_at"])
    bulk.insert(conn, version, batch.versions)


def _write_golden(ctx: Context, conn: Connection, writes: _Writes) -> None:
    merged = writes.merged
    if bulk.insert_new(conn, golden, merged.new) != len(merged.new) or bulk.update(
        conn, golden, merged.changed, ["id", "was_version"]
    ) != len(merged.changed):
        raise Raced("another worker changed one of these golden records", cause="raced")
    for placement in writes.placements:
        _write_placement(ctx, conn, placement)


def _write_placement(ctx: Context, conn: Connection, placement: Placement) -> None:
    now = ctx.store.clock.now()
    entities = {each.entity for each in placement.members.values()}
    for entity in entities:
        keys = sorted(placement.new_keys.items(), key=lambda one: one[0][1])  # by hash: each page is touched once
        rows = [{"entity": entity, "kind": k[0], "hash": k[1], "component": c, "seen": 1} for k, c in keys]
        if bulk.insert_new(conn, match_key, rows) != len(rows):
            raise Raced("another worker met one of these keys first", cause="raced")
    moved = [{"component": new, "was_component": old} for old, new in placement.moved_components.items()]
    bulk.update(conn, golden, moved, ["was_component"])
    rows = [{"component": c, "hash": k[1], "kind": k[0]} for k, c in sorted(placement.moved_keys.items())]
    bulk.update(conn, match_key, rows, ["hash", "kind"])
    rows = [
        {"seen": 1_000_000 if key in placement.hot else more, "hash": key[1], "kind": key[0]}
        for key, more in sorted(placement.seen_keys.items())
    ]
    bulk.add(conn, match_key, rows, ["hash", "kind"])
    forwards = [
        {"merged_into": new, "gone": 1, "updated_at": now, "id": old} for old, new in placement.forwards.items()
    ]
    bulk.update(conn, golden, forwards, ["id"])
    decisions = [(old, new, "merged", placement.why) for old, new in placement.forwards.items()]
    decisions += [(a, b, "refused", why) for a, b, why in placement.refused]
    rows = [_decision(entity, kind, a, b, why, now) for entity in entities for a, b, kind, why in decisions]
    bulk.insert_new(conn, decision, rows)


def _naming(members: list[Member], verdict: Verdict, now: int) -> dict[str, Any]:
    entity = next(each.entity for each in members if each.id == verdict.b)
    row = _decision(entity, str(verdict.ruling), verdict.a, verdict.b, "the source names the golden record", now)
    return {**row, "id": derived_id("decision", "named", verdict.a, verdict.b)}


def _decision(entity: str, kind: str, a: str, b: str, why: str, now: int) -> dict[str, Any]:
    key = derived_id("decision", kind, a, b, why) if kind == "refused" else new_id()
    return {
        "id": key,
        "entity": entity,
        "kind": kind,
        "a": a,
        "b": b,
        "by": "throughline",
        "why": why,
        "at": now,
        "active": 1,
    }


def _write_rest(ctx: Context, conn: Connection, batch: Batch, writes: _Writes) -> None:
    bulk.upsert(conn, member, writes.member_rows)
    bulk.update(conn, link, writes.moves.rows, ["id"])
    for links in [*writes.links, writes.moves]:
        bulk.update(conn, link, links.resolved, ["id"])
        bulk.delete(conn, link, links.dropped)
    for links in writes.links:
        bulk.upsert(conn, link, links.rows)
    bindings.write(conn, ctx.run_id, writes.seats)
    bindings.learn(conn, batch.learned)
    bulk.upsert(conn, target_state, batch.states)
    now = ctx.store.clock.now()
    bulk.insert_new(conn, decision, [_naming(batch.members, verdict, now) for verdict in batch.named])
    cured = ("resolved", "replayed") if batch.replayed else ("superseded", "a newer version landed")
    parking.close_objects(conn, batch.cured, *cured, now)
    parking.close_objects(conn, batch.parked_anew, "superseded", "failed again", now)
    parking.park(conn, writes.letters)
    bulk.upsert(conn, dirty, writes.dirty)
