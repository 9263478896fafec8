"""Bindings follow their anchor member through merge and unmerge; one of a golden record's seats in a target is primary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from journey.drafts import Member
from kernel.ledger import plans
from kernel.store import Raced, bulk
from kernel.store.tables import binding

COLUMNS = [
    "id",
    "golden_id",
    "anchor",
    "connection",
    "resource",
    "slot",
    "ext_key",
    "vendor_id",
    "object_id",
    "created_at",
]


@dataclass(slots=True)
class Moves:
    """Seats that change hands: all are demoted first, so that no two primaries ever stand side by side."""

    demoted: list[dict[str, Any]] = field(default_factory=list)
    promoted: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)  # golden ids


def follow(conn: Connection, members: dict[str, Member], before: dict[str, str | None]) -> Moves:
    """Where the bindings of moved members belong now."""
    moved = {each for each, was in before.items() if was is not None and was != members[each].golden_id}
    moves = Moves()
    if not moved:
        return moves
    goldens = {str(members[each].golden_id) for each in moved} | {str(before[each]) for each in moved}
    home: dict[str, str] = {}
    seats: dict[tuple[str, str, str], list[Any]] = {}
    for row in bulk.select_in(conn, binding, "golden_id", goldens, COLUMNS):
        home[row.id] = str(members[row.anchor].golden_id) if row.anchor in members else row.golden_id
        seats.setdefault((home[row.id], row.connection, row.resource), []).append(row)
    for group in seats.values():
        _seat(group, home, moves)
    return moves


def _seat(group: Sequence[Any], home: dict[str, str], moves: Moves) -> None:
    open_seats = [row for row in group if row.slot in ("primary", "duplicate")]
    first = min(
        open_seats,
        key=lambda row: (row.vendor_id is None, home[row.id] != row.golden_id, row.created_at, row.id),
        default=None,
    )
    for row in group:
        slot = row.slot if row not in open_seats else "primary" if row is first else "duplicate"
        if home[row.id] == row.golden_id and slot == row.slot:
            continue
        moves.touched |= {home[row.id], row.golden_id}
        moves.demoted.append(
            {"golden_id": home[row.id], "slot": "duplicate" if slot == "primary" else slot, "id": row.id}
        )
        if slot == "primary":
            moves.promoted.append({"slot": slot, "id": row.id})


def learn(conn: Connection, found: Sequence[dict[str, Any]]) -> None:
    """Objects that were read carrying our key: the seats they fill, whatever became of the answer to our write."""
    if bulk.update(conn, binding, found, ["id", "was_object_id"]) != len(found):
        raise Raced("another worker learned where one of these objects belongs", cause="raced")


def write(conn: Connection, run_id: str, moves: Moves) -> None:
    """Write the moves; what was planned for a seat that is no longer primary is planned anew."""
    bulk.update(conn, binding, moves.demoted, ["id"])
    bulk.update(conn, binding, moves.promoted, ["id"])
    plans.supersede(conn, run_id, [row["id"] for row in moves.demoted])
