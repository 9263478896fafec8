"""Practising with a database: a SQLite file, or the PostgreSQL that THROUGHLINE_PRACTICE_SQL names; two tables of a shop."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import psycopg

from sandbox.practice import Practice, Written
from sandbox.simulator import Simulator
from sandbox.state import Json

TABLES = (
    "CREATE TABLE accounts (id {serial}, name VARCHAR(80) NOT NULL, employees INTEGER)",
    "CREATE TABLE contacts (id {serial}, email VARCHAR(120) UNIQUE, first_name VARCHAR(40), last_name VARCHAR(80), "
    "orders INTEGER, spent NUMERIC(12, 2), created_by VARCHAR(20), account_id INTEGER REFERENCES accounts (id), "
    "deleted_at {time}, updated_at {time} DEFAULT CURRENT_TIMESTAMP)",
)


class SqlPractice(Practice):
    """One database; people work in it by SQL of their own."""

    system = "sql"
    main = "contacts"
    page = 1000
    credential = address = "url"
    secret = ""
    scopes = False
    keyed = "throughline_key"
    edit: ClassVar[Mapping[str, str]] = {"contacts": "first_name", "accounts": "name"}
    links: ClassVar[Mapping[str, str]] = {"account_id": "account_id"}
    written: ClassVar[Mapping[str, Written]] = {
        "contacts": Written(
            {"email": "p{n}@example.com", "first_name": "Ann", "last_name": "Lee", "orders": 3, "spent": "12.50"},
            {"first_name": "Eve"},
            clear="last_name",
            refused={"orders": "several"},
            too_long={"first_name": "x" * 41},
            taken="email",
            parent=("account_id", "accounts"),
        ),
        "accounts": Written(
            {"name": "Company {n}", "employees": 5}, {"name": "Other"}, clear="employees", too_long={"name": "x" * 81}
        ),
    }

    servers: ClassVar[dict[str, Any]] = {}
    """The one connection of ours to each server; whoever names a server closes it."""

    def __init__(self, sim: Simulator | None, folder: Path) -> None:
        super().__init__(sim, folder)
        self._now: Callable[[], int] = lambda: 0
        self._lag = 0.0
        self._late: list[tuple[int, str, list[Any]]] = []
        self._server = os.environ.get("THROUGHLINE_PRACTICE_SQL", "")
        self._made = 0
        self._db: Any = None
        if self._server:
            if self._server not in self.servers:
                self.servers[self._server] = psycopg.connect(self._server.replace("+psycopg", ""))
            self._db = self.servers[self._server]
            self._db.rollback()
            self._run("DROP TABLE IF EXISTS contacts")
            self._run("DROP TABLE IF EXISTS accounts")
            types = {"serial": "SERIAL PRIMARY KEY", "time": "TIMESTAMPTZ"}
        else:
            self._path = folder / "practice.db"
            self._path.unlink(missing_ok=True)
            self._db = sqlite3.connect(self._path, timeout=30)
            types = {"serial": "INTEGER PRIMARY KEY", "time": "DATETIME"}
        for table in TABLES:
            self._run(table.format(**types))
        self.flush()

    def tell_time(self, now: Callable[[], int]) -> None:
        """Rows are stamped by it."""
        self._now = now

    def settings(self) -> Json:
        """The address and the tables."""
        tables = {
            "contacts": {
                "table": "contacts",
                "id": "id",
                "updated_at": "updated_at",
                "deleted": "deleted_at",
                "writable": True,
                "references": {"account_id": "accounts"},
                "read_only": ["created_by"],
            },
            "accounts": {"table": "accounts", "id": "id", "writable": True},
        }
        return {"url": self._server or f"sqlite:///{quote(str(self._path))}", "tables": tables}

    def prepare(self, connector: Any) -> None:
        """The column for our key is added."""
        for resource in self.written:
            connector.ensure_key(resource)

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """One more column."""
        self._run(f"ALTER TABLE {resource} ADD COLUMN score INTEGER")
        self.flush()
        return "score", "number", ()

    def make(self, resource: str, n: int) -> str:
        """One more row, shown late where there is a lag."""
        told: Json = {"name": f"Made {n}"}
        if resource == "contacts":
            told = {"email": f"made{n}@example.com", "first_name": "Ann", "updated_at": self._stamp()}
        names = ", ".join(told)
        if self._lag:
            self._made += 1
            id, values = str(1_000_000 + self._made), [1_000_000 + self._made, *told.values()]
            insert = f"INSERT INTO {resource} (id, {names}) VALUES ({', '.join('?' * len(values))})"
            self._late.append((self._now() + int(self._lag * 1_000_000), insert, values))
            return id
        insert = f"INSERT INTO {resource} ({names}) VALUES ({', '.join('?' * len(told))}) RETURNING id"
        return str(self._run(insert, list(told.values()))[0][0])

    def stranger(self, resource: str, name: str, value: Any) -> str:
        """A row of somebody else."""
        found = str(self._run(f"INSERT INTO {resource} ({name}) VALUES (?) RETURNING id", [value])[0][0])
        self.flush()
        return found

    def change(self, resource: str, id: str, n: int) -> None:
        """Another name."""
        stamp = ", updated_at = ?" if resource == "contacts" else ""
        values = [f"Changed {n}", *([self._stamp()] if stamp else []), int(id)]
        self._run(f"UPDATE {resource} SET {self.edit[resource]} = ?{stamp} WHERE id = ?", values)

    def remove(self, resource: str, id: str) -> None:
        """A person is marked; a company is gone."""
        if resource == "contacts":
            stamp = self._stamp()
            self._run("UPDATE contacts SET deleted_at = ?, updated_at = ? WHERE id = ?", [stamp, stamp, int(id)])
        else:
            self._run(f"DELETE FROM {resource} WHERE id = ?", [int(id)])

    def vanish(self, resource: str) -> None:
        """An empty table."""
        self._run(f"DELETE FROM {resource}")

    def lag(self, seconds: float) -> None:
        """Rows are committed so much later than they are stamped."""
        self._lag = seconds
        self.flush()

    def flush(self) -> None:
        """Commit, and show what is due."""
        due = [one for one in self._late if not self._lag or one[0] <= self._now()]
        self._late = [one for one in self._late if one not in due]
        for _, insert, values in due:
            self._run(insert, values)
        self._db.commit()

    def ids(self, resource: str) -> Sequence[str]:
        """Every row's."""
        return [str(id) for (id,) in self._run(f"SELECT id FROM {resource} ORDER BY id")]

    def ours(self, resource: str, ext_key: str) -> list[str]:
        """By our key's column."""
        return [str(id) for (id,) in self._run(f"SELECT id FROM {resource} WHERE throughline_key = ?", [ext_key])]

    def get(self, resource: str, id: str) -> Json | None:
        """The row, unless it is marked as gone."""
        cursor = self._db.execute(self._sql(f"SELECT * FROM {resource} WHERE id = ?"), [int(id)])
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        self._db.commit()
        found = {name: _plain(value) for name, value in rows[0].items()} if rows else {}
        return None if not found or found.get("deleted_at") else found

    def losing(self, connector: Any, *, applied: bool) -> AbstractContextManager[None] | None:
        """The connection breaks with the commit."""
        return _breaking(connector._database.engine, applied)

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._now() / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + (
            "+00" if self._server else ""
        )

    def _sql(self, text: str) -> str:
        return text.replace("?", "%s") if self._server else text

    def _run(self, text: str, values: Sequence[Any] = ()) -> list[Any]:
        cursor = self._db.execute(self._sql(text), values)
        rows = cursor.fetchall() if cursor.description else []
        if text.startswith("SELECT"):
            self._db.commit()  # our look is no transaction that others wait for
        return list(rows)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | None) else str(value)


@contextmanager
def _breaking(engine: Any, applied: bool) -> Iterator[None]:
    """Every commit of an engine ends in an error of its driver, carried out before or not at all."""
    dialect = engine.dialect
    carried_out = dialect.do_commit

    def broken(connection: Any) -> None:
        if applied:
            carried_out(connection)
        else:
            dialect.do_rollback(connection)
        raise dialect.loaded_dbapi.OperationalError("the connection broke")

    dialect.do_commit = broken
    try:
        yield
    finally:
        dialect.do_commit = carried_out
