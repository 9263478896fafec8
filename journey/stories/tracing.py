"""The story of a record: raw versions → mapping revision → match decision → golden record → deliveries → attempts → runs.

A query over the tables, never a second log. Values come with their field names, for the caller to show or to mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection, Row, select

from journey.drafts import unfolded
from journey.stories.finding import Found
from kernel import documents
from kernel.clock import iso
from kernel.errors import BadDocument
from kernel.store import Store, bulk
from kernel.store.tables import (
    attempt,
    binding,
    connection,
    dead_letter,
    decision,
    delivery,
    golden,
    link,
    member,
    object_,
    revision,
    run,
    version,
)

Told = dict[str, Any]
_VERSIONS = 20
"""The newest versions of one object that a story tells."""


@dataclass(slots=True)
class Story:
    """All that is known about some records, oldest first in every list."""

    asked: str
    found_as: str
    focus: str  # the version or delivery that was asked for, where it was one
    objects: list[Told] = field(default_factory=list)  # each with its versions
    goldens: list[Told] = field(default_factory=list)  # each with members, decisions, bindings, links
    deliveries: list[Told] = field(default_factory=list)  # each with its attempts
    dead_letters: list[Told] = field(default_factory=list)
    runs: list[Told] = field(default_factory=list)


def tell(store: Store, found: Found) -> Story:
    """The story of what was found."""
    story = Story(found.asked, found.kind, found.focus)
    with store.read() as conn:
        goldens = bulk.select_in(conn, golden, "id", found.goldens, [column.name for column in golden.columns])
        goldens += bulk.select_in(conn, golden, "merged_into", found.goldens, [c.name for c in golden.columns])
        ids = [row.id for row in goldens]
        members = bulk.select_in(conn, member, "golden_id", ids, _MEMBER)
        objects = list(dict.fromkeys([*found.objects, *(row.object_id for row in members)]))
        story.objects = _objects(conn, objects)
        seats = bulk.select_in(conn, binding, "golden_id", ids, [column.name for column in binding.columns])
        story.goldens = [_golden(store, conn, row, members, seats) for row in goldens]
        story.deliveries = _deliveries(conn, [row.id for row in seats])
        story.dead_letters = _letters(conn, objects, [each["id"] for each in story.deliveries])
        story.runs = _runs(conn, story)
    return story


_MEMBER = ["id", "object_id", "part", "entity", "connection", "resource", "golden_id", "version", "active", "keys"]


def _objects(conn: Connection, ids: Sequence[str]) -> list[Told]:
    rows = bulk.select_in(conn, object_, "id", ids, [column.name for column in object_.columns])
    names = [column.name for column in version.columns if column.name != "raw"]
    versions: dict[str, list[Row[Any]]] = {}
    for row in bulk.select_in(conn, version, "object_id", ids, names):
        versions.setdefault(row.object_id, []).append(row)
    systems = {row.name: row.system for row in conn.execute(select(connection.c.name, connection.c.system))}
    mappings = _Mappings(conn)
    told = []
    for row in rows:
        newest = sorted(versions.get(row.id, []), key=lambda each: each.trace_id)[-_VERSIONS:]
        path = f"mappings/{systems.get(row.connection, row.connection)}/{row.resource}.yaml"
        told.append(
            {
                "id": row.id,
                "connection": row.connection,
                "resource": row.resource,
                "vendor_id": row.vendor_id,
                "deleted": bool(row.deleted),
                "versions": [_version(each, path, mappings) for each in newest],
            }
        )
    return sorted(told, key=lambda each: (each["versions"][0]["trace_id"] if each["versions"] else "", each["id"]))


def _version(row: Row[Any], path: str, mappings: _Mappings) -> Told:
    return {
        "trace_id": row.trace_id,
        "state": row.state,
        "rule": row.rule,
        "read_at": iso(row.read_at),
        "source_at": _iso(row.source_at),
        "deleted": bool(row.deleted),
        "mapping": None if row.mapping is None else mappings.revision(path, row.mapping),
        "run": row.run_id,
    }


class _Mappings:
    """Which activation a mapping's revision came with; files are parsed once, and only those that are asked for."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._known: dict[str, dict[str, Told]] = {}

    def revision(self, path: str, wanted: str) -> Told:
        """Path, revision, and who activated it when; the latter only where the store still holds it."""
        if path not in self._known:
            rows = self._conn.execute(select(revision).where(revision.c.path == path)).all()
            self._known[path] = {_content(row): _activation(row) for row in rows}
        return {"path": path, "revision": wanted, **self._known[path].get(wanted, {})}


def _content(row: Row[Any]) -> str:
    try:
        return documents.parse(row.body).revision
    except BadDocument:  # an older release accepted it
        return ""


def _activation(row: Row[Any]) -> Told:
    return {"activated_at": iso(row.activated_at), "activated_by": row.activated_by, "active": bool(row.active)}


def _golden(
    store: Store, conn: Connection, row: Row[Any], members: Sequence[Row[Any]], seats: Sequence[Row[Any]]
) -> Told:
    mine = [each for each in members if each.golden_id == row.id]
    content = store.open(golden, row.id, row.data) or {"data": {}, "of": {}}
    return {
        "id": row.id,
        "entity": row.entity,
        "version": row.version,
        "state": "merged" if row.merged_into else "gone" if row.gone else "active",
        "merged_into": row.merged_into,
        "caused_by": row.trace_id,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "fields": _fields(content["data"], unfolded(content["of"], content["data"])),
        "members": _members(mine),
        "decisions": _decisions(conn, [row.id, *(each.id for each in mine)]),
        "bindings": [_seat(each) for each in seats if each.golden_id == row.id],
        "links": _links(conn, row.id),
    }


