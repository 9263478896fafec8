"""SQL: every row comes out once whatever its place in the order, every write is single, and no value is told in an error."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import open_connector
from connectors.sql import Sql
from connectors.sql.reading import PAGE
from kernel.errors import BadSetting, Park, Retry, Stop, Unknown
from kernel.ids import content_hash
from kernel.records import Action, Cursor, SourceRecord, WriteItem
from tests.conftest import FakeClock

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z


def opened(url: str, clock: Any = None, **tables: Any) -> Sql:
    connector = open_connector(Sql, {"url": url, "tables": tables}, connection="db", clock=clock or FakeClock())
    assert isinstance(connector, Sql)
    return connector


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A SQLite file, to work in as somebody else."""
    found = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    found.execute("CREATE TABLE t (id, at, name)")
    yield found
    found.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Its address."""
    return f"sqlite:///{tmp_path}/a.db"


def everything(connector: Sql, resource: str = "t", since: Cursor | None = None) -> list[SourceRecord]:
    return [record for page in connector.read(resource, since) for record in page.records]


def interrupted(connector: Sql, resource: str = "t") -> tuple[list[SourceRecord], Cursor]:
    """Read one page at a time, each time from the cursor before."""
    found: list[SourceRecord] = []
    cursor: Cursor | None = None
    for _ in range(200):
        page = next(iter(connector.read(resource, cursor)))
        found, cursor = found + page.records, page.cursor
        if page.last:
            return found, page.cursor
    raise AssertionError("it does not end")


def item(key: str, action: Action = Action.UPSERT, vendor_id: str | None = None, **fields: Any) -> WriteItem:
    return WriteItem(action, key, content_hash([key, fields]), fields, vendor_id)


TIMES = st.none() | st.integers(0, 3).map(lambda n: f"2026-03-0{n + 1} 10:00:00")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.none() | st.integers(0, 40), TIMES), max_size=60))
def test_no_row_is_lost_or_doubled_wherever_pages_end(rows: list[tuple[int | None, str | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch, __import__("tempfile").TemporaryDirectory() as folder:
        patch.setattr("connectors.sql.reading.PAGE", 7)
        con = sqlite3.connect(f"{folder}/a.db", isolation_level=None)
        con.execute("CREATE TABLE t (id, at, name)")
        distinct = list(dict.fromkeys(rows))
        con.executemany("INSERT INTO t VALUES (?, ?, ?)", [(id, at, f"{n}") for n, (id, at) in enumerate(distinct)])
        con.close()
        connector = opened(f"sqlite:///{folder}/a.db", t={"table": "t", "id": "id", "updated_at": "at"})
        wanted = sorted(f"{n}" for n in range(len(distinct)))
        assert sorted(record.raw["name"] for record in everything(connector)) == wanted
        found, _ = interrupted(connector)
        assert sorted({record.raw["name"] for record in found}) == wanted
        faults = [record for record in found if record.fault]
        assert {record.raw["name"] for record in faults} == {f"{n}" for n, (id, _) in enumerate(distinct) if id is None}


def test_an_id_used_twice_is_told_and_too_many_stop_the_stream(db: sqlite3.Connection, url: str) -> None:
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, None, "a"), (1, None, "b"), (2, None, "c")])
    connector = opened(url, t={"table": "t", "id": "id"})
    assert [record.fault for record in everything(connector)] == ["", "its id is already used by another row", ""]
    db.executemany("INSERT INTO t VALUES (3, ?, 'x')", [(None,)] * (2 * PAGE + 2))
    with pytest.raises(Stop, match="no unique column"):
        everything(connector)


def test_a_cursor_never_passes_the_start_of_its_read_and_looks_back(db: sqlite3.Connection, url: str) -> None:
    clock = FakeClock(NOW)
    rows = [(1, "2026-09-21 13:40:00", "a"), (2, "2026-09-21 14:13:00", "b"), (3, "2199-01-01 00:00:00", "future")]
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    connector = opened(url, clock, t={"table": "t", "id": "id", "updated_at": "at", "lookback": 60})
    (page,) = connector.read("t", None)
    assert page.cursor == {"since": "2026-09-21 14:13:20"}
    db.execute("INSERT INTO t VALUES (4, '2026-09-21 14:12:30', 'committed late')")
    found = everything(connector, since=page.cursor)
    assert [record.id for record in found] == ["4", "2", "3"]
    (window,) = connector.read("t", None, window=(NOW - 3_600_000_000, NOW - 600_000_000))
    assert [record.id for record in window.records] == ["1"]


def test_queries_composite_ids_zones_and_marks(db: sqlite3.Connection, url: str) -> None:
    db.execute("CREATE TABLE lines (o, p, at, gone)")
    db.executemany("INSERT INTO lines VALUES (?, ?, ?, ?)", [("a/b", 1, "2026-07-01T12:00:00", 0), ("a", 2, None, 1)])
    query = "SELECT o, p, at, gone, 'x:y' AS colon FROM lines WHERE o <> ':no'"
    connector = opened(
        url, t={"query": query, "id": ["o", "p"], "updated_at": "at", "zone": "Europe/Berlin", "deleted": "gone"}
    )
    one, other = everything(connector)
    assert (one.id, one.raw["_id"], one.raw["colon"], one.deleted) == ("a%2Fb/1", "a%2Fb/1", "x:y", False)
    assert one.updated_at == 1_782_900_000_000_000  # 10:00 UTC
    assert (other.id, other.deleted, other.updated_at) == ("a/2", True, None)
    assert [each.deleted for each in connector.fetch("t", ["a%2Fb/1", "no", "x/9"])] == [False, True, True]
    assert [field.name for field in connector.discover("t")] == ["o", "p", "at", "gone", "colon"]


def test_values_of_every_kind_are_json_on_postgresql(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as conn:
        conn.exec_driver_sql(
            "CREATE TABLE t (id uuid PRIMARY KEY, n numeric, b bytea, j jsonb, a int[], d date, at timestamptz, f float8)"
        )
        conn.exec_driver_sql(
            "INSERT INTO t SELECT gen_random_uuid(), 1.50, '\\x0aff', '{\"x\": [1]}', '{1,2}', '2026-01-02',"
            " timestamptz '2026-03-01 10:00:00+02' + n * interval '1 day', 'NaN' FROM generate_series(0, 2) n"
        )
    connector = opened(postgres_url, t={"table": "public.t", "id": "id", "updated_at": "at"})
    records = everything(connector)
    row = records[0].raw
    told = (row["n"], row["b"], row["j"], row["a"], row["d"], row["f"])
    assert told == ("1.50", "0aff", {"x": [1]}, [1, 2], "2026-01-02", None)
    assert [record.updated_at for record in records] == sorted(record.updated_at or 0 for record in records)
    assert [each.id for each in connector.fetch("t", [records[1].id])] == [records[1].id]
    assert [page.cursor for page in connector.read("t", None)][-1] == {"since": {"datetime": row_end(records)}}
    connector.close()
    engine.dispose()


def row_end(records: list[SourceRecord]) -> str:
    return str(records[-1].raw["at"])


TABLE = {"table": "people", "id": "id", "writable": True}


@pytest.fixture
def people(db: sqlite3.Connection, url: str) -> Iterator[Sql]:
    """A table to write, with our key."""
    db.execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT UNIQUE, n INTEGER, amount NUMERIC(6,2), ok BOOLEAN)"
    )
    connector = opened(url, people=TABLE)
    assert connector.ensure_key("people") is True
    assert connector.ensure_key("people") is False
    yield connector
    connector.close()


def test_one_refused_row_among_many_is_found_and_the_rest_is_written(people: Sql, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO people (email) VALUES ('taken@acme.io')")
    batch = [item(f"k{n}", email=f"p{n}@acme.io", n=str(n)) for n in range(40)]
    batch[7] = item("k7", email="taken@acme.io")
    batch[9] = item("k9", email="x@acme.io", n="several")
    batch[11] = item("k11", email="y@acme.io", amount="123456.00")
    batch[13] = item("k13", nosuch="1")
    outcomes = people.write("people", batch)
    errors = {n: outcome.error for n, outcome in enumerate(outcomes) if outcome.error is not None}
    assert {n: (error.cause, error.field) for n, error in errors.items()} == {
        7: ("conflict", "email"),
        9: ("bad_value", "n"),
        11: ("too_large", "amount"),
        13: ("refused", "nosuch"),
    }
    assert all(isinstance(error, Park) and "taken@" not in str(error) for error in errors.values())
    assert db.execute("SELECT count(*), count(throughline_key) FROM people").fetchone() == (37, 36)


def test_a_lost_commit_is_unknown_and_a_locked_table_is_not_written(
    people: Sql, db: sqlite3.Connection, tmp_path: Path
) -> None:
    dialect = people._database.engine.dialect
    commit = dialect.do_commit

    def broken(connection: Any) -> None:
        commit(connection)
        raise sqlite3.OperationalError("gone")

    dialect.do_commit = broken  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        people.write("people", [item("k1", email="a@acme.io")])
    dialect.do_commit = commit  # type: ignore[method-assign]
    assert people.write("people", [item("k1", email="a@acme.io")])[0].created is False
    waiting = open_connector(
        Sql, {"url": f"sqlite:///{tmp_path}/a.db", "tables": {"people": TABLE}, "timeout": 0.05}, connection="db"
    )
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retry) as held:
        waiting.write("people", [item("k2", email="b@acme.io")])
    assert held.value.cause == "locked"
    db.execute("ROLLBACK")


def test_neither_address_nor_values_are_told(people: Sql, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    people.write("people", [item("k1", email="canary-person@acme.io"), item("k2", n="canary-person")])
    wrong = opened("postgresql://me:canary-secret@127.0.0.1:9/x", t={"table": "t", "id": "id"})
    (told,) = wrong.check()
    assert (told.ok, "canary" in f"{told.detail}{told.fix}") == (False, False)
    with pytest.raises(Retry) as error:
        everything(wrong)
    shown = f"{error.value}{error.value!r}{wrong!r}{wrong.settings!r}{caplog.text}"
    assert "canary-secret" not in shown
    assert "canary-person" not in shown
    for url in ("nonsense canary-secret", "mysql://me:canary-secret@h/x", "sqlite:////no/such/canary-secret"):
        (told,) = opened(url, t={"table": "t", "id": "id"}).check()
        assert not told.ok
        assert "canary" not in f"{told.detail}{told.fix}"
    assert not (tmp_path / "nothing.db").exists()
    assert not opened(f"sqlite:///{tmp_path}/nothing.db", t={"table": "t", "id": "id"}).check()[0].ok
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"id": "id"}, "either `table` or `query`"),
        ({"table": "t", "query": "SELECT 1", "id": "id"}, "either `table` or `query`"),
        ({"query": "SELECT 1", "id": "id", "writable": True}, "only a table"),
        ({"table": "t", "id": "id", "updated_at": "a", "rising": "b"}, "either `updated_at` or `rising`"),
        ({"table": "t", "id": "id", "zone": "Mars"}, "time zone"),
    ],
)
def test_wrong_settings_are_refused(table: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        opened("sqlite://", t=table)


def test_names_are_quoted_and_missing_ones_are_told(db: sqlite3.Connection, url: str) -> None:
    db.execute('CREATE TABLE "order" ("select" INTEGER, "a b; DROP TABLE t" TEXT)')
    db.execute('INSERT INTO "order" VALUES (1, NULL), (2, NULL)')
    connector = opened(
        url, t={"table": "order", "id": "select"}, u={"table": "order", "id": "nope"}, v={"table": "w", "id": "i"}
    )
    assert [record.id for record in everything(connector)] == ["1", "2"]
    assert [(check.name, check.ok) for check in connector.check()] == [
        ("connect", True),
        ("read t", True),
        ("read u", False),
        ("read v", False),
    ]
