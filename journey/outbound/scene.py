"""What planning looks at: everything stored about a batch of golden records, read at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from journey import bindings
from journey.context import Context
from journey.dirty import mark_rows
from journey.outbound import observing, refused
from kernel.ledger import claims
from kernel.store import bulk
from kernel.store.tables import binding, golden, link, target_state


class Scene:
    """Everything stored about a batch of golden records that planning looks at."""

    def __init__(self, ctx: Context, conn: Connection, golden_ids: Sequence[str]) -> None:
        """A handful of bulk look-ups."""
        columns = ["id", "entity", "version", "trace_id", "gone", "merged_into", "data"]
        self.goldens = {row.id: row for row in bulk.select_in(conn, golden, "id", golden_ids, columns)}
        self.contents = {key: ctx.store.open(golden, key, row.data) for key, row in self.goldens.items()}
        self.links: dict[str, dict[str, str | None]] = {}
        for row in bulk.select_in(conn, link, "golden_id", golden_ids, ["golden_id", "field", "to_golden"]):
            fields = self.links.setdefault(row.golden_id, {})
            fields[row.field] = fields.get(row.field) or row.to_golden
        ends = {end for fields in self.links.values() for end in fields.values() if end}
        self.seats: dict[tuple[str, str, str], list[Any]] = {}
        for row in bulk.select_in(conn, binding, "golden_id", {*golden_ids, *ends}, bindings.COLUMNS):
            self.seats.setdefault((row.golden_id, row.connection, row.resource), []).append(row)
        self.ids = ids = [row.id for rows in self.seats.values() for row in rows if row.golden_id in self.goldens]
        self.pending = claims.pending(conn, ids)
        self.unsettled = claims.unsettled(conn, ctx.store, ids)
        columns = ["binding_id", "updated_at", "present", "fields"]
        self.states = {row.binding_id: row for row in bulk.select_in(conn, target_state, "binding_id", ids, columns)}
        self.adoptable = observing.adoptable(ctx, conn, self.contents)
        self.refused = refused.Refused(ctx, conn, ids)

    def seat(self, golden_id: str, connection: str, resource: str) -> Any | None:
        """The binding that a golden record's writes to a target address, or the one that a person detached."""
        seats = self.seats.get((golden_id, connection, resource), [])
        return next((row for slot in ("primary", "detached") for row in seats if row.slot == slot), None)


def referring(ctx: Context, conn: Connection, golden_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Marks for the records that refer to those that just got a seat: their reference can be written now."""
    ids = [row.golden_id for row in bulk.select_in(conn, link, "to_golden", golden_ids, ["golden_id"])]
    rows = bulk.select_in(conn, golden, "id", ids, ["id", "entity", "trace_id"])
    return mark_rows(ctx, {row.id: (row.entity, "link", row.trace_id) for row in rows})
