"""A stream's position: everything before it is landed or parked. Written only in a landing's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, select

from journey.context import Context
from journey.counts import Counts
from journey.limits import Limit, Limits
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


def row(ctx: Context, stream: Stream, backfill: str, page: Page, *, complete: bool) -> dict[str, Any]:
    """The row that lands with a page. A complete read starts anew next time, so its last page clears the cursor."""
    done = page.last and complete
    return {
        "connection": stream.connection,
        "resource": stream.resource,
        "backfill": backfill,
        "cursor": "null" if done else orjson.dumps(page.cursor, option=orjson.OPT_SORT_KEYS).decode(),
        "run_id": ctx.run_id,
        "updated_at": ctx.store.clock.now(),
        "seen": None,
    }


def reset(store: Store, stream: Stream) -> None:
    """Forget a stream's position: the next read begins at the beginning (content seen before is unchanged)."""
    with store.write() as conn:
        conn.execute(checkpoint.delete().where(*_is(stream, "")))


Keep = Callable[[Connection, str], None]


def notice_shrinking(
    ctx: Context,
    stream: Stream,
    read: int,
    counts: Counts,
    *,
    much: bool = False,
    facts: Mapping[str, int] | None = None,
    mark: str = "",
    keep: Keep = lambda conn, question: None,
) -> bool:
    """Compare a complete read with the one before: zero or far fewer records delete nothing, and a person is asked.

    Until somebody releases it, or a read is whole again, no removal of the syncs that read the stream is sent. `much`: too
    many objects are missing; `facts` say how many, `mark` is of exactly these, and `keep` writes them down for the question.
    True where nothing has to wait for a person.
    """
    store, share = ctx.store, strictest(ctx, stream)[0]
    with store.write("shrinking") as conn:
        before = conn.execute(select(checkpoint.c.complete_count).where(*_is(stream, ""))).scalar()
        asked = [q for q in approvals.open_questions(conn, Kind.SHRUNKEN_READ) if q.place == str(stream)]
        if not much and (not before or read >= before * share):
            for question in asked:
                approvals.decide(conn, store, question, Answer.OVERTAKEN, "throughline", "the read is whole again")
            if read:
                accept(conn, stream, read)
            return True
        told, mark = {"read": read, "before": before, **(facts or {})}, mark or content_hash([str(stream), read])
        _warn(stream, told, counts)
        for question in asked:
            if question.fingerprint != mark:
                approvals.decide(conn, store, question, Answer.OVERTAKEN, "throughline", "read again, and differs")
        place = (stream.connection, stream.resource)
        refused = bool(facts) and approvals.was_refused(conn, Kind.SHRUNKEN_READ, *place, mark)
        if not refused and not any(question.fingerprint == mark for question in asked):
            question = Question(Kind.SHRUNKEN_READ, None, *place, facts=told, fingerprint=mark, run_id=ctx.run_id)
            keep(conn, approvals.ask(conn, store, question).id)
    return False


def accept(conn: Connection, stream: Stream, read: int) -> None:
    """So many records are what a complete read of the stream brings from now on."""
    conn.execute(checkpoint.update().where(*_is(stream, "")).values(complete_count=read))


def strictest(ctx: Context, stream: Stream) -> tuple[float, list[Limit]]:
    """Of the syncs that read the stream: the share that a complete read must bring, and how many removals each lets pass."""
    limits = [sync.limits for sync in ctx.pins.syncs.values() if stream in sync.streams] or [Limits()]
    return max(each.shrunken for each in limits), [each.removals for each in limits]


def _warn(stream: Stream, told: Mapping[str, int | None], counts: Counts) -> None:
    if "missing" in told:
        what = f"no longer shows {told['missing']} of {told['known']} objects"
    else:
        what = f"returned {told['read']} records, {told['before']} the time before"
    counts.warn(f"{stream} {what}; nothing was deleted")


def _is(stream: Stream, backfill: str) -> tuple[Any, ...]:
    return (
        checkpoint.c.connection == stream.connection,
        checkpoint.c.resource == stream.resource,
        checkpoint.c.backfill == backfill,
    )
