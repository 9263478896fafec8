"""References between golden records: drawn with their member, resolved when the other end is known, also when it comes late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from journey.drafts import Member
from kernel.ids import object_id
from kernel.store import Store, bulk
from kernel.store.tables import binding, golden, link, match_key, member
from mappings import Ref

Key = tuple[str, str]
"""(entity, key): an object id, or the keyed hash of an identifier."""

Ends = Callable[[], dict[Key, str]]
"""`ends` of the members of a batch, gathered when somebody asks: most batches refer to nothing and nothing waits for them."""


@dataclass(slots=True)
class Links:
    """Link rows to write, and golden records whose reference changed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    resolved: list[dict[str, Any]] = field(default_factory=list)  # late parents: to_golden by link id
    dropped: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)  # golden ids


def to_key(store: Store, connection: str, ref: Ref) -> str:
    """What a reference is looked up by."""
    if ref.kind == "object":
        return object_id(connection, ref.resource, ref.value)
    return store.vault.keyed_hash(f"{ref.entity}:{ref.identifier}", ref.value)


def ends(members: Iterable[Member]) -> dict[Key, str]:
    """Every key by which these members can be referred to, and their golden record."""
    found: dict[Key, str] = {}
    for each in members:
        if each.golden_id and each.active:
            found[(each.entity, each.object_id)] = each.golden_id
            for _, digest in each.keys:
                found.setdefault((each.entity, digest), each.golden_id)
    return found


def draw(
    store: Store, conn: Connection, drafts: Sequence[Member], before: Mapping[str, str | None], here: Ends
) -> Links:
    """The links of new and changed members. `before`: by member, the golden record it was in; None for one never landed."""
    links = Links()
    wanted: list[tuple[Member, str, Ref, str]] = [
        (draft, name, ref, to_key(store, draft.connection, ref)) for draft in drafts for name, ref in draft.refs.items()
    ]
    near = here() if wanted else {}
    known = _look_up(conn, [(ref.entity, key, ref.kind) for _, _, ref, key in wanted if (ref.entity, key) not in near])
    for draft, name, ref, key in wanted:
        links.rows.append(
            {
                "id": f"{draft.id}#{name}",
                "golden_id": draft.golden_id,
                "field": name,
                "to_entity": ref.entity,
                "to_kind": ref.kind,
                "to_key": key,
                "to_golden": near.get((ref.entity, key)) or known.get((ref.entity, key)),
            }
        )
    _compare(conn, [draft for draft in drafts if before.get(draft.id)], links)
    _welcome(conn, here, links)
    return links


def _look_up(conn: Connection, wanted: Sequence[tuple[str, str, str]]) -> dict[Key, str]:
    objects = [key for _, key, kind in wanted if kind == "object"]
    hashes = [key for _, key, kind in wanted if kind != "object"]
    found: dict[Key, str] = {}
    for row in bulk.select_in(conn, member, "object_id", objects, ["entity", "object_id", "golden_id"]):
        found[(row.entity, row.object_id)] = row.golden_id
    known = {key for _, key in found}
    missing = [key for key in objects if key not in known]
    bound = {
        row.golden_id: row.object_id
        for row in bulk.select_in(conn, binding, "object_id", missing, ["object_id", "golden_id"])
    }
    for row in bulk.select_in(conn, golden, "id", bound, ["id", "entity"]):
        found[(row.entity, bound[row.id])] = row.id
    components = {
        row.component: (row.entity, row.hash)
        for row in bulk.select_in(conn, match_key, "hash", hashes, ["entity", "hash", "component"])
    }
    for row in bulk.select_in(
        conn, golden, "component", components, ["id", "component", "entity", "created_at"], "AND t.merged_into IS NULL"
    ):
        if components[row.component][0] == row.entity:
            found.setdefault(components[row.component], row.id)
    return found


def _compare(conn: Connection, drafts: Sequence[Member], links: Links) -> None:
    """Links that the members no longer have are dropped; a changed end makes their golden record dirty."""
    old_goldens = [draft.golden_id for draft in drafts if draft.golden_id]
    ids = {draft.id for draft in drafts}
    now = {row["id"]: row["to_golden"] for row in links.rows}
    before: dict[str, str | None] = {}
    for row in bulk.select_in(conn, link, "golden_id", old_goldens, ["id", "golden_id", "to_golden"]):
        if row.id.rpartition("#")[0] in ids:
            before[row.id] = row.to_golden
            if row.id not in now:
                links.dropped.append({"id": row.id})
                links.touched.add(row.golden_id)
    links.touched |= {
        row["golden_id"] for row in links.rows if row["to_golden"] and row["to_golden"] != before.get(row["id"])
    }


def _welcome(conn: Connection, here: Ends, links: Links) -> None:
    """Late parents: links that waited for one of these keys."""
    waiting = conn.execute(select(link.c.id).where(link.c.to_golden.is_(None)).limit(1)).first()
    if waiting is None:
        return
    fresh, near = {row["id"] for row in links.rows}, here()
    for row in bulk.select_in(
        conn, link, "to_key", [key for _, key in near], ["id", "golden_id", "to_entity", "to_key", "to_golden"]
    ):
        end = near.get((row.to_entity, row.to_key))
        if end is not None and row.to_golden is None and row.id not in fresh:
            links.resolved.append({"to_golden": end, "id": row.id})
            links.touched.add(row.golden_id)


def follow(conn: Connection, members: dict[str, Member], before: dict[str, str | None], here: Ends) -> Links:
    """After merges and splits: links of moved members go with them, links to the records they left point to where their key is."""
    moved = {each: was for each, was in before.items() if was is not None and was != members[each].golden_id}
    links = Links()
    if not moved:
        return links
    olds, near = set(moved.values()), here()
    for row in bulk.select_in(conn, link, "golden_id", olds, ["id", "golden_id"]):
        owner = row.id.rpartition("#")[0]
        if owner in moved:
            links.rows.append({"golden_id": members[owner].golden_id, "id": row.id})
            links.touched.add(str(members[owner].golden_id))
    for row in bulk.select_in(conn, link, "to_golden", olds, ["id", "golden_id", "to_entity", "to_key", "to_golden"]):
        end = near.get((row.to_entity, row.to_key))
        if end is not None and end != row.to_golden:
            links.resolved.append({"to_golden": end, "id": row.id})
            links.touched.add(row.golden_id)
    return links
