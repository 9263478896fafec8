"""Trouble of our own and odd sources: the run fails cleanly, nothing is acknowledged, nothing is deleted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from kernel.errors import Stop
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import Vault
from tests.conftest import KEY
from tests.journey.conftest import World


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """SQLite only: its own kinds of trouble."""
    return open_store(sqlite_url(tmp_path / "store.db"), Vault([KEY]))


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(world: World) -> None:
    for n in range(60):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.example", last="P", note="x" * 2000)
    with world.store.engine.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")
    run = world.run()
    assert (run.state, [error.cause for error in run.stopped]) == ("failed", ["store_unavailable"])
    assert world.rows("version") == []
    assert world.rows("checkpoint") == []
    with world.store.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA max_page_count=1000000")
    world.clock.at += 61_000_000
    assert world.run().counts.inbound.landed == 60


def test_a_locked_database_stops_the_run_without_a_trace(world: World, tmp_path: Path) -> None:
    world.shop.put("customers", "1", email="ann@acme.io", last="Archer")
    with world.store.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout=50")
    other = create_engine(sqlite_url(tmp_path / "store.db"))
    with other.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Stop, match="locked"):
            world.run()
        holder.exec_driver_sql("ROLLBACK")
    assert world.rows("run") == []
    assert world.run().state == "completed"


@pytest.mark.parametrize("left", [0, 2])
def test_a_complete_read_that_shrinks_deletes_nothing_and_warns(world: World, left: int) -> None:
    world.shop.resources["customers"] = dataclasses.replace(world.shop.resources["customers"], incremental=False)
    for n in range(9):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.example", last="P")
    world.run()
    world.shop.objects["customers"] = dict(list(world.shop.objects["customers"].items())[:left])
    run = world.run()
    assert any("nothing was deleted" in warning for warning in run.counts.warnings)
    assert len(world.golden()) == len(world.crm.all("contacts")) == 9