def _fields(data: Mapping[str, Any], of: Mapping[str, Sequence[Any]]) -> dict[str, Told]:
    """Each field's value, and the member and moment it comes from."""
    return {
        name: {
            "value": value,
            "from": of[name][0] if name in of else None,
            "at": _iso(of[name][1]) if name in of and of[name][1] else None,
        }
        for name, value in data.items()
    }


def _members(rows: Sequence[Row[Any]]) -> list[Told]:
    """Each with the kinds of key it shares with another member: why it is here."""
    keys = {row.id: {tuple(key) for key in orjson.loads(row.keys)} for row in rows}
    told = []
    for row in sorted(rows, key=lambda each: each.id):
        others = set().union(*(keys[other] for other in keys if other != row.id))
        told.append(
            {
                "id": row.id,
                "object": row.object_id,
                "part": row.part,
                "connection": row.connection,
                "resource": row.resource,
                "version": row.version,
                "active": bool(row.active),
                "shares": sorted({kind for kind, _ in keys[row.id] & others}),
            }
        )
    return told


def _decisions(conn: Connection, ids: Iterable[str]) -> list[Told]:
    names = [column.name for column in decision.columns]
    wanted = list(ids)
    rows = {row.id: row for by in ("a", "b") for row in bulk.select_in(conn, decision, by, wanted, names)}
    return [
        {"kind": row.kind, "a": row.a, "b": row.b, "by": row.by, "why": row.why, "at": iso(row.at)}
        for row in sorted(rows.values(), key=lambda each: (each.at, each.id))
    ]


def _seat(row: Row[Any]) -> Told:
    return {
        "id": row.id,
        "connection": row.connection,
        "resource": row.resource,
        "slot": row.slot,
        "ext_key": row.ext_key,
        "vendor_id": row.vendor_id,
    }


def _links(conn: Connection, golden_id: str) -> list[Told]:
    rows = conn.execute(select(link).where(link.c.golden_id == golden_id).order_by(link.c.id)).all()
    return [{"field": row.field, "to": row.to_entity, "golden": row.to_golden} for row in rows]


def _deliveries(conn: Connection, binding_ids: Sequence[str]) -> list[Told]:
    names = [column.name for column in delivery.columns if column.name not in ("body", "before")]
    rows = {row.id: row for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, names)}
    tries: dict[str, list[Told]] = {}
    for row in bulk.select_in(conn, attempt, "delivery_id", rows, [column.name for column in attempt.columns]):
        tries.setdefault(row.delivery_id, []).append(_attempt(row))
    vendor_ids = {
        row.id: row.vendor_id
        for row in bulk.select_in(conn, binding, "id", {each.binding_id for each in rows.values()}, ["id", "vendor_id"])
    }
    ordered = sorted(rows.values(), key=lambda each: (each.planned_at, each.id))
    return [
        _delivery(row, vendor_ids.get(row.binding_id), sorted(tries.get(row.id, []), key=_number)) for row in ordered
    ]


def _number(told: Told) -> int:
    return int(told["n"])


def _delivery(row: Row[Any], vendor_id: str | None, attempts: list[Told]) -> Told:
    return {
        "id": row.id,
        "golden": row.golden_id,
        "golden_version": row.golden_version,
        "connection": row.connection,
        "resource": row.resource,
        "sync": row.sync,
        "action": row.action,
        "state": row.state,
        "cause": row.cause,
        "error": row.error,
        "approval": row.gate,
        "trace_id": row.trace_id,
        "mapping": row.mapping,
        "planned_at": iso(row.planned_at),
        "planned_by": row.run_id,
        "settled_by": row.settled_run,
        "wait_on": row.wait_on,
        "vendor_id": vendor_id,
        "attempts": attempts,
    }


def _attempt(row: Row[Any]) -> Told:
    return {
        "n": row.n,
        "sent_at": iso(row.sent_at),
        "outcome": row.outcome,
        "status": row.status,
        "request_id": row.request_id,
        "error": row.error,
    }


def _letters(conn: Connection, object_ids: Sequence[str], delivery_ids: Sequence[str]) -> list[Told]:
    names = ["id", "kind", "about", "trace_id", "stage", "cause", "field", "message", "state", "first_at", "reason"]
    rows = {
        row.id: row
        for by, ids in (("object_id", object_ids), ("about", delivery_ids))
        for row in bulk.select_in(conn, dead_letter, by, ids, names)
    }
    return [
        {**row._asdict(), "first_at": iso(row.first_at)}
        for row in sorted(rows.values(), key=lambda each: (each.first_at, each.id))
    ]


def _runs(conn: Connection, story: Story) -> list[Told]:
    wanted = [each["run"] for told in story.objects for each in told["versions"]]
    wanted += [run_id for each in story.deliveries for run_id in (each["planned_by"], each["settled_by"]) if run_id]
    names = ["id", "kind", "sync", "state", "started_at", "flow_run"]
    rows = bulk.select_in(conn, run, "id", wanted, names)
    return [
        {**row._asdict(), "started_at": iso(row.started_at)} for row in sorted(rows, key=lambda each: each.started_at)
    ]


def _iso(at: int | None) -> str | None:
    return None if at is None else iso(at)
