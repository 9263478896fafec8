"""Rows of a file import that were parked, written back as CSV with their reasons, so that whoever made the file can mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from connectors.csv_files import CELLS, LINE, write_rejects
from kernel.store import Store
from kernel.store.tables import dead_letter

LINE_NUMBER, REASON, CAUSE, TRACE = "line", "why", "cause", "trace_id"
_UNNAMED = "cell "


def write(store: Store, connection: str, resource: str, path: Path) -> int:
    """Write a stream's open letters to a CSV file: the row as it was read, then line, why, cause and trace id. How many."""
    query = select(dead_letter).where(
        dead_letter.c.connection == connection,
        dead_letter.c.resource == resource,
        dead_letter.c.kind == "version",
        dead_letter.c.state == "open",
    )
    with store.read() as conn:
        rows = conn.execute(query.order_by(dead_letter.c.id)).all()
    found = sorted((_told(store, row) for row in rows), key=lambda told: (int(told[LINE_NUMBER] or 0), told[TRACE]))
    named = dict.fromkeys(name for told in found for name in told if not name.startswith(_UNNAMED))
    unnamed = dict.fromkeys(name for told in found for name in told if name.startswith(_UNNAMED))
    facts = (LINE_NUMBER, REASON, CAUSE, TRACE)
    columns = [*(name for name in named if name not in facts), *unnamed, *facts]
    return write_rejects(path, found, columns)


def _told(store: Store, row: Any) -> dict[str, Any]:
    """One letter: the cells by their columns, or, where the row did not fit its header, by their place."""
    payload = dict(store.open(dead_letter, row.id, row.payload))
    cells = {name: value for name, value in payload.items() if not name.startswith("_")}
    if not cells:
        cells = {f"{_UNNAMED}{n}": value for n, value in enumerate(payload.get(CELLS, []), start=1)}
    return {**cells, LINE_NUMBER: payload.get(LINE, ""), REASON: row.message, CAUSE: row.cause, TRACE: row.trace_id}
