"""Parts that only add to golden records (`create: false`): which of them find one. The others are filtered, never landed.

Rows of a query about customers, such as what each has spent, are no customers: a row that matches nobody makes nobody.
It is looked at again with every read, for its customer may arrive later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from dedup import Ruling, Verdict
from journey.context import Context
from journey.drafts import Member, member_id
from journey.inbound.classifying import News
from journey.inbound.placing import place
from journey.inbound.surroundings import Surroundings
from journey.syncs import Stream
from kernel.store import bulk
from kernel.store.tables import golden, member, version
from mappings import Drawn, Part

UNMATCHED = "no golden record matches"
"""The rule by which such a record is filtered."""

Found = list[tuple[News, Part]]


def match(
    ctx: Context,
    stream: Stream,
    around: Surroundings,
    news: Sequence[News],
    drawn: Mapping[str, Drawn],
    arrival: int,
) -> list[Verdict]:
    """Filter the records whose part finds no golden record; what sources say of golden records by their ids."""
    parts = [(item, part) for item in news if item.object_id in drawn for part in drawn[item.object_id].parts]
    parts = [(item, part) for item, part in parts if not part.create]
    if not parts:
        return []
    with ctx.store.read() as conn:
        verdicts, met = _named(ctx, conn, around, [(i, p) for i, p in parts if p.golden])
        met |= _keyed(ctx, conn, stream, around, [(i, p) for i, p in parts if not p.golden], arrival)
    for item, _ in parts:
        if item.object_id not in met:
            drawn[item.object_id].parts = []
            drawn[item.object_id].filtered = UNMATCHED
    return verdicts


def told_before(ctx: Context, news: Sequence[News]) -> set[str]:
    """Object ids of news that was filtered with this same content before: nothing of it need be written again."""
    versions = {
        item.known.version: item
        for item in news
        if item.known is not None and item.known.version and not (item.known.landed_hash or item.known.parked_hash)
    }
    with ctx.store.read() as conn:
        rows = bulk.select_in(conn, version, "trace_id", versions, ["trace_id", "content_hash", "deleted"])
    return {
        versions[row.trace_id].object_id
        for row in rows
        if row.content_hash == versions[row.trace_id].hash and not row.deleted
    }


def _named(ctx: Context, conn: Connection, around: Surroundings, parts: Found) -> tuple[list[Verdict], set[str]]:
    """By id. Where the part is in a record already it stays there: people's verdicts, not sources, move it."""
    met: set[str] = set()
    verdicts: list[Verdict] = []
    alive = _alive(conn, {part.golden for _, part in parts})
    anchors = _anchors(ctx, conn, set(alive.values()))
    for item, part in parts:
        old = around.old(item, part)
        id = alive.get(part.golden)
        if old is not None and old.active and id is not None:
            met.add(item.object_id)
            continue
        anchor = anchors.get((id or "", part.entity))
        if anchor is not None and id is not None:
            met.add(item.object_id)
            around.bound[item.object_id] = id
            verdicts.append(Verdict(Ruling.MUST, anchor, member_id(item.object_id, part)))
    around.verdicts += verdicts
    return verdicts, met


def _alive(conn: Connection, named: set[str]) -> dict[str, str]:
    """By the id that was told: the golden record it is now, wherever it was merged into."""
    now = {id: id for id in named}
    while True:
        rows = bulk.select_in(conn, golden, "id", set(now.values()), ["id", "merged_into"])
        into: dict[str, Any] = {row.id: row.merged_into for row in rows}
        now = {id: to for id, to in now.items() if to in into}
        if not any(into.values()):
            return now
        now = {id: into[to] or to for id, to in now.items()}


def _anchors(ctx: Context, conn: Connection, goldens: set[str]) -> dict[tuple[str, str], str]:
    """By golden record and entity: its first member that makes it one."""
    columns = ["id", "golden_id", "entity", "connection", "resource", "part", "arrival", "active"]
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for row in bulk.select_in(conn, member, "golden_id", goldens, columns):
        if row.active and ctx.founds(row.connection, row.resource, row.part):
            place = (row.golden_id, row.entity)
            found[place] = min(found.get(place, (row.arrival, row.id)), (row.arrival, row.id))
    return {place: id for place, (_, id) in found.items()}


def _keyed(
    ctx: Context, conn: Connection, stream: Stream, around: Surroundings, parts: Found, arrival: int
) -> set[str]:
    """By their keys, as matching would place them: under the same limits, vetoes and verdicts."""
    met: set[str] = set()
    for entity in dict.fromkeys(part.entity for _, part in parts):
        drafts = [_draft(stream, around, item, part, arrival) for item, part in parts if part.entity == entity]
        placed = place(ctx, conn, entity, drafts, around.bound).members.values()
        founded = {
            each.golden_id for each in placed if each.active and ctx.founds(each.connection, each.resource, each.part)
        }
        met |= {draft.object_id for draft in drafts if draft.golden_id in founded}
    return met


def _draft(stream: Stream, around: Surroundings, item: News, part: Part, arrival: int) -> Member:
    """The part as a member, for placing only."""
    old = around.old(item, part)
    draft = Member(
        id=member_id(item.object_id, part),
        object_id=item.object_id,
        part=part.name,
        entity=part.entity,
        connection=stream.connection,
        resource=stream.resource,
        version=item.trace_id,
        arrival=old.arrival if old is not None else arrival,
        active=True,
        keys=(),
        data=part.data,
        at={},
        golden_id=old.golden_id if old is not None else None,
    )
    draft.keys = around.keys(draft)
    return draft
