"""What a complete read has shown so far, and what one missed: the only writer of `sighting`.

A read leaves one row a batch, in the transaction that lands the batch: eight bytes of each object's id. So it costs the
unchanged path next to nothing, and a read that was killed goes on with all that it saw. The eight bytes hold at least five
of a digest; two objects that share them are both taken as seen, which deletes one too few and never one too many.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, select

from journey.context import Context
from journey.syncs import Stream
from kernel.approvals import Question
from kernel.records import Cursor
from kernel.store import Store, bulk
from kernel.store.tables import approval, checkpoint, object_, sighting

_KEPT = 5000  # ids in a row of what is missing
_AT_ONCE = 10_000


class Sighting:
    """One complete read and what it showed. `sound`: every batch since its first is there, and every record had an id."""

    def __init__(self, stream: Stream, read: str, began: int, batches: int = 0, *, sound: bool = True) -> None:
        """`read`: the backfill that it is, '' for the stream's own; `batches`: landed so far; see `begin`."""
        self.stream, self.read, self.began, self.sound = stream, read, began, sound
        self._batches, self._next = batches, b""

    @classmethod
    def begin(cls, ctx: Context, stream: Stream, read: str, since: Cursor | None) -> Sighting:
        """A new read; or, from a cursor on, the one that was stopped there: unsound where any of its batches is not known."""
        if since is None:
            return cls(stream, read, ctx.store.clock.now())
        here = (checkpoint.c.connection == stream.connection, checkpoint.c.resource == stream.resource)
        with ctx.store.read() as conn:
            landed = conn.execute(select(checkpoint.c.seen).where(*here, checkpoint.c.backfill == read)).scalar()
            kept = select(sighting.c.began).where(*_of(stream, read)).order_by(sighting.c.n)
            began = list(conn.execute(kept).scalars())
        sound = bool(began) and landed == len(began)
        return cls(stream, read, began[0] if sound else 0, len(began), sound=sound)

    def look(self, object_ids: Collection[str], *, sound: bool) -> int | None:
        """Take note of a batch before it lands, perhaps again after a race. For the checkpoint: the batches then known."""
        self.sound &= sound
        self._next = bytes.fromhex("".join([each[16:] for each in object_ids]))
        return self._batches + 1 if self.sound else None

    def write(self, conn: Connection) -> None:
        """The batch, in the transaction that lands it. The first one of a read ends what an earlier read left."""
        if not self._batches:
            drop(conn, self.stream, self.read)
        if self.sound:
            bulk.insert(conn, sighting, [_row(self.stream, self.read, self._batches, self.began, self._next)])

    def landed(self) -> None:
        """The batch is written."""
        self._batches += 1

    def shown(self, conn: Connection) -> array[int]:
        """Every object seen, as the numbers its bytes make, in order. A million are eight megabytes."""
        found = array("Q")
        for packed in conn.execute(select(sighting.c.ids).where(*_of(self.stream, self.read))).scalars():
            found.frombytes(packed)
        return array("Q", sorted(found))


def unseen(conn: Connection, stream: Stream, shown: array[int]) -> tuple[list[str], int]:
    """Of the objects of a stream that are there as far as we know, the ids of those that were not shown; and how many there are."""
    missing, known, most = [], 0, len(shown)
    for ids in _live(conn, stream):
        known += len(ids)
        numbers = array("Q", bytes.fromhex("".join([each[16:] for each in ids])))
        for object_id, number in zip(ids, numbers, strict=True):
            at = bisect_left(shown, number)
            if at == most or shown[at] != number:
                missing.append(object_id)
    return missing, known


def _live(conn: Connection, stream: Stream) -> Iterator[list[str]]:
    """Objects that were landed and not deleted; one that was only ever parked waits for a person anyway.

    Straight from the driver, as every look-up of a whole batch: rows of SQLAlchemy's cost more than all the rest of a sweep.
    """
    there = (object_.c.deleted == 0, object_.c.version.is_not(None))
    query = select(object_.c.id).where(
        object_.c.connection == stream.connection, object_.c.resource == stream.resource, *there
    )
    with closing(conn.execute(query)) as result:
        assert result.cursor is not None
        while rows := result.cursor.fetchmany(_AT_ONCE):
            yield [row[0] for row in rows]


def keep(conn: Connection, stream: Stream, question: str, object_ids: Sequence[str], began: int) -> None:
    """Remember what a person is asked about: exactly these objects, missing from a read that began then."""
    rows = [
        _row(stream, question, start, began, bytes.fromhex("".join(object_ids[start : start + _KEPT])))
        for start in range(0, len(object_ids), _KEPT)
    ]
    bulk.insert(conn, sighting, rows)


def drop(conn: Connection, stream: Stream, read: str) -> None:
    """Forget a read, or what a question was about."""
    conn.execute(sighting.delete().where(*_of(stream, read)))


def kept(conn: Connection, stream: Stream, question: str) -> tuple[list[str], int]:
    """What a question is about: object ids in the order they were kept in, and when the read that missed them began."""
    columns = (sighting.c.ids, sighting.c.began)
    rows = conn.execute(select(*columns).where(*_of(stream, question)).order_by(sighting.c.n)).all()
    text = "".join(row.ids.hex() for row in rows)
    return [text[at : at + 32] for at in range(0, len(text), 32)], rows[0].began if rows else 0


def some(conn: Connection, question: Question, most: int) -> list[dict[str, str]]:
    """A few of the objects that a question is about, as a person is shown them: vendor ids and trace ids, no values."""
    if not question.facts.get("missing"):
        return []
    ids, _ = kept(conn, Stream(str(question.connection), str(question.resource)), question.id)
    rows = bulk.select_in(conn, object_, "id", ids[:most], ["vendor_id", "version"])
    return [{"vendor_id": row.vendor_id, "trace_id": row.version} for row in rows]


def questions(store: Store, stream: Stream) -> dict[str, str]:
    """By question that something is kept for: where it stands."""
    query = select(approval.c.id, approval.c.state).join(sighting, sighting.c.read == approval.c.id)
    here = (sighting.c.connection == stream.connection, sighting.c.resource == stream.resource)
    with store.read() as conn:
        return {row.id: row.state for row in conn.execute(query.where(*here).distinct()).all()}


def _row(stream: Stream, read: str, n: int, began: int, packed: bytes) -> dict[str, Any]:
    here = {"connection": stream.connection, "resource": stream.resource, "read": read}
    return {**here, "n": n, "began": began, "ids": packed}


def _of(stream: Stream, read: str) -> tuple[Any, ...]:
    here = (sighting.c.connection == stream.connection, sighting.c.resource == stream.resource)
    return (*here, sighting.c.read == read)
