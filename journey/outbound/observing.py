"""Objects that a target already holds: a golden record with a member there needs no second object, its binding adopts that one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from dedup import anchored_id
from journey.context import Context
from kernel.store import bulk
from kernel.store.tables import binding, member, object_, version


@dataclass(frozen=True, slots=True)
class Adoptable:
    """An object of a target that is a member of the record itself."""

    member_id: str
    object_id: str
    vendor_id: str
    raw: dict[str, Any]


class Adoptables(dict[tuple[str, str, str], Adoptable]):
    """(golden id, connection, resource) -> object; and each golden record's anchor: its first member."""

    anchors: dict[str, str]


def adoptable(ctx: Context, conn: Connection, contents: Mapping[str, Any]) -> Adoptables:
    """Active members in targets that are streams too and that no binding holds yet; of several the first to arrive.

    `contents`: by golden id, what is stored of it. Where nothing is written that is also read, members are only looked up
    for the records that do not tell their anchor themselves.
    """
    found = Adoptables()
    both = ctx.pins.targets & ctx.pins.streams
    found.anchors = {} if both else _told_anchors(contents)
    golden_ids = [id for id in contents if id not in found.anchors]
    columns = ["id", "object_id", "golden_id", "connection", "resource", "arrival", "active", "version"]
    rows = sorted(bulk.select_in(conn, member, "golden_id", golden_ids, columns), key=lambda row: (row.arrival, row.id))
    found.anchors |= {row.golden_id: row.id for row in reversed(rows)}
    candidates = [row for row in rows if row.active and (row.connection, row.resource) in both]
    if not candidates:
        return found
    ids = {row.object_id for row in candidates}
    taken = {row.object_id for row in bulk.select_in(conn, binding, "object_id", ids, ["object_id"])}
    vendor = {row.id: row.vendor_id for row in bulk.select_in(conn, object_, "id", ids, ["id", "vendor_id"])}
    raws = {
        row.trace_id: row.raw
        for row in bulk.select_in(conn, version, "trace_id", {row.version for row in candidates}, ["trace_id", "raw"])
    }
    for row in candidates:
        key = (row.golden_id, row.connection, row.resource)
        if row.object_id not in taken and key not in found:
            raw = ctx.store.open(version, row.version, raws.get(row.version)) or {}
            found[key] = Adoptable(row.id, row.object_id, vendor[row.object_id], raw)
    return found


def _told_anchors(contents: Mapping[str, Any]) -> dict[str, str]:
    """By golden record: of the members whose values it holds, the one that its id was made from."""
    return {
        id: member_id
        for id, content in contents.items()
        for member_id in {of[0] for of in content["of"].values()}
        if anchored_id(member_id) == id
    }
