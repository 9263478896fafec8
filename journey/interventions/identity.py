"""Merge and unmerge by a person: a verdict in the decision log, and the touched records placed anew as inbound would.

Nothing is overwritten: members keep their data, bindings follow their anchors, and the next run of the syncs concerned
sends what differs. Taking a verdict back is another verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dedup import Ruling, Verdict, merging, unmerging
from journey.context import Context
from journey.drafts import COLUMNS, Member, from_row
from journey.inbound.landing import Batch, land
from journey.syncs import Stream
from kernel import audit
from kernel.errors import BadSetting, Stop
from kernel.ids import new_id
from kernel.store import Raced, bulk
from kernel.store.tables import binding, decision, dirty, golden, member

_TRIES = 6
_HERE = Stream("throughline", "identity")
Verdicts = Callable[[Sequence[Member], Sequence[Verdict], int], list[Verdict]]
"""Makes verdicts from the members, what people said about them so far, and the instant (their place in the log)."""


@dataclass(slots=True)
class Decided:
    """What a verdict did."""

    verdicts: int = 0
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)  # member -> (golden record before, now)
    golden: list[str] = field(default_factory=list)  # the records that hold the members now
    syncs: list[str] = field(default_factory=list)  # that have something to send because of it


def merge(ctx: Context, one: str, other: str, by: str, why: str) -> Decided:
    """Make two golden records one, whatever their keys say. The older one keeps its id."""
    entity = _same_entity(ctx, one, other)

    def verdicts(members: Sequence[Member], said: Sequence[Verdict], now: int) -> list[Verdict]:
        ours, theirs = ([m.id for m in members if m.golden_id == golden_id] for golden_id in (one, other))
        return merging(ours, theirs, said, now)

    return decide(ctx, entity, [one, other], verdicts, "merged", by, why)


def unmerge(ctx: Context, golden_id: str, leaving: Sequence[str], by: str, why: str) -> Decided:
    """Take members out of a golden record and keep them out; they get their former golden record back where they had one."""
    entity = _same_entity(ctx, golden_id)

    def verdicts(members: Sequence[Member], said: Sequence[Verdict], now: int) -> list[Verdict]:
        known = {each.id for each in members}
        unknown = [each for each in leaving if each not in known]
        if unknown:
            raise BadSetting(f"not in this golden record: {', '.join(unknown)}; its members are: {', '.join(known)}")
        gone = {*leaving, *_written_from(ctx, members, set(leaving))}
        if not known - gone:
            raise BadSetting("all members would leave; name those that are not the same, and let at least one stay")
        return unmerging(sorted(gone), sorted(known - gone), now)

    return decide(ctx, entity, [golden_id], verdicts, "unmerged", by, why)


def _written_from(ctx: Context, members: Sequence[Member], leaving: set[str]) -> list[str]:
    """Members whose object we wrote ourselves from a leaving one: they are its mirror, and go with it."""
    with ctx.store.read() as conn:
        rows = bulk.select_in(conn, binding, "object_id", [each.object_id for each in members], ["object_id", "anchor"])
    mirrors = {row.object_id for row in rows if row.anchor in leaving}
    return [each.id for each in members if each.object_id in mirrors]


def decide(
    ctx: Context, entity: str, golden_ids: Sequence[str], verdicts: Verdicts, action: str, by: str, why: str
) -> Decided:
    """Write what `verdicts` returns, and place the members of the golden records by it, in one transaction."""
    if not by.strip() or not why.strip():
        raise BadSetting("say who (--by) and why (--why): every verdict is kept with both")
    for _ in range(_TRIES):
        try:
            return _decide_once(ctx, entity, golden_ids, verdicts, action, by, why)
        except Raced:
            continue
    raise Stop("other workers kept changing the same records; try again", cause="raced")


def _decide_once(
    ctx: Context, entity: str, golden_ids: Sequence[str], verdicts: Verdicts, action: str, by: str, why: str
) -> Decided:
    store, now = ctx.store, ctx.store.clock.now()
    with store.read() as conn:
        members = [from_row(store, row) for row in bulk.select_in(conn, member, "golden_id", golden_ids, COLUMNS)]
        ids = [each.id for each in members]
        said = stored_verdicts(conn, ids)
    before = {each.id: str(each.golden_id) for each in members}
    new = verdicts(members, said, now)

    def also(conn: Connection) -> None:
        bulk.insert(conn, decision, [_row(entity, verdict, by, why, now) for verdict in new])
        about = golden_ids[0]
        audit.record(conn, store, by, f"{action} golden records", about, why, golden=list(golden_ids), members=ids)

    land(ctx, Batch(_HERE, reviewed=members, verdicts=new), None, also)
    return _told(ctx, before, len(new))


def _row(entity: str, verdict: Verdict, by: str, why: str, now: int) -> dict[str, Any]:
    said = {"kind": str(verdict.ruling), "a": verdict.a, "b": verdict.b}
    return {"id": new_id(), "entity": entity, **said, "by": by, "why": why, "at": now, "active": 1}


def _told(ctx: Context, before: dict[str, str], verdicts: int) -> Decided:
    with ctx.store.read() as conn:
        now = {row.id: row.golden_id for row in _members(conn, before)}
        marks = bulk.select_in(conn, dirty, "golden_id", {*now.values(), *before.values()}, ["sync"])
    moved = {each: (was, now[each]) for each, was in before.items() if now[each] != was}
    return Decided(verdicts, moved, sorted(set(now.values())), sorted({row.sync for row in marks}))


def _members(conn: Connection, ids: Iterable[str]) -> list[Any]:
    wanted = set(ids)
    objects = [each.partition(":")[0] for each in wanted]
    rows = bulk.select_in(conn, member, "object_id", objects, ["id", "golden_id"])
    return [row for row in rows if row.id in wanted]


def stored_verdicts(conn: Connection, member_ids: Sequence[str]) -> list[Verdict]:
    """What people said about these members so far."""
    found: dict[str, Verdict] = {}
    condition = "AND t.active = 1 AND t.kind IN ('must','cannot','open')"
    for column in ("a", "b"):
        for row in bulk.select_in(conn, decision, column, member_ids, ["id", "kind", "a", "b", "at"], condition):
            found[row.id] = Verdict(Ruling(row.kind), row.a, row.b, row.at)
    return list(found.values())


def _same_entity(ctx: Context, *golden_ids: str) -> str:
    """The entity of all these golden records; refuses what is not there, was merged already, or is no master."""
    if len(set(golden_ids)) != len(golden_ids):
        raise BadSetting("the two golden records are the same one")
    columns = ["id", "entity", "merged_into"]
    with ctx.store.read() as conn:
        rows = {row.id: row for row in bulk.select_in(conn, golden, "id", golden_ids, columns)}
    for golden_id in golden_ids:
        if golden_id not in rows:
            raise BadSetting(f"no golden record {golden_id}")
        if rows[golden_id].merged_into is not None:
            raise BadSetting(f"{golden_id} is part of {rows[golden_id].merged_into} already")
    entities = {str(row.entity) for row in rows.values()}
    if len(entities) > 1:
        raise BadSetting(f"these are different things: {', '.join(sorted(entities))}")
    (entity,) = entities
    if entity not in ctx.pins.rules.entities:
        allowed = ", ".join(sorted(ctx.pins.rules.entities))
        raise BadSetting(f"a golden record of '{entity}' is its one object's; only these are merged: {allowed}")
    return entity
