"""Writing a batch to a table in one transaction: what is there is updated by its id, the rest upserted by our key.

A row that the database refuses is found by halving the batch. Nothing of a transaction stays before its commit, so a
lost connection is harmless unless it was lost with the commit; and even then the same batch again makes no second row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from connectors.batches import Indexed, Outcomes
from connectors.sql import values
from connectors.sql.database import WRITABLE, Database
from connectors.sql.reading import Source, joined
from connectors.sql.settings import SqlTable
from kernel.clock import Clock
from kernel.errors import Park, Stop
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome

_GONE = (Action.DELETE, Action.ARCHIVE)


class Target:
    """One table to write."""

    def __init__(self, database: Database, spec: SqlTable, source: Source, clock: Clock) -> None:
        """Raises Stop for a database whose upsert nobody wrote here yet."""
        if database.dialect not in WRITABLE:
            raise Stop(f"{database.dialect} is only read here; written are: {', '.join(sorted(WRITABLE))}")
        self._database, self._spec, self._source, self._clock = database, spec, source, clock
        self.table = database.table(spec.table)
        self._id = self._column(spec.id[0])
        self._key = self._column(spec.key)

    def write(self, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One outcome per item, in order."""
        outcomes = Outcomes(batch)
        fitting: Indexed = []
        rows: dict[int, Json] = {}
        for n, item in outcomes.items:
            try:
                rows[n] = self._row(item)
                fitting.append((n, item))
            except Park as error:
                error.trace_id = item.trace_id
                outcomes.settle(n, WriteOutcome(error=error))
        outcomes.each(fitting, lambda items: self._send(items, rows, outcomes))
        return outcomes.in_order()

    def found(self, conn: sa.Connection, keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """The rows that hold our keys."""
        found: dict[str, list[SourceRecord]] = {key: [] for key in keys}
        for record in self._source.records(
            conn, self._source.select(self._source.column(self._spec.key).in_(list(keys)))
        ):
            found.setdefault(str(record.raw.get(self._spec.key)), []).append(record)
        return found

    def _column(self, name: str) -> sa.Column[Any]:
        if name not in self.table.c:
            told = f"{self._spec.table} has no column {name}"
            raise Stop(f"{told}; throughline check --fix adds it" if name == self._spec.key else told, cause="no_key")
        return self.table.c[name]

    def _row(self, item: WriteItem) -> Json:
        """The columns an item sets, fitted. Raises Park for what cannot be written."""
        told = {} if item.action in _GONE else dict(item.fields)
        for name, (_, vendor_id) in item.refs.items():
            told[name] = None if item.action is Action.DISSOCIATE else vendor_id
        row: Json = {}
        for name, value in told.items():
            if name not in self.table.c:
                raise Park(f"{self._spec.table} has no column {name}", cause="refused", field=name)
            row[name] = values.fitted(value, self.table.c[name])
        if item.action is Action.ARCHIVE:
            row[self._spec.deleted] = self._mark(self.table.c[self._spec.deleted])
        return row

    def _mark(self, column: sa.Column[Any]) -> Any:
        now = datetime.fromtimestamp(self._clock.now() / 1_000_000, UTC)
        if isinstance(column.type, sa.DateTime | sa.Date):
            return values.fitted(now.isoformat(), column)
        return True if isinstance(column.type, sa.Boolean) else values.fitted("1", column)

    def _send(self, items: Indexed, rows: dict[int, Json], outcomes: Outcomes) -> None:
        settled: dict[int, WriteOutcome] = {}
        with self._database.writing() as conn:
            there = self._there(conn, [item for _, item in items])
            updates: list[tuple[Any, Json]] = []
            creates: list[Json] = []
            gone: list[Any] = []
            ids: dict[int, Any] = {}
            for n, item in items:
                ids[n] = at = self._at(item, there)
                if item.action is Action.DELETE:
                    gone += [at] if at is not None else []
                elif at is not None:
                    updates.append((at, {**rows[n], self._key.name: item.ext_key}))
                elif item.vendor_id is not None or item.action in (Action.ARCHIVE, Action.DISSOCIATE):
                    settled[n] = _missing(item)
                else:
                    creates.append({**rows[n], self._key.name: item.ext_key})
            self._update(conn, updates)
            self._create(conn, creates)
            if gone:
                conn.execute(sa.delete(self.table).where(self._id.in_(gone)))
            shown = self._shown(conn, [item for _, item in items if item.action is not Action.DELETE])
        for n, item in items:
            outcomes.settle(n, settled.get(n) or _outcome(item, ids[n], shown.get(item.ext_key)))

    def _there(self, conn: sa.Connection, items: Sequence[WriteItem]) -> dict[str, tuple[Any, Any]]:
        """(id, our key) of the rows that are there, by the text of their id and by `key:` and their key."""
        keys = [item.ext_key for item in items]
        ids = [id for item in items if item.vendor_id is not None and (id := self._typed(item.vendor_id)) is not None]
        query = sa.select(self._id, self._key).where(sa.or_(self._key.in_(keys), self._id.in_(ids)))
        found: dict[str, tuple[Any, Any]] = {}
        for id, key in conn.execute(query):
            found[joined([id])] = (id, key)
            found[f"key:{key}"] = (id, key)
        return found

    def _typed(self, vendor_id: str) -> Any:
        try:
            return values.fitted(vendor_id, self._id)
        except Park:  # no row can have it
            return None

    def _at(self, item: WriteItem, there: dict[str, tuple[Any, Any]]) -> Any:
        """The id of the row an item is about; None where there is none. Raises Park where it is another record's."""
        if item.vendor_id is None:
            return there.get(f"key:{item.ext_key}", (None, None))[0]
        id, key = there.get(item.vendor_id, (None, None))
        if id is not None and key not in (None, "", item.ext_key):
            told = "the row carries another key of ours"
            raise Park(told, cause="conflict", field=self._key.name, trace_id=item.trace_id)
        return id

    def _update(self, conn: sa.Connection, updates: Sequence[tuple[Any, Json]]) -> None:
        for names, rows in _alike(updates):
            which = self._id == sa.bindparam("_at", type_=self._id.type)
            sets = {name: sa.bindparam(f"_{name}", type_=self.table.c[name].type) for name in names}
            bound = [{"_at": at, **{f"_{name}": row[name] for name in names}} for at, row in rows]
            conn.execute(sa.update(self.table).where(which).values(sets), bound)

    def _create(self, conn: sa.Connection, creates: Sequence[Json]) -> None:
        make: Any = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        for names, rows in _alike([(None, row) for row in creates]):
            insert = make(self.table)
            sets = {name: insert.excluded[name] for name in names}
            conn.execute(insert.on_conflict_do_update(index_elements=[self._key], set_=sets), [row for _, row in rows])

    def _shown(self, conn: sa.Connection, items: Sequence[WriteItem]) -> dict[str, SourceRecord]:
        """The rows as they are now, by our key."""
        found = self.found(conn, [item.ext_key for item in items]) if items else {}
        return {key: records[0] for key, records in found.items() if records}


def _alike(rows: Sequence[tuple[Any, Json]]) -> list[tuple[tuple[str, ...], list[tuple[Any, Json]]]]:
    """Rows put together that set the same columns: one statement each."""
    groups: dict[tuple[str, ...], list[tuple[Any, Json]]] = {}
    for at, row in rows:
        groups.setdefault(tuple(sorted(row)), []).append((at, row))
    return list(groups.items())


def _missing(item: WriteItem) -> WriteOutcome:
    return WriteOutcome(error=Park("the row is not there", cause="not_found", trace_id=item.trace_id))


def _outcome(item: WriteItem, id: Any, shown: SourceRecord | None) -> WriteOutcome:
    if item.action is Action.DELETE:
        told = item.vendor_id if id is None else joined([id])
        return WriteOutcome(told) if told is not None else _missing(item)
    if shown is None:
        return _missing(item)
    created = id is None if item.action is Action.UPSERT else None
    record = None if shown.deleted or shown.fault else shown
    return WriteOutcome(shown.id, record=record, created=created)
