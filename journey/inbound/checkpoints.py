"""A stream's position: everything before it is landed or parked. Written only in a landing's own transaction."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from connectors.base import Resource
from journey.context import Context
from journey.counts import Counts
from journey.syncs import Stream
from kernel.records import Cursor, Page
from kernel.store import Store
from kernel.store.tables import checkpoint

_SHRUNK = 0.5
"""A complete read that brings less than this share of the one before is worth a warning; nothing is ever deleted for it."""


def load(store: Store, stream: Stream, backfill: str = "") -> Cursor | None:
    """The cursor to go on from; None from the beginning."""
    with store.read() as conn:
        text = conn.execute(select(checkpoint.c.cursor).where(*_is(stream, backfill))).scalar()
    return None if text is None else orjson.loads(text)


def row(ctx: Context, stream: Stream, backfill: str, page: Page, declared: Resource) -> dict[str, Any]:
    """The row that lands with a page. A complete read starts anew next time, so its last page clears the cursor."""
    done = page.last and not declared.incremental and not backfill
    return {
        "connection": stream.connection,
        "resource": stream.resource,
        "backfill": backfill,
        "cursor": "null" if done else orjson.dumps(page.cursor, option=orjson.OPT_SORT_KEYS).decode(),
        "run_id": ctx.run_id,
        "updated_at": ctx.store.clock.now(),
    }


def reset(store: Store, stream: Stream) -> None:
    """Forget a stream's position: the next read begins at the beginning (content seen before is unchanged)."""
    with store.write() as conn:
        conn.execute(checkpoint.delete().where(*_is(stream, "")))


def notice_shrinking(store: Store, stream: Stream, read: int, counts: Counts) -> None:
    """Compare a complete read with the one before: zero or far fewer records are a warning, never a deletion."""
    with store.write() as conn:
        before = conn.execute(select(checkpoint.c.complete_count).where(*_is(stream, ""))).scalar()
        if before and read < before * _SHRUNK:
            counts.warn(f"{stream} returned {read} records, {before} the time before; nothing was deleted")
        elif read:
            conn.execute(checkpoint.update().where(*_is(stream, "")).values(complete_count=read))


def _is(stream: Stream, backfill: str) -> tuple[Any, ...]:
    return (
        checkpoint.c.connection == stream.connection,
        checkpoint.c.resource == stream.resource,
        checkpoint.c.backfill == backfill,
    )
