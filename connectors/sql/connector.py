"""SQL: any table or query as a source, any table of SQLite or PostgreSQL as a target, by SQLAlchemy.

Facts (SQLite 3.45, PostgreSQL 16, DuckDB 2.0; tried here): a transaction that was not committed leaves nothing, so only
a lost commit is in doubt; `INSERT … ON CONFLICT (key) DO UPDATE` makes no second row under a unique index on our key
(class A). A row is seen when its transaction commits, but carries the time it was changed at: `lookback` covers the
longest transaction. DuckDB files are opened read only, and anew for each read, because the warehouse's file is replaced
whole; SQLAlchemy 2.1 cannot reflect DuckDB, so its columns are asked of information_schema. Not confirmed: dialects other
than these three; they are read by the same statements and not written.
A database usually stands in a private network: the rule that connections lead to public addresses only is HTTP's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy import exc

from connectors.base import Connector, Resource
from connectors.batches import refusing
from connectors.http import Http
from connectors.looks import looked
from connectors.sql.database import WRITABLE, Database
from connectors.sql.reading import Source, Window
from connectors.sql.settings import SqlSettings, SqlTable
from connectors.sql.writing import Target
from kernel.errors import Stop, ThroughlineError
from kernel.records import Check, Cursor, FieldInfo, Page, SourceRecord, WriteItem, WriteOutcome

_KINDS: tuple[tuple[type[Any], str], ...] = (
    (sa.Enum, "picklist"),
    (sa.JSON, "json"),
    (sa.ARRAY, "json"),
    (sa.Boolean, "boolean"),
    (sa.DateTime, "datetime"),
    (sa.Date, "date"),
    (sa.Integer, "number"),
    (sa.Numeric, "number"),
)
_WORDS = (("BOOL", "boolean"), ("TIMESTAMP", "datetime"), ("DATE", "date"), ("JSON", "json"), ("[]", "json"))
_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "NUMERIC", "REAL")


class Sql(Connector):
    """Tables and queries of one SQL database: read by change or whole; tables of SQLite and PostgreSQL are written too."""

    system: ClassVar[str] = "sql"
    Settings = SqlSettings
    resources: ClassVar[Mapping[str, Resource]] = {}
    """Filled per connection: its tables are its resources."""
    setup = (
        "Make a user of the database that may read the tables, and write those that are targets and nothing else.",
        "Put the URL with its password into a variable or a Secret block, and name that in connections.yaml.",
        "Name each table or query with its id, and with the column of its last change where there is one; index both.",
        "For a target let `throughline check --fix` add the column for our key, or add it with a unique index.",
    )
    permissions = ("SELECT", "INSERT", "UPDATE", "DELETE", "ALTER (only to let us add the key's column)")

    def __init__(self, settings: SqlSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._database = Database(settings, http.connection)
        self._sources: dict[str, Source] = {}
        self.resources = {  # type: ignore[misc]  # a database's resources are not known to the class
            name: table.resource(name) for name, table in settings.tables.items()
        }

    @classmethod
    def promised(cls, written: Mapping[str, Any]) -> Mapping[str, Resource]:
        """The tables, as the connection describes them."""
        tables = written.get("tables")
        described = tables if isinstance(tables, Mapping) else {}
        return {name: SqlTable.model_validate(told).resource(name) for name, told in described.items()}

    @classmethod
    def build_http(cls, settings: SqlSettings, **options: Any) -> Http:
        """Reaches nobody: databases do not speak HTTP."""
        return Http(base_url="", **options)

    def check(self) -> list[Check]:
        """The database, and every resource: there, readable, with its columns, and our key unique where it is written."""
        reached = looked("connect", self._reach, "correct the address, the credential or the network to it")
        if not reached.ok:
            return [reached]
        checks = [reached]
        for name, spec in self.settings.tables.items():
            fix = "correct the table or query, its columns, or the user's permission to read it"
            checks.append(looked(f"read {name}", self._asking(name), fix))
            if spec.writable and checks[-1].ok:
                fix = f"throughline check --fix adds {spec.key} and a unique index on it"
                checks.append(looked(f"write {name}", self._keyed(name), fix))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """The live columns of a table; of a query those of its result, untyped."""
        self.declared(resource)
        spec: SqlTable = self.settings.tables[resource]
        if spec.query or self._database.dialect == "duckdb":
            return self._described(resource, spec)
        self._database.forget()
        table = self._database.table(spec.table)
        unique = {index.columns[0].name for index in table.indexes if index.unique and len(index.columns) == 1}
        return [
            FieldInfo(
                column.name,
                next((told for kind, told in _KINDS if isinstance(column.type, kind)), "string"),
                required=not column.nullable and column.server_default is None,
                read_only=not spec.writable or column.name in spec.read_only or column.computed is not None,
                unique=column.primary_key or column.name in unique,
                max_length=getattr(column.type, "length", None),
                values=tuple(getattr(column.type, "enums", ())),
            )
            for column in table.columns
        ]

    def read(self, resource: str, since: Cursor | None, *, window: Window | None = None) -> Iterator[Page]:
        """Pages from a cursor or of a window of instants."""
        declared = self.declared(resource)
        if window is not None and not declared.backfill:
            raise Stop(f"{resource} has no times: it cannot be read by a window of time")
        yield from self._source(resource).pages(since, window)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named rows as they are now; a missing one is a tombstone."""
        source = self._source(resource)
        with self._database.reading() as conn:
            found = source.by_id(conn, ids)
        return [found.get(id, SourceRecord(id, {}, deleted=True)) for id in ids]

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """The batch in one transaction, halved where a row is refused."""
        target = self._target(resource)
        return refusing(self.settings.tables[resource].read_only, batch, target.write)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """The rows that hold our keys."""
        target = self._target(resource)
        with self._database.reading() as conn:
            return target.found(conn, ext_keys)

    def ensure_key(self, resource: str) -> bool:
        """Add the column for our key and a unique index on it, where they are missing."""
        spec: SqlTable = self.settings.tables[resource]
        if not spec.writable or self._unique(spec):
            return False
        with self._database.writing() as conn:
            table = self._database.table(spec.table)
            quote = conn.dialect.identifier_preparer
            place, key = quote.format_table(table), quote.quote(spec.key)
            if spec.key not in table.c:
                conn.exec_driver_sql(f"ALTER TABLE {place} ADD COLUMN {key} VARCHAR(64)")
            name = quote.quote(f"uq_{table.name}_{spec.key}"[:60])
            conn.exec_driver_sql(f"CREATE UNIQUE INDEX {name} ON {place} ({key})")
        self._database.forget()
        return True

    def close(self) -> None:
        """Release connections."""
        self._database.close()
        super().close()

    def _source(self, resource: str) -> Source:
        self.declared(resource)
        if resource not in self._sources:
            self._sources[resource] = Source(self._database, self.settings.tables[resource], self.http.clock)
        return self._sources[resource]

    def _target(self, resource: str) -> Target:
        if self.declared(resource).write is None:
            raise Stop(f"{resource} is not writable", cause="not_writable")
        return Target(self._database, self.settings.tables[resource], self._source(resource), self.http.clock)

    def _reach(self) -> None:
        with self._database.reading() as conn:
            conn.execute(sa.select(sa.literal(1)))

    def _asking(self, resource: str) -> Callable[[], None]:
        def ask() -> None:
            with self._database.reading() as conn:
                self._source(resource).by_id(conn, [""])  # names every id column, and finds nothing
                next(iter(self._source(resource).pages(None, None)))

        return ask

    def _keyed(self, resource: str) -> Callable[[], None]:
        def ask() -> None:
            spec = self.settings.tables[resource]
            if self._database.dialect not in WRITABLE:
                raise Stop(f"{self._database.dialect} is only read here", cause="not_writable")
            if not self._unique(spec):
                raise Stop(f"{spec.table}.{spec.key} is not there, or not unique", cause="no_key")

        return ask

    def _unique(self, spec: SqlTable) -> bool:
        """Whether the column for our key is there and unique by itself."""
        self._database.forget()
        table = self._database.table(spec.table)
        with self._database.reading() as conn:
            schema, _, bare = spec.table.rpartition(".")
            inspector = sa.inspect(conn)
            sets: list[list[str | None]] = []
            sets += [list(one["column_names"]) for one in inspector.get_unique_constraints(bare, schema or None)]
            sets += [list(one["column_names"]) for one in inspector.get_indexes(bare, schema or None) if one["unique"]]
        return spec.key in table.c and ([spec.key] in sets or [c.name for c in table.primary_key] == [spec.key])

    def _described(self, resource: str, spec: SqlTable) -> list[FieldInfo]:
        types: dict[str, str] = {}
        with self._database.reading() as conn:
            names = list(conn.execute(self._source(resource).select().limit(0)).keys())
            if spec.table:
                try:
                    found = conn.execute(_COLUMNS, {"name": spec.table.rpartition(".")[2]})
                    types = {str(name): str(kind) for name, kind in found}
                except (exc.DBAPIError, ThroughlineError):
                    types = {}
        return [FieldInfo(name, _kind(types.get(name, "")), read_only=True) for name in names]


_COLUMNS = sa.text("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = :name")


def _kind(told: str) -> str:
    found = next((kind for word, kind in _WORDS if word in told.upper()), "")
    return found or ("number" if any(word in told.upper() for word in _NUMBERS) else "string")
