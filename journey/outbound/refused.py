"""What a target refused before: the same write is not made again unchanged, and a newer one closes the letter of the old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dead_letter import parking
from journey.context import Context
from kernel.errors import Fate
from kernel.ledger.plans import Plan
from kernel.ledger.states import State
from kernel.store import bulk
from kernel.store.tables import dead_letter, delivery


@dataclass(frozen=True, slots=True)
class _Dead:
    """A binding's newest dead delivery."""

    id: str
    action: str
    mapping: str
    fields: dict[str, object]
    refs: dict[str, str]


class Refused:
    """By binding, what died there last for a reason that does not go away by itself."""

    def __init__(self, ctx: Context, conn: Connection, binding_ids: Sequence[str]) -> None:
        """Two bulk look-ups; bindings made in this plan have none."""
        columns = ["id", "binding_id", "action", "mapping", "body"]
        rows = bulk.select_in(conn, delivery, "binding_id", binding_ids, columns, f"AND t.state = '{State.DEAD}'")
        newest = {row.binding_id: row for row in sorted(rows, key=lambda row: str(row.id))}
        told = bulk.select_in(
            conn, dead_letter, "about", [row.id for row in newest.values()], ["about", "fate", "state"]
        )
        # Asked for again by a person: resolved. What gave up waiting may go through the next time it is tried.
        lasting = {row.about for row in told if row.fate == Fate.PARK and row.state in ("open", "discarded")}
        self._found: dict[str, _Dead] = {}
        for key, row in newest.items():
            body = ctx.store.open(delivery, row.id, row.body) if row.id in lasting else None
            if body is not None:
                self._found[key] = _Dead(row.id, row.action, row.mapping, body["fields"], body["refs"])

    def repeats(self, plan: Plan) -> bool:
        """The target refused exactly this, drawn by the same mapping."""
        old = self._found.get(plan.binding_id)
        return old is not None and (old.action, old.mapping, old.fields, old.refs) == (
            str(plan.action),
            plan.mapping,
            plan.fields,
            plan.refs,
        )


def overtaken(conn: Connection, planned: Sequence[Plan], now: int) -> None:
    """Close the open letters of dead deliveries whose binding has a newer plan: one that was written, not one that was there."""
    ids = {plan.binding_id for plan in planned if not plan.first}
    rows = bulk.select_in(conn, delivery, "binding_id", ids, ["id", "binding_id"], f"AND t.state = '{State.DEAD}'")
    if not rows:
        return
    ours = {
        row.id: row.binding_id
        for row in bulk.select_in(conn, delivery, "id", [plan.id for plan in planned], ["id", "binding_id"])
    }
    renewed = set(ours.values())
    old = [row.id for row in rows if row.id not in ours and row.binding_id in renewed]
    parking.close_about(conn, old, "superseded", "a newer write was planned", now)
