"""Placing members in golden records: which components a batch touches, and what resolving them again decides.

Reads only; what it decides is written by `landing` in one transaction, guarded so that a race is noticed and computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from dedup import EntityRules, Node, Ruling, Verdict, anchored_id, resolve
from journey.context import Context
from journey.drafts import COLUMNS, KeyHash, Member, from_row
from kernel.store import Store, bulk
from kernel.store.tables import binding, decision, golden, match_key, member

GOLDEN_COLUMNS = ["id", "entity", "component", "version", "hash", "merged_into", "gone", "created_at"]


@dataclass(slots=True)
class Placement:
    """Where members belong now, and what changed around them."""

    members: dict[str, Member] = field(default_factory=dict)  # every member looked at, golden_id as it is to be
    before: dict[str, str | None] = field(default_factory=dict)  # member -> golden record it was in
    component: dict[str, str] = field(default_factory=dict)  # golden id -> component
    moved_components: dict[str, str] = field(default_factory=dict)  # old -> new
    moved_keys: dict[KeyHash, str] = field(default_factory=dict)  # keys of the members there -> new
    forwards: dict[str, str] = field(default_factory=dict)
    new_keys: dict[KeyHash, str] = field(default_factory=dict)  # -> component
    seen_keys: dict[KeyHash, int] = field(default_factory=dict)  # -> how many more members carry it
    hot: set[KeyHash] = field(default_factory=set)
    refused: list[tuple[str, str, str]] = field(default_factory=list)  # (a, b, why)
    why: str = "shared keys"  # golden records were merged


def place(
    ctx: Context,
    conn: Connection,
    entity: str,
    drafts: Sequence[Member],
    bound: dict[str, str],
    verdicts: Sequence[Verdict] = (),
) -> Placement:
    """`drafts`: new and changed members of one master entity; `bound`: object id -> golden id of its binding.

    `verdicts`: what a person says now about pairs of drafts, on top of what is stored.
    """
    placement = Placement(
        members={draft.id: draft for draft in drafts}, before={draft.id: draft.golden_id for draft in drafts}
    )
    rules = ctx.pins.rules.for_entity(entity)
    known = _known_keys(conn, drafts)
    hot = {key for key, (_, seen) in known.items() if _is_hot(rules, key, seen)}
    homes = _homes(conn, drafts, bound)
    groups = _groups(drafts, known, hot, homes, bound, verdicts)
    whole = _load(ctx.store, conn, entity, {component for group in groups for component in group.components}, placement)
    for verdict in verdicts:
        whole.verdicts.setdefault(verdict.a, []).append(verdict)
        placement.why = "a person's verdict"
    hot |= _hot_keys(conn, rules, [each for group in whole.members.values() for each in group], known)
    for group in groups:
        _resolve_group(conn, group, rules, hot, whole, placement)
    _note_keys(drafts, known, placement)
    return placement


@dataclass(slots=True)
class _Group:
    """Drafts and components that touch each other."""

    drafts: list[Member]
    components: set[str]


def _known_keys(conn: Connection, drafts: Sequence[Member]) -> dict[KeyHash, tuple[str, int]]:
    hashes = [digest for draft in drafts for _, digest in draft.keys]
    rows = bulk.select_in(conn, match_key, "hash", hashes, ["kind", "hash", "component", "seen"])
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _hot_keys(
    conn: Connection, rules: EntityRules, members: Sequence[Member], known: dict[KeyHash, tuple[str, int]]
) -> set[KeyHash]:
    """Keys of stored members that turned hot earlier: they stay withdrawn, also when few of their holders are left."""
    hashes = [key[1] for each in members for key in each.keys if key not in known]
    rows = bulk.select_in(conn, match_key, "hash", hashes, ["kind", "hash", "seen"])
    return {(row.kind, row.hash) for row in rows if _is_hot(rules, (row.kind, row.hash), row.seen)}


def _is_hot(rules: EntityRules, key: KeyHash, seen: int) -> bool:
    rule = rules.by_kind.get(key[0])
    return rule is not None and rule.hot_after is not None and seen > rule.hot_after


def _homes(conn: Connection, drafts: Sequence[Member], bound: dict[str, str]) -> dict[str, str]:
    """Golden id -> component, for the golden records that drafts are in or bound to."""
    ids = [draft.golden_id for draft in drafts if draft.golden_id] + [
        bound[d.object_id] for d in drafts if d.object_id in bound
    ]
    return {row[0]: row[1] for row in bulk.select_in(conn, golden, "id", ids, ["id", "component"])}


def _groups(
    drafts: Sequence[Member],
    known: dict[KeyHash, tuple[str, int]],
    hot: set[KeyHash],
    homes: dict[str, str],
    bound: dict[str, str],
    verdicts: Sequence[Verdict],
) -> list[_Group]:
    """Union the drafts that share a key, a component or a verdict. A draft that shares nothing is a group of its own."""
    parent: dict[str, str] = {}

    def root(token: str) -> str:
        while parent.setdefault(token, token) != token:
            parent[token] = token = parent[parent[token]]
        return token

    touches: dict[str, set[str]] = {}
    for draft in drafts:
        home = {homes[gid] for gid in (draft.golden_id, bound.get(draft.object_id)) if gid in homes}
        touches[draft.id] = home | {known[key][0] for key in draft.keys if key in known and key not in hot}
        for token in [
            *touches[draft.id],
            *(f"{kind}\x1f{digest}" for kind, digest in draft.keys if (kind, digest) not in hot),
        ]:
            parent[root(token)] = root(draft.id)
    for verdict in verdicts:
        parent[root(verdict.a)] = root(verdict.b)
    groups: dict[str, _Group] = {}
    for draft in drafts:
        group = groups.setdefault(root(draft.id), _Group([], set()))
        group.drafts.append(draft)
        group.components |= touches[draft.id]
    return list(groups.values())


@dataclass(slots=True)
class _Whole:
    """Everything already stored about the touched components."""

    members: dict[str, list[Member]]  # component -> members
    verdicts: dict[str, list[Verdict]]  # member id -> verdicts it is part of
    anchors: dict[str, list[str]]  # object id -> anchors of its bindings


def _load(store: Store, conn: Connection, entity: str, components: set[str], placement: Placement) -> _Whole:
    rows = [
        row
        for row in bulk.select_in(conn, golden, "component", components, ["id", "component", "entity"])
        if row.entity == entity
    ]
    home = {row.id: row.component for row in rows}
    placement.component.update(home)
    members: dict[str, list[Member]] = {}
    for row in bulk.select_in(conn, member, "golden_id", home, COLUMNS):
        found = placement.members.get(row.id) or from_row(store, row)
        if row.id not in placement.members:
            placement.before[row.id] = found.golden_id
            placement.members[row.id] = found
        members.setdefault(home[row.golden_id], []).append(found)
    ids = [each.id for group in members.values() for each in group] + list(placement.members)
    verdicts: dict[str, list[Verdict]] = {}
    for column in ("a", "b"):
        condition = "AND t.active = 1 AND t.kind IN ('must','cannot','open')"
        for row in bulk.select_in(conn, decision, column, ids, ["kind", "a", "b", "at"], condition):
            verdicts.setdefault(getattr(row, column), []).append(Verdict(Ruling(row.kind), row.a, row.b, row.at))
    objects = {each.object_id for each in placement.members.values()}
    anchors: dict[str, list[str]] = {}
    for row in bulk.select_in(conn, binding, "object_id", objects, ["object_id", "anchor"]):
        anchors.setdefault(row.object_id, []).append(row.anchor)
    return _Whole(members, verdicts, anchors)


def _resolve_group(
    conn: Connection, group: _Group, rules: EntityRules, hot: set[KeyHash], whole: _Whole, placement: Placement
) -> None:
    nodes = {draft.id: draft for draft in group.drafts}
    for component in group.components:
        nodes |= {each.id: each for each in whole.members.get(component, [])}
    verdicts = _verdicts(nodes, whole)
    if len(nodes) == 1 and not verdicts:
        (only,) = nodes.values()
        only.golden_id = only.golden_id or anchored_id(only.id)
        placement.component.setdefault(only.golden_id, only.golden_id)
        return
    resolution = resolve(
        [
            Node(each.id, each.keys, each.arrival, each.golden_id, each.connection, each.resource)
            for each in nodes.values()
        ],
        verdicts,
        rules,
        hot,
    )
    component = min(group.components, default=min(resolution.assignments.values()))
    for member_id, golden_id in resolution.assignments.items():
        nodes[member_id].golden_id = golden_id
        placement.component[golden_id] = component
    for old in group.components - {component}:
        placement.moved_components[old] = component
        placement.moved_keys |= {key: component for each in whole.members.get(old, []) for key in each.keys}
    placement.forwards |= resolution.forwards
    placement.hot |= resolution.newly_hot
    placement.refused += [(refusal.a, refusal.b, f"{refusal.kind}: {refusal.reason}") for refusal in resolution.refused]


def _verdicts(nodes: dict[str, Member], whole: _Whole) -> list[Verdict]:
    """People's verdicts, and the strongest evidence of all: an object that we wrote ourselves is the record we wrote it from."""
    said = {(v.ruling, v.a, v.b, v.sequence): v for node in nodes for v in whole.verdicts.get(node, [])}
    bound = [
        Verdict(Ruling.MUST, anchor, each.id)
        for each in nodes.values()
        for anchor in whole.anchors.get(each.object_id, [])
        if anchor != each.id and anchor in nodes
    ]
    return [*said.values(), *bound]


def _note_keys(drafts: Iterable[Member], known: dict[KeyHash, tuple[str, int]], placement: Placement) -> None:
    for draft in drafts:
        assert draft.golden_id is not None
        for key in draft.keys:
            if key in known or key in placement.new_keys:
                if placement.before.get(draft.id) is None:
                    placement.seen_keys[key] = placement.seen_keys.get(key, 0) + 1
            else:
                placement.new_keys[key] = placement.component[draft.golden_id]
