"""What a person may hold in hand (a trace id, an e-mail, a vendor's id, a golden id, a delivery id) → the records it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection, Table, or_, select

from dedup import EntityRules, Rules
from kernel.ids import object_id
from kernel.store import Store, bulk
from kernel.store.tables import binding, dead_letter, delivery, golden, match_key, member, object_, version

_HEX = re.compile(r"[0-9a-f]{32}")
_PLACED = re.compile(r"(\w+)\.(\w+):(.+)")
_MOST = 50
"""Records that one name may lead to; a name that leads to more is too common to follow."""


@dataclass(slots=True)
class Found:
    """The records that something names. `kind` says how it was understood; empty when nothing was found."""

    asked: str
    kind: str = ""
    goldens: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    focus: str = ""  # the version (trace id) or delivery asked for

    def __bool__(self) -> bool:
        return bool(self.goldens or self.objects)


def find(store: Store, rules: Rules | None, asked: str) -> Found:
    """Try ids first, then vendor ids, then the identifiers of master records (e-mail, phone, domain) by their keyed hashes."""
    text = asked.strip()
    with store.read() as conn:
        found = _by_id(conn, text.lower()) if _HEX.fullmatch(text.lower()) else Found(text)
        if not found:
            found = _by_vendor_id(conn, text)
        if not found and rules is not None:
            found = _by_identifier(store, conn, rules, text)
        if found.goldens:
            found.goldens = _current(conn, found.goldens)
        return found


def _by_id(conn: Connection, text: str) -> Found:
    for look in (_version, _golden, _delivery, _letter, _object, _seat):
        if found := look(conn, text):
            return found
    return Found(text)


def _version(conn: Connection, text: str) -> Found:
    key = conn.execute(select(version.c.object_id).where(version.c.trace_id == text)).scalar()
    if key is None:
        return Found(text)
    return Found(text, "trace id of a version", _goldens_of(conn, [key]), [key], text)


def _golden(conn: Connection, text: str) -> Found:
    known = conn.execute(select(golden.c.id).where(golden.c.id == text)).scalar()
    return Found(text, "golden record", [text]) if known else Found(text)


def _delivery(conn: Connection, text: str) -> Found:
    query = select(delivery.c.id, delivery.c.golden_id, delivery.c.trace_id)
    query = query.where(or_(delivery.c.id == text, delivery.c.trace_id == text)).limit(_MOST)
    rows = conn.execute(query).all()
    kind = "delivery" if any(row.id == text for row in rows) else "trace id of deliveries"
    return Found(text, kind, _unique(row.golden_id for row in rows), focus=text) if rows else Found(text)


def _letter(conn: Connection, text: str) -> Found:
    row = conn.execute(select(dead_letter.c.about, dead_letter.c.kind).where(dead_letter.c.id == text)).first()
    if row is None:
        return Found(text)
    found = _version(conn, row.about) if row.kind == "version" else _delivery(conn, row.about)
    found.asked, found.kind = text, f"dead letter about a {row.kind}"
    return found


def _object(conn: Connection, text: str) -> Found:
    known = conn.execute(select(object_.c.id).where(object_.c.id == text)).scalar()
    return Found(text, "object", _goldens_of(conn, [text]), [text]) if known else Found(text)


def _seat(conn: Connection, text: str) -> Found:
    rows = conn.execute(
        select(binding.c.golden_id).where(binding.c.id == text)  # a binding's ext_key is its id
    ).all()
    return Found(text, "key at a target", _unique(row.golden_id for row in rows)) if rows else Found(text)


def _by_vendor_id(conn: Connection, text: str) -> Found:
    """A vendor's id, alone or as `connection.resource:id` where several things have the same one."""
    if place := _PLACED.fullmatch(text):
        key = object_id(*place.groups())
        goldens = _goldens_of(conn, [key])
        known = _object(conn, key)
        return Found(text, "vendor id", goldens, known.objects) if goldens or known else Found(text)
    objects = _column(conn, object_, "vendor_id", text, "id")
    bound = conn.execute(select(binding.c.golden_id).where(binding.c.vendor_id == text).limit(_MOST)).scalars().all()
    if not objects and not bound:
        return Found(text)
    return Found(text, "vendor id", _unique([*_goldens_of(conn, objects), *bound]), objects)


def _by_identifier(store: Store, conn: Connection, rules: Rules, text: str) -> Found:
    goldens: list[str] = []
    kinds: dict[str, None] = {}
    for entity, rule in rules.entities.items():
        for name in _single_fields(rule):
            for key in rule.keys({name: text}):
                digest = store.vault.keyed_hash(f"{entity}:{key.kind}", key.value)
                holders = _holders(conn, entity, key.kind, digest)
                if holders:
                    kinds[f"{entity} {key.kind}"] = None
                    goldens += holders
    return Found(text, ", ".join(kinds), _unique(goldens)[:_MOST])


def _single_fields(rules: EntityRules) -> list[str]:
    """The fields that make a key alone."""
    pieces = [rule.pieces[0] for rule in rules.key_rules if len(rule.pieces) == 1]
    return _unique(path[0] for piece in pieces for path in piece.paths if len(path) == 1)


def _holders(conn: Connection, entity: str, kind: str, digest: str) -> list[str]:
    components = _column(conn, match_key, "hash", digest, "component")
    goldens = [
        row.id
        for row in bulk.select_in(conn, golden, "component", components, ["id", "entity"])
        if row.entity == entity
    ]
    return [
        row.golden_id
        for row in bulk.select_in(conn, member, "golden_id", goldens, ["golden_id", "keys"])
        if [kind, digest] in orjson.loads(row.keys)
    ]


def _goldens_of(conn: Connection, object_ids: Sequence[str]) -> list[str]:
    members = bulk.select_in(conn, member, "object_id", object_ids, ["golden_id"])
    seats = bulk.select_in(conn, binding, "object_id", object_ids, ["golden_id"])
    return _unique(row.golden_id for row in [*members, *seats])


def _current(conn: Connection, golden_ids: Sequence[str]) -> list[str]:
    """The records that these were merged into, where they were."""
    forwards: dict[str, str] = {}
    todo = list(golden_ids)
    while todo:
        rows = bulk.select_in(conn, golden, "id", todo, ["id", "merged_into"], "AND t.merged_into IS NOT NULL")
        fresh = {row.id: row.merged_into for row in rows if row.id not in forwards}
        forwards |= fresh
        todo = list(fresh.values())
    ends = []
    for golden_id in golden_ids:
        seen = {golden_id}
        while golden_id in forwards and forwards[golden_id] not in seen:
            golden_id = forwards[golden_id]
            seen.add(golden_id)
        ends.append(golden_id)
    return _unique(ends)


def _column(conn: Connection, table: Table, by: str, value: str, column: str) -> list[str]:
    query = select(table.c[column]).where(table.c[by] == value).limit(_MOST)
    return _unique(conn.execute(query).scalars().all())


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
