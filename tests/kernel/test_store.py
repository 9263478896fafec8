"""The store on both databases: the migrated schema is the declared one, bulk statements, seals, short transactions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, event

from kernel.errors import Broken
from kernel.ledger import claims, plans
from kernel.store import Store, bulk, migrate, open_store, sqlite_url, tables
from kernel.vault import Vault


def test_migrated_schema_is_the_declared_one(store: Store) -> None:
    with store.engine.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), tables.metadata) == []


def test_the_newest_revision_is_the_one_alembic_ends_at(store: Store) -> None:
    with store.engine.connect() as conn:
        assert MigrationContext.configure(conn).get_current_revision() == migrate.head()


def test_a_store_that_is_at_the_newest_schema_opens_without_alembic(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "there.db")
    open_store(url, Vault([b"k" * 32])).close()
    again = f"""
import sys
from kernel.store import open_store
from kernel.vault import Vault
open_store({url!r}, Vault([b"k" * 32])).close()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", again], check=False).returncode == 0


def test_no_index_asks_by_a_set_of_values(tmp_path: Path) -> None:
    """SQLite would make the set anew for every row that is written."""
    store = open_store(sqlite_url(tmp_path / "plan.db"), Vault([b"k" * 32]))
    with store.read() as conn:
        told = conn.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").scalars()
        assert [sql for sql in told if " IN (" in sql] == []
    store.close()


@pytest.mark.parametrize(
    ("look_up", "index"),
    [
        (lambda conn, store: claims.has_next(conn, ["a"]), "uq_delivery_next"),
        (lambda conn, store: plans.supersede(conn, "run", ["a"]), "uq_delivery_next"),
        (lambda conn, store: claims.under_way(conn, store, ["a"]), "uq_delivery_open"),
    ],
    ids=["has_next", "supersede", "under_way"],
)
def test_what_a_binding_waits_for_is_found_in_the_index_of_just_that(
    tmp_path: Path, look_up: Callable[[Connection, Store], object], index: str
) -> None:
    """The condition must stand in the look-up as it stands in the index, else a binding's whole history is read."""
    store = open_store(sqlite_url(tmp_path / "plan.db"), Vault([b"k" * 32]))
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with store.read() as conn:
        look_up(conn, store)
        select = next(sql for sql in asked if 'FROM "delivery"' in sql)
        steps = [str(row[3]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {select}", ("a",))]
    store.close()
    assert any(index in step for step in steps), steps


def _lease(name: str, holder: str = "me", fence: int = 1) -> dict[str, object]:
    return {"name": name, "holder": holder, "fence": fence, "until": 5}


def test_bulk_insert_new_counts_only_what_was_free(store: Store) -> None:
    with store.write() as conn:
        bulk.insert(conn, tables.lease, [_lease("a"), _lease("b")])
        assert bulk.insert_new(conn, tables.lease, [_lease("b", "other"), _lease("c"), _lease("d")]) == 2
        assert {
            row.name: row.holder
            for row in bulk.select_in(conn, tables.lease, "name", ["a", "b", "c", "zz"], ["name", "holder"])
        } == {"a": "me", "b": "me", "c": "me"}


def test_bulk_update_is_guarded(store: Store) -> None:
    with store.write() as conn:
        bulk.insert(conn, tables.lease, [_lease("a"), _lease("b", fence=7)])
        rows = [{"holder": "new", "fence": 2, "name": name, "was_fence": 1} for name in ("a", "b")]
        assert bulk.update(conn, tables.lease, rows, ["name", "was_fence"]) == 1


def test_upsert_replaces_and_delete_removes(store: Store) -> None:
    with store.write() as conn:
        bulk.upsert(conn, tables.lease, [_lease("a")])
        bulk.upsert(conn, tables.lease, [_lease("a", "new", 3), _lease("b")])
        assert bulk.delete(conn, tables.lease, [{"name": "a", "fence": 99}, {"name": "b", "fence": 1}]) == 1
        assert [tuple(row) for row in bulk.select_in(conn, tables.lease, "name", ["a", "b"], ["holder", "fence"])] == [
            ("new", 3)
        ]


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as conn:
            bulk.insert(conn, tables.lease, [_lease("a")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.read() as conn:
        assert bulk.select_in(conn, tables.lease, "name", ["a"], ["name"]) == []


def test_a_seal_opens_only_in_its_own_row(store: Store) -> None:
    sealed = store.seal(tables.version, "row1", {"email": "ann@example.org", "long": "x" * 5000})
    assert b"ann@example.org" not in sealed
    assert len(sealed) < 1000  # compressed when large
    assert store.open(tables.version, "row1", sealed)["email"] == "ann@example.org"
    for table, key in [(tables.version, "row2"), (tables.golden, "row1")]:
        with pytest.raises(Broken):
            store.open(table, key, sealed)
