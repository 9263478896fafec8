"""One database: its engine, its tables' columns, and its errors as ours, without the values they are about."""

from __future__ import annotations

import logging
import sqlite3
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from connectors.sql.settings import SqlSettings
from kernel.errors import BadSetting, Park, Retry, Stop, ThroughlineError, Unknown

# At DEBUG SQLAlchemy logs whole rows, whatever `hide_parameters` says.
logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)

_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
WRITABLE = frozenset({"sqlite", "postgresql"})
"""The dialects whose upsert by a unique key is used."""
_CONFLICT = frozenset({"23505", "23P01"})
_WAITING = frozenset(
    {"40001", "40P01", "55P03", "57014", "53300"}
)  # serialization, deadlock, lock, cancelled, too many
_CREDENTIAL = frozenset({"28000", "28P01"})
_NOT_THERE = frozenset({"42P01", "42703", "3D000", "3F000"})


class Database:
    """Opened when first asked for."""

    def __init__(self, settings: SqlSettings, connection: str) -> None:
        """`connection` names it in errors."""
        self.name, self._settings = connection, settings
        self._engine: sa.Engine | None = None
        self._tables: dict[str, sa.Table] = {}

    @property
    def engine(self) -> sa.Engine:
        """The engine. Raises BadSetting for an address that cannot be understood."""
        if self._engine is None:
            self._engine = self._made()
        return self._engine

    @property
    def dialect(self) -> str:
        """sqlite, postgresql, duckdb, …"""
        return str(self.engine.dialect.name)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for look-ups; nothing stays open between its statements."""
        with _fated(writing=False), self.engine.connect() as conn:
            # DuckDB knows no such level: there a read sees the file as it was when it began.
            yield conn if self.dialect == "duckdb" else conn.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction. What goes wrong before its commit was not applied; only a lost commit is in doubt."""
        with _fated(writing=False), self.engine.connect() as conn:
            transaction = conn.begin()
            try:
                yield conn
            except BaseException:
                transaction.rollback()
                raise
            with _fated(writing=True):
                transaction.commit()

    def table(self, name: str) -> sa.Table:
        """A table with its live columns and types, as first looked up."""
        if name not in self._tables:
            schema, _, bare = name.rpartition(".")
            with self.reading() as conn:
                try:
                    found = sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=conn, resolve_fks=False)
                except exc.NoSuchTableError:
                    raise Stop(f"{self.name}: there is no table {name}", cause="source_missing") from None
            self._tables[name] = found
        return self._tables[name]

    def forget(self) -> None:
        """Look the tables up anew when they are next asked for."""
        self._tables.clear()

    def close(self) -> None:
        """Release connections."""
        if self._engine is not None:
            self._engine.dispose()

    def _made(self) -> sa.Engine:
        try:
            url = make_url(self._settings.url.get_secret_value())
            url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
            return self._opened(url)
        except (exc.ArgumentError, exc.NoSuchModuleError, ModuleNotFoundError, ValueError):
            told = f"{self.name}: `url` is no address of a database whose driver is installed"
            raise BadSetting(told, field="url") from None

    def _opened(self, url: URL) -> sa.Engine:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url, self._settings.timeout)
        if url.get_backend_name() == "duckdb":
            # Read only, so that the file may be replaced beneath us; and a query reaches no other file.
            config = {"enable_external_access": "false", "autoinstall_known_extensions": "false"}
            return sa.create_engine(
                url, hide_parameters=True, poolclass=NullPool, connect_args={"read_only": True, "config": config}
            )
        told = {"connect_timeout": max(2, round(self._settings.timeout))}
        arguments = told if url.get_backend_name() in ("postgresql", "mysql", "mariadb") else {}
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)


def _sqlite(url: URL, timeout: float) -> sa.Engine:
    path = urllib.parse.quote(url.database or "")

    def connect() -> sqlite3.Connection:
        # `mode=rw`: a wrong path is told, not made. We begin ourselves: writers at once, not on their first change.
        raw = sqlite3.connect(
            f"file:{path}?mode=rw", uri=True, timeout=timeout, check_same_thread=False, isolation_level=None
        )
        raw.execute("PRAGMA foreign_keys=ON")
        return raw

    engine = sa.create_engine("sqlite://", creator=connect, hide_parameters=True, poolclass=NullPool)

    @sa.event.listens_for(engine, "begin")
    def _begin(conn: sa.Connection) -> None:
        if conn.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            conn.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _fated(*, writing: bool) -> Iterator[None]:
    try:
        yield
    except ThroughlineError:
        raise
    except exc.DBAPIError as error:
        raise fate(error, writing=writing) from None
    except (exc.SQLAlchemyError, sqlite3.Error) as error:
        raise Stop(f"the database layer refused: {type(error).__name__}", cause="wrong_request") from None


def fate(error: exc.DBAPIError, *, writing: bool) -> ThroughlineError:
    """A database's error as one of ours. `writing`: it came with the commit."""
    cause = error.orig
    state = str(getattr(cause, "sqlstate", None) or "")
    diagnosis = getattr(cause, "diag", None)
    if isinstance(error, exc.IntegrityError | exc.DataError):
        return _refused(cause, state, diagnosis)
    text = str(cause).lower()
    if state in _CREDENTIAL or "password authentication failed" in text:
        return Stop("the database refused the credential", cause="unauthorized")
    if state == "42501" or "readonly database" in text:
        return Stop("the database does not permit this", cause="forbidden")
    if state in _WAITING or "database is locked" in text:
        return Retry("the database is busy with the same rows", cause="locked")
    if state in _NOT_THERE or text.startswith(("no such", "catalog error", "binder error")):
        return Stop(f"the database has no such table or column{_named(text)}", cause="source_missing")
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or state.startswith(("08", "57P")):
        if writing:
            return Unknown("the connection was lost with the commit", cause="connection_lost")
        return Retry("the database cannot be reached", cause="unreachable")
    return Stop(f"the database refused the statement: {type(cause).__name__} {state}".strip(), cause="wrong_request")


def _refused(cause: Any, state: str, diagnosis: Any) -> Park:
    """What one row was refused for: constraint and column by name; the text would tell values."""
    if isinstance(cause, sqlite3.IntegrityError):  # "UNIQUE constraint failed: people.email"
        rule, _, place = str(cause).partition(": ")
        field = place.partition(",")[0].rpartition(".")[2]
        taken = rule.startswith("UNIQUE")
    else:
        rule = f"{type(cause).__name__} {getattr(diagnosis, 'constraint_name', None) or ''}".strip()
        field = str(getattr(diagnosis, "column_name", None) or "")
        taken = state in _CONFLICT
    told = f"the database refuses the row ({rule}{f', {field}' if field else ''})"
    return Park(told, cause="conflict" if taken else "refused", field=field)


@lru_cache(maxsize=64)
def _named(text: str) -> str:
    """`no such column: x`, as far as it names something."""
    _, colon, name = text.splitlines()[0].partition(": ") if text else ("", "", "")
    return f": {name}" if colon and name.replace("_", "").replace(".", "").isalnum() else ""
