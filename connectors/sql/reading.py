"""Reading a table or query in pages along its own order: by the column of change and the id, or by the id alone.

Each page is one statement that starts at the last row of the page before it, so nothing is held but a page, equal times
lose nothing wherever a page ends, and a read goes on after a crash. Cursor: {since} between reads; within one also
{begun, top, at: [place], rest}. It never passes the start of its read, whatever times the rows hold. Rows that have no
place in the order, without id or without time, come at the end of each read.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.sql import values
from connectors.sql.database import Database
from connectors.sql.settings import ID, SqlTable
from kernel.clock import SECOND, Clock
from kernel.errors import Stop
from kernel.ids import content_hash, derived_id
from kernel.records import Cursor, Json, Page, SourceRecord

PAGE = 1000
_NAMELESS = 5000
Window = tuple[int, int]


class Source:
    """One table or query as rows in an order."""

    def __init__(self, database: Database, spec: SqlTable, clock: Clock) -> None:
        self._database, self._spec, self._clock = database, spec, clock
        self._zone = ZoneInfo(spec.zone)
        self._order = ([spec.cursor] if spec.cursor else []) + list(spec.id)
        self._from = _selectable(spec, self._order)
        self._columns = [self._from.c[name] for name in self._order]

    def column(self, name: str) -> Any:
        """A column of the order, or that of our key."""
        return self._from.c[name]

    def select(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        """Every column of the rows that fit."""
        found: sa.Select[Any] = sa.select(sa.literal_column("t.*")).select_from(self._from)
        return found.where(*conditions) if conditions else found

    def record(self, raw: Json) -> SourceRecord:
        """A row as a record; one without an id is marked as a fault."""
        ids = [raw.get(name) for name in self._spec.id]
        if any(part is None or part == "" for part in ids):
            return _fault(raw, f"no {' + '.join(self._spec.id)}")
        id = joined(ids)
        if len(ids) > 1:
            raw = {**raw, ID: id}
        at = values.moment(raw.get(self._spec.updated_at), self._zone) if self._spec.updated_at else None
        mark = raw.get(self._spec.deleted) if self._spec.deleted else None
        return SourceRecord(id, raw, at, deleted=values.gone(mark))

    def records(self, conn: sa.Connection, statement: sa.Select[Any]) -> list[SourceRecord]:
        """The records of a statement, all at once."""
        found = conn.execute(statement)
        names = list(found.keys())
        return [self.record(values.row(names, row)) for row in found.fetchall()]

    def by_id(self, conn: sa.Connection, ids: Sequence[str]) -> dict[str, SourceRecord]:
        """The rows of some ids."""
        samples = self._sample(conn, self._spec.id)
        wanted = [one for id in ids if (one := _typed(_parted(id, len(self._spec.id)), samples)) is not None]
        columns = [self._from.c[name] for name in self._spec.id]
        if not wanted or samples[0] is None:  # nothing that could be meant, or nothing at all
            return {}
        if len(columns) == 1:
            fits: sa.ColumnElement[bool] = columns[0].in_([one[0] for one in wanted])
        else:
            fits = sa.or_(*(sa.and_(*(c == v for c, v in zip(columns, one, strict=True))) for one in wanted))
        return {record.id: record for record in self.records(conn, self.select(fits))}

    def pages(self, since: Cursor | None, window: Window | None) -> Iterator[Page]:
        """Pages from a cursor, or of a window of instants [from, to)."""
        going = dict(since or {})
        begun = going.get("begun") or self._clock.now()
        kept: Json = {"since": going.get("since"), "begun": begun, "top": going.get("top")}
        at, rest = going.get("at"), bool(going.get("rest"))
        page: list[SourceRecord] = []
        with self._database.reading() as conn:
            parts = [(self._columns, self._bounds(conn, values.restored(kept["since"]), window))]
            if self._spec.cursor and window is None:
                parts.append((self._columns[1:], [self._columns[0].is_(None)]))
            for n, (columns, bounds) in enumerate(parts):
                if n == 0 and rest:
                    continue
                more = True
                while more:
                    started = self._clock.now()
                    found, at, more = self._page(conn, columns, bounds, at)
                    page += found
                    if n == 0 and at and self._spec.cursor:
                        kept["top"] = at[0]
                    if more:
                        yield Page(page, {**kept, "at": at, **({"rest": True} if n else {})}, started)
                        page = []
                at = None
            page += self._nameless(conn) if window is None else []
        ended = {"since": self._end(kept["top"], kept["since"], begun)} if self._spec.cursor else {}
        yield Page(page, ended, started, last=True)

    def _page(
        self, conn: sa.Connection, columns: list[Any], bounds: list[sa.ColumnElement[bool]], at: list[Any] | None
    ) -> tuple[list[SourceRecord], list[Any] | None, bool]:
        """A page after a place: its records, the place of its last row, whether there is more."""
        place = [values.restored(one) for one in at] if at else None
        fits = [*(column.is_not(None) for column in columns), *bounds]
        fits += [_from_place(columns, place)] if place is not None else []
        keys = [column.label(f"_place{n}") for n, column in enumerate(columns)]
        found = conn.execute(self.select(*fits).add_columns(*keys).order_by(*columns).limit(PAGE + 1))
        names = list(found.keys())[: -len(keys)]
        rows = found.fetchall()
        more = len(rows) > PAGE
        if place is not None and rows and list(rows[0][-len(keys) :]) == place:
            rows = rows[1:]  # it is the last row of the page before
        if more and list(rows[-1][-len(keys) :]) == place:
            raise Stop(f"more than {PAGE} rows have one id; `id` names no unique column", cause="source_changed")
        records = []
        for row in rows[:PAGE]:
            record = self.record(values.row(names, row[: -len(keys)]))
            if list(row[-len(keys) :]) == place:
                record = _fault(record.raw, "its id is already used by another row")
            place = list(row[-len(keys) :])
            records.append(record)
        return records, [values.kept(one) for one in place] if place else None, more

    def _nameless(self, conn: sa.Connection) -> list[SourceRecord]:
        """Rows without an id: each is a fault."""
        lacking = sa.or_(*(self._from.c[name].is_(None) for name in self._spec.id))
        found = self.records(conn, self.select(lacking).limit(_NAMELESS + 1))
        if len(found) > _NAMELESS:
            raise Stop(f"more than {_NAMELESS} rows have no id; `id` names the wrong column", cause="source_changed")
        return found

    def _bounds(self, conn: sa.Connection, since: Any, window: Window | None) -> list[sa.ColumnElement[bool]]:
        if not self._spec.cursor:
            return []
        column = self._columns[0]
        if window is not None:
            (sample,) = self._sample(conn, [self._spec.cursor])
            low, high = (values.like(at, sample, self._zone) for at in window) if sample is not None else (None, None)
            return [column >= low, column < high] if sample is not None else [sa.false()]
        return [column >= self._back(since)] if since is not None else []

    def _back(self, since: Any) -> Any:
        """Where a read starts: the look-back before its cursor."""
        if self._spec.rising:
            return since - int(self._spec.lookback) if isinstance(since, int | Decimal) else since
        if isinstance(since, datetime):
            return since - timedelta(seconds=self._spec.lookback)
        at = values.moment(since, self._zone)
        return since if at is None else values.like(at - int(self._spec.lookback * SECOND), since, self._zone)

    def _end(self, told: Any, since: Any, begun: int) -> Any:
        """The cursor of the next read: the highest time seen, and never later than this read began."""
        top = values.restored(told)
        if top is None:
            return since
        at = None if self._spec.rising else values.moment(top, self._zone)
        return values.kept(top if at is None or at <= begun else values.like(begun, top, self._zone))

    def _sample(self, conn: sa.Connection, names: Sequence[str]) -> list[Any]:
        """A value of each column, to know how the database holds such values."""
        columns = [self._from.c[name] for name in names]
        query = sa.select(*columns).select_from(self._from).where(*(c.is_not(None) for c in columns)).limit(1)
        found = conn.execute(query).first()
        return list(found) if found is not None else [None] * len(names)


def _fault(raw: Json, told: str) -> SourceRecord:
    """A row that is no record; it is parked."""
    return SourceRecord(f"row-{derived_id(content_hash(raw))}", raw, fault=told)


def joined(ids: Sequence[Any]) -> str:
    """One id of the values of the id columns."""
    texts = [str(values.plain(one)) for one in ids]
    return texts[0] if len(texts) == 1 else "/".join(urllib.parse.quote(text, safe="") for text in texts)


def _parted(id: str, count: int) -> list[str]:
    return [id] if count == 1 else [urllib.parse.unquote(part) for part in id.split("/")]


def _typed(parts: Sequence[str], samples: Sequence[Any]) -> list[Any] | None:
    """Texts as their columns hold such values; None where one cannot be such a value, so that no row has it."""
    if len(parts) != len(samples):
        return None
    try:
        return [_as(text, sample) for text, sample in zip(parts, samples, strict=True)]
    except (ValueError, ArithmeticError):
        return None


def _as(text: str, sample: Any) -> Any:
    match sample:
        case bool():
            return text == "True"
        case int() | float() | Decimal() | UUID():
            return type(sample)(text)
        case datetime():
            return datetime.fromisoformat(text)
        case bytes() | memoryview():
            return bytes.fromhex(text)
    return text


def _selectable(spec: SqlTable, named: Sequence[str]) -> Any:
    """What is read from, its columns of the order quoted as they are written."""
    names = list(dict.fromkeys([*named, *([spec.key] if spec.writable else [])]))
    columns: list[Any] = [sa.column(sa.quoted_name(name, quote=True)) for name in names]
    if spec.table:
        schema, _, bare = spec.table.rpartition(".")
        place = sa.quoted_name(schema, quote=True) if schema else None
        return sa.table(sa.quoted_name(bare, quote=True), *columns, schema=place).alias("t")
    query = re.sub(r":(?=\w)", r"\\:", spec.query.strip().rstrip(";"))  # a colon in it is no parameter of ours
    return sa.text(query).columns(*columns).subquery("t")


def _from_place(columns: Sequence[Any], place: Sequence[Any]) -> sa.ColumnElement[bool]:
    """At or after a place, in the order of the columns, and so that an index on them is used."""
    first, value = columns[0], place[0]
    if len(columns) == 1:
        return sa.and_(first >= value)
    return sa.and_(first >= value, sa.or_(first > value, _from_place(columns[1:], place[1:])))
