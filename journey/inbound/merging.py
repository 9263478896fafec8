"""Golden records recomputed from their members: by survivorship, and only what differs becomes a new version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from dedup import Golden, survive
from journey.context import Context
from journey.drafts import COLUMNS, Member, by_golden, folded, from_row
from journey.inbound.placing import GOLDEN_COLUMNS
from kernel.ids import canonical, content_hash
from kernel.store import bulk
from kernel.store.tables import golden, member


@dataclass(slots=True)
class Merged:
    """Golden rows to write, and the records that the outbound half must look at."""

    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)  # guarded by was_version
    dirty: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # golden id -> (entity, reason, trace id)


def merge(
    ctx: Context,
    conn: Connection,
    entity: str,
    touched: Sequence[Member],
    vacated: Collection[str],
    components: dict[str, str],
) -> Merged:
    """Recompute the golden records of `touched` members and those that lost some (`vacated`: golden ids)."""
    affected = {each.golden_id for each in touched if each.golden_id} | set(vacated)
    rows = {row.id: row for row in bulk.select_in(conn, golden, "id", affected, GOLDEN_COLUMNS)}
    members = {each.id: each for each in touched}
    for row in bulk.select_in(conn, member, "golden_id", rows, COLUMNS):
        if row.id not in members:
            members[row.id] = from_row(ctx.store, row)
    merged = Merged()
    reasons = _reasons(touched)
    for golden_id, group in by_golden(list(members.values())).items():
        if golden_id in affected:
            _one(ctx, entity, golden_id, group, rows.get(golden_id), components, reasons, merged)
    return merged


def _reasons(touched: Sequence[Member]) -> dict[str, tuple[str, str]]:
    """By golden record: why it is looked at, and the newest version that caused it."""
    found: dict[str, tuple[str, str]] = {}
    for each in touched:
        if each.golden_id is None:
            continue
        reason, trace_id = ("change" if each.active else "source_delete"), each.version
        known = found.get(each.golden_id)
        if known is not None:
            reason, trace_id = min(reason, known[0], key=_RANK.index), max(trace_id, known[1])
        found[each.golden_id] = (reason, trace_id)
    return found


_RANK = ["source_delete", "change"]


def _one(
    ctx: Context,
    entity: str,
    golden_id: str,
    group: list[Member],
    row: Any,
    components: dict[str, str],
    reasons: dict[str, tuple[str, str]],
    merged: Merged,
) -> None:
    record, gone = _survive(ctx, entity, group)
    told = orjson.Fragment(canonical(record.data))  # made into JSON once: for its hash, and to be stored
    digest = content_hash([told, gone])
    reason, trace_id = reasons.get(golden_id, ("change", max(each.version for each in group)))
    if row is not None and row.hash == digest and row.merged_into is None and row.gone == gone:
        if reason == "source_delete":  # nothing changed in its data, but a policy may care
            merged.dirty[golden_id] = (entity, reason, trace_id)
        return
    now = ctx.store.clock.now()
    values = {
        "component": components.get(golden_id, row.component if row is not None else golden_id),
        "version": 1 if row is None else row.version + 1,
        "hash": digest,
        "trace_id": trace_id,
        "merged_into": None,
        "gone": gone,
        "updated_at": now,
        "data": ctx.store.seal(golden, golden_id, {"data": told, "of": folded(record.provenance, record.data)}),
    }
    if row is None:
        merged.new.append({"id": golden_id, "entity": entity, "created_at": now, **values})
    else:
        merged.changed.append({**values, "id": golden_id, "was_version": row.version})
    merged.dirty[golden_id] = (entity, reason, trace_id)


def _survive(ctx: Context, entity: str, group: list[Member]) -> tuple[Golden, int]:
    """The record of some members, and whether it is gone."""
    if entity in ctx.pins.rules.entities:
        active = [each for each in group if each.active]
        views = [each.view(ctx.connections.system(each.connection)) for each in active]
        rules = ctx.pins.rules.for_entity(entity)
        if not any(ctx.founds(each.connection, each.resource, each.part) for each in active):
            return Golden(), 1
        return survive(views, rules, ctx.pins.dictionary.entity(entity).fields), 0
    # A transaction or event has one owner: the object it came from. What we wrote elsewhere only mirrors it.
    owner = min(group, key=lambda each: (each.arrival, each.id))
    if not owner.active:
        return Golden(), 1
    data = {name: value for name, value in owner.data.items() if name not in owner.ours}
    return Golden(data, {name: (owner.id, owner.at.get(name, 0)) for name in data}), 0
