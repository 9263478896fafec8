"""Rows of a file import that were parked, written back as CSV with their reasons, so that whoever made the file can mend it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from connectors.csv_files import LINE, write_rejects
from kernel.store import Store
from kernel.store.tables import dead_letter

REASON, CAUSE, TRACE = "why", "cause", "trace_id"


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
    found = []
    for row in rows:
        payload = dict(store.open(dead_letter, row.id, row.payload))
        line = payload.pop(LINE, "")
        cells = {name: value for name, value in payload.items() if not name.startswith("_")}
        if not cells:
            cells = {f"cell {n}": value for n, value in enumerate(payload.get("_cells", []), start=1)}
        found.append({**cells, "line": line, REASON: row.message, CAUSE: row.cause, TRACE: row.trace_id})
    return write_rejects(path, found)
