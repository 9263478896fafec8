"""A stream's position: everything before it is landed or parked. Written only in a landing's own transaction."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, select

from connectors.base import Resource
from journey.context import Context
from journey.counts import Counts
from journey.limits import Limits
from journey.syncs import Stream
from kernel import approvals
from kernel.approvals import Answer, Kind, Question
from kernel.ids import content_hash
from kernel.records import Cursor, Page
from kernel.store import Store
from kernel.store.tables import checkpoint


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


def notice_shrinking(ctx: Context, stream: Stream, read: int, counts: Counts) -> None:
    """Compare a complete read with the one before: zero or far fewer records delete nothing, and a person is asked.

    Until somebody releases it, or a read is whole again, no removal of the syncs that read the stream is sent.
    """
    store, share = ctx.store, _share(ctx, stream)
    with store.write("shrinking") as conn:
        before = conn.execute(select(checkpoint.c.complete_count).where(*_is(stream, ""))).scalar()
        asked = [q for q in approvals.open_questions(conn, Kind.SHRUNKEN_READ) if q.place == str(stream)]
        if not before or read >= before * share:
            for question in asked:
                approvals.decide(conn, store, question, Answer.OVERTAKEN, "throughline", "the read is whole again")
            if read:
                accept(conn, stream, read)
            return
        counts.warn(f"{stream} returned {read} records, {before} the time before; nothing was deleted")
        facts, mark = {"read": read, "before": before}, content_hash([str(stream), read])
        for question in asked:
            if question.fingerprint != mark:
                approvals.decide(conn, store, question, Answer.OVERTAKEN, "throughline", "read again, and differs")
        if not any(question.fingerprint == mark for question in asked):
            kind, place = Kind.SHRUNKEN_READ, (stream.connection, stream.resource)
            approvals.ask(conn, store, Question(kind, None, *place, facts=facts, fingerprint=mark, run_id=ctx.run_id))


def accept(conn: Connection, stream: Stream, read: int) -> None:
    """So many records are what a complete read of the stream brings from now on."""
    conn.execute(checkpoint.update().where(*_is(stream, "")).values(complete_count=read))


def _share(ctx: Context, stream: Stream) -> float:
    """The strictest of the syncs that read the stream."""
    reading = [sync.limits.shrunken for sync in ctx.pins.syncs.values() if stream in sync.streams]
    return max(reading, default=Limits().shrunken)


def _is(stream: Stream, backfill: str) -> tuple[Any, ...]:
    return (
        checkpoint.c.connection == stream.connection,
        checkpoint.c.resource == stream.resource,
        checkpoint.c.backfill == backfill,
    )
