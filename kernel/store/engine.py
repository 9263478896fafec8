"""The store: SQLite (WAL, FULL) by default, PostgreSQL when one machine is outgrown. Transactions are short and set-based."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from kernel.clock import Clock, ServerClock, SystemClock
from kernel.errors import Retry, Stop, ThroughlineError
from kernel.failpoints import failpoint
from kernel.store.migrate import upgrade
from kernel.vault import Vault

T = TypeVar("T")
_SERIALIZATION = {"40001", "40P01"}  # PostgreSQL: serialization failure, deadlock: the transaction may be run again
_TRIES = 8
_RACES = 20


class Raced(Retry):
    """Another worker changed what this transaction was computed from; it is computed again."""


def again_on_race(clock: Clock, what: str, work: Callable[[], T]) -> T:
    """Compute and write again what another worker changed under us, a little later each time and never in step with it."""
    for attempt in range(_RACES):
        try:
            return work()
        except Raced:
            clock.sleep(random.random() * 0.01 * 2 ** min(attempt, 6))
    raise Stop(f"{what}: other workers kept changing the same records", cause="raced")


class Store:
    """The database, its vault and its clock: what every room that keeps something is given."""

    def __init__(self, engine: Engine, vault: Vault, clock: Clock | None = None) -> None:
        """Use `open_store`, which also migrates."""
        self.engine, self.vault, self.clock = engine, vault, clock or SystemClock()
        self.sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for look-ups; each statement sees the newest committed state."""
        with _storage_errors(), self.engine.connect() as conn:
            yield conn.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self, point: str = "") -> Iterator[Connection]:
        """One short transaction; on SQLite it begins IMMEDIATE. `point` names its crash points for the tests."""
        with _storage_errors(), self.engine.connect() as conn, conn.begin():
            yield conn
            failpoint(f"{point}.before_commit") if point else None
        if point:
            failpoint(f"{point}.committed")

    def transact(self, work: Callable[[Connection], T], point: str = "") -> T:
        """Run `work` in a transaction, again when the database asks for it (deadlock, serialization)."""
        for attempt in range(_TRIES):
            try:
                with self.write(point) as conn:
                    return work(conn)
            except _Again:
                self.clock.sleep(0.01 * 2**attempt)
        raise Stop("the database refused the same transaction again and again (deadlocks)", cause="store_unavailable")

    def seal(self, table: Table, key: str, value: Any) -> bytes:
        """A JSON value, sealed for one row of one table."""
        return self.vault.seal(orjson.dumps(value), f"{table.name}|{key}")

    def open(self, table: Table, key: str, sealed: bytes | None) -> Any:
        """The JSON value of a sealed column; None where it was pruned."""
        return None if sealed is None else orjson.loads(self.vault.open(sealed, f"{table.name}|{key}"))

    def close(self) -> None:
        """Release connections."""
        self.engine.dispose()


class _Again(Exception):
    """The database asked for the transaction to be run again."""


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Database trouble as one of our errors, without the statement's parameters (they may be personal)."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in _SERIALIZATION:
            raise _Again from None
        raise Stop(f"the store cannot be used: {str(error.orig).splitlines()[0]}", cause="store_unavailable") from None
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _SERIALIZATION:
            raise _Again from None
        raise ThroughlineError(
            f"the store refused a statement: {type(error.orig).__name__}", cause="store_refused"
        ) from error


def _refusal(error: BaseException | None) -> str:
    """What was refused, in names of tables, columns and constraints; never the values."""
    diagnosis = getattr(error, "diag", None)  # PostgreSQL's
    if diagnosis is not None:
        return f"{type(error).__name__} {diagnosis.constraint_name or diagnosis.column_name or ''}".strip()
    return str(error) if isinstance(error, sqlite3.IntegrityError) else type(error).__name__


def open_store(url: str, vault: Vault, clock: Clock | None = None) -> Store:
    """Connect, migrate to the newest schema, and return the store. `url` is SQLAlchemy's; SQLite files are made."""
    engine = (
        _sqlite_engine(url)
        if url.startswith("sqlite")
        else create_engine(url, pool_pre_ping=True, hide_parameters=True)
    )
    with _storage_errors():
        upgrade(engine)
        if clock is None and engine.dialect.name == "postgresql":
            clock = ServerClock(partial(_server_time, engine))
    return Store(engine, vault, clock)


_SERVER_TIME = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


def _server_time(engine: Engine) -> int:
    """The instant by the database server (µs since the epoch)."""
    with engine.connect() as conn:
        return int(conn.execute(_SERVER_TIME).scalar_one())


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def _sqlite_engine(url: str) -> Engine:
    # Last in, first out: a commit by one connection empties the page cache of every other, so the same one goes on.
    options = {"pool_use_lifo": True, "connect_args": {"timeout": 30, "check_same_thread": False}}
    engine = create_engine(url, hide_parameters=True, **options)

    @event.listens_for(engine, "connect")
    def _configure(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # we begin ourselves: IMMEDIATE for writes
        raw.execute("PRAGMA page_size=8192")  # of a new file: records of about a kilobyte fill these better
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA cache_size=-20000")  # a process keeps two connections
        raw.execute("PRAGMA wal_autocheckpoint=8000")  # 64 MB: pages that batch after batch changes are copied once

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        if conn.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            conn.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
