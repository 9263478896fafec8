"""Rows of a file import that were parked, written back as CSV with their reasons, so that whoever made the file can mend it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from connectors.csv_files import LINE, write_rejects
from kernel.store import Store
from kernel.store.tables import dead_letter

LINE_TOLD, REASON, CAUSE, TRACE = "line", "why", "cause", "trace_id"


def write(store: Store, connection: str, resource: str, path: Path) -> int:
    """Write a stream's open letters to a CSV file: the rows as they were read, then line, why, cause and trace id. How many."""
    query = select(dead_letter).where(
        dead_letter.c.connection == connection,
        dead_letter.c.resource == resource,
        dead_letter.c.kind == "version",
        dead_letter.c.state == "open",
    )
    with store.read() as conn:
        rows = conn.execute(query.order_by(dead_letter.c.id)).all()
    named, loose = [], []
    for row in rows:
        payload = dict(store.open(dead_letter, row.id, row.payload))
        told = {LINE_TOLD: payload.pop(LINE, ""), REASON: row.message, CAUSE: row.cause, TRACE: row.trace_id}
        cells = {name: value for name, value in payload.items() if not name.startswith("_")}
        if cells:
            named.append(cells | told)
        else:
            loose.append(told | {f"cell {n}": value for n, value in enumerate(payload.get("_cells", []), start=1)})
    columns = dict.fromkeys(name for row in named + loose for name in row)  # the file's own first, as they stand there
    ordered = sorted(named + loose, key=lambda row: int(row[LINE_TOLD] or 0))
    return write_rejects(path, ordered, list(columns))
