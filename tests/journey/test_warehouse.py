"""The embedded warehouse: golden records and their history, whole whatever happens, personal data as the rule says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

import mappings
from connectors import open_connector
from connectors.sql import Sql
from journey.interventions import identity
from journey.warehouse.snapshot import Snapshot, snapshot
from kernel.errors import Stop
from kernel.ids import new_id
from kernel.store import sqlite_url
from tests.conftest import KEY, ROOT
from tests.journey.conftest import HERE, RESOURCES, WORDS, World

HISTORY = "SELECT * EXCLUDE (id) FROM contact_history ORDER BY ALL"


def take(world: World, path: Path, personal: str = "hashed") -> Snapshot:
    """A night's snapshot."""
    return snapshot(world.store, WORDS, path, personal, new_id())


def ask(path: Path, query: str) -> list[Any]:
    """A query of the file."""
    with duckdb.connect(path, read_only=True) as con:
        return con.execute(query).fetchall()


def held(path: Path, *without: str) -> dict[str, list[Any]]:
    """Everything in the file."""
    tables = [name for (name,) in ask(path, "SELECT table_name FROM duckdb_tables() ORDER BY 1")]
    return {name: ask(path, f'SELECT * FROM "{name}" ORDER BY ALL') for name in tables if name not in without}


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The warehouse hardly knows the store: SQLite, but where a test asks for the other."""
    if request.node.get_closest_marker("postgresql"):
        return str(request.getfixturevalue("postgres_url"))
    return sqlite_url(tmp_path / "store.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the warehouse is."""
    return tmp_path / "warehouse" / "throughline.duckdb"


ORDERS = """
resource: shop.orders
produces:
  order:
    entity: order
    fields:
      number: {path: number}
      email: {path: email}
      total: {path: total, transform: [{money: {currency: EUR}}]}
      contact: {ref: contact, by: {object: customer, resource: customers}}
"""


@pytest.fixture(autouse=True)
def _orders_have_totals(world: World, tmp_path: Path) -> None:
    shutil.copytree(HERE / "config/mappings", tmp_path / "mappings")
    (tmp_path / "mappings/shop/orders.yaml").write_text(ORDERS)
    world.mappings = mappings.load(tmp_path / "mappings", WORDS, known_resources=RESOURCES)


def fill(world: World) -> None:
    """A person with a company and two orders."""
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee", company="Acme", title="Clerk")
    for n in (1, 2):
        world.shop.put("orders", f"o{n}", number=f"N{n}", customer="1", email="ann@acme.io", total=str(10 * n))
    world.run()


def test_every_entity_has_its_records_with_references_by_id(world: World, path: Path) -> None:
    fill(world)
    done = take(world, path)
    assert {name: count for name, count in done.records.items() if count} == {"account": 1, "contact": 1, "order": 2}
    assert set(done.records) == set(WORDS.entities)
    query = 'SELECT a.name, count(*) FROM "order" o JOIN contact c ON c.id = o.contact_id JOIN account a ON a.id = c.account_id GROUP BY 1'
    assert ask(path, query) == [("Acme", 2)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert ask(path, "SELECT personal, dictionary FROM _snapshot") == [("hashed", WORDS.revision)]


@pytest.mark.postgresql
def test_the_store_may_be_postgresql(world: World, path: Path) -> None:
    fill(world)
    assert take(world, path).records["order"] == 2


@pytest.mark.parametrize("personal", ["omitted", "hashed", "plain"])
def test_personal_data_is_shown_as_the_rule_says(world: World, path: Path, personal: str) -> None:
    fill(world)
    take(world, path, personal)
    names = {name for (name,) in ask(path, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'contact'")}
    assert {"lifecycle_stage", "id"} <= names
    assert ("job_title" in names) == (personal != "omitted")
    assert ("email" in names, "email_hash" in names) == (personal == "plain", personal == "hashed")
    if personal != "plain":
        assert b"ann@acme" not in path.read_bytes()
        assert all("ann@acme" not in str(row) for rows in held(path).values() for row in rows)
    if personal == "hashed":  # equal values are equal wherever they stand
        assert ask(path, 'SELECT count(*) FROM contact JOIN "order" USING (email_hash)') == [(2,)]


def test_history_tells_what_changed_and_from_when_to_when(world: World, path: Path) -> None:
    fill(world)
    take(world, path)
    world.shop.put("customers", "1", title="Director")
    world.shop.put("customers", "2", email="bob@globex.de", last="Fox")
    world.run()
    take(world, path)
    columns = "version, job_title, ended, changed_fields, valid_to IS NULL"
    rows = ask(path, f"SELECT {columns} FROM contact_history ORDER BY job_title NULLS LAST")
    assert rows == [
        (1, "Clerk", "changed", None, False),
        (2, "Director", None, ["job_title"], True),
        (1, None, None, None, True),
    ]
    (closed, opened) = ask(path, "SELECT min(valid_to), max(valid_from) FROM contact_history WHERE job_title > ''")[0]
    assert closed == opened, "one version holds until the next one does"
    world.shop.remove("customers", "2")
    world.run()
    take(world, path)
    assert ask(path, "SELECT ended, count(*) FROM contact_history GROUP BY 1 ORDER BY 1") == [
        ("changed", 1),
        ("gone", 1),
        (None, 1),
    ]
    assert ask(path, "SELECT count(*) FROM contact") == [(1,)]


def test_merged_records_end_as_merged(world: World, path: Path) -> None:
    world.shop.put("customers", "1", email="ann@acme.io", last="Lee")
    world.shop.put("customers", "2", email="lee@globex.de", last="Lee")
    world.run()
    take(world, path)
    one, other = (row.id for row in world.rows("golden") if row.entity == "contact")
    identity.merge(world.context(), one, other, "Jo", "one person")
    take(world, path)
    assert ask(path, "SELECT count(*) FROM contact_history WHERE ended = 'merged'") == [(1,)]


def test_the_same_night_twice_is_the_same_file(world: World, path: Path) -> None:
    fill(world)
    take(world, path)
    world.shop.put("customers", "1", title="Director")
    world.run()
    take(world, path)
    before = held(path, "_snapshot")
    take(world, path)
    assert held(path, "_snapshot") == before
    assert before["contact_history"]


def test_a_stricter_rule_holds_for_the_past_too(world: World, path: Path) -> None:
    fill(world)
    take(world, path, "plain")
    world.shop.put("customers", "1", email="new@acme.io")
    world.run()
    take(world, path, "hashed")
    assert all("ann@acme" not in str(row) and "Ann" not in str(row) for rows in held(path).values() for row in rows)
    assert len(ask(path, HISTORY)) >= 2
    take(world, path, "plain")
    assert ask(path, "SELECT email FROM contact_history WHERE valid_to IS NULL") == [("new@acme.io",)]


def test_a_number_too_large_for_its_column_is_null(world: World, path: Path) -> None:
    world.shop.put("orders", "o1", number="N1", total="1" + "0" * 40)
    world.shop.put("orders", "o2", number="N2", total="5")
    world.run()
    take(world, path)
    assert ask(path, 'SELECT total_amount FROM "order" ORDER BY number')[1] == (5,)


SCRIPT = """
import sys
from pathlib import Path
import dictionary
from journey.warehouse.snapshot import snapshot
from kernel.store import open_store
from kernel.vault import Vault
from kernel.ids import new_id
store = open_store(sys.argv[1], Vault([bytes.fromhex(sys.argv[2])]))
snapshot(store, dictionary.load(sys.argv[3]), Path(sys.argv[4]), "hashed", new_id())
"""


@pytest.mark.parametrize("point", ["warehouse.read", "warehouse.loaded", "warehouse.built", "warehouse.replaced"])
def test_killed_at_any_moment_a_whole_file_stays(world: World, path: Path, point: str) -> None:
    fill(world)
    take(world, path)
    before = held(path, "_snapshot")
    world.shop.put("customers", "1", title="Director")
    world.run()
    url = world.store.engine.url.render_as_string(hide_password=False)
    told = [sys.executable, "-c", SCRIPT, url, KEY.hex(), str(ROOT / "dictionary/entities"), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "THROUGHLINE_FAILPOINT": point}
    killed = subprocess.run(told, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    if point == "warehouse.replaced":
        assert ask(path, "SELECT max(version) FROM contact") == [(2,)]
    else:
        assert held(path, "_snapshot") == before
        assert any(each.name.startswith(".snapshot-") for each in path.parent.iterdir())
    world.clock.at += 365 * 86_400_000_000  # the killed worker's lease is over
    take(world, path)
    assert ask(path, "SELECT version FROM contact_history ORDER BY 1") == [(1,), (2,)]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_no_warehouse_is_not_overwritten(world: World, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("my notes")
    with pytest.raises(Stop, match="cannot be read"):
        take(world, path)
    assert path.read_text() == "my notes"


def test_the_warehouse_is_read_as_any_database_also_while_it_is_replaced(world: World, path: Path) -> None:
    fill(world)
    take(world, path)
    query = 'SELECT contact_id AS id, sum(total_amount) AS spent, count(*) AS orders FROM "order" GROUP BY 1'
    tables = {
        "spending": {"query": query, "id": "id"},
        "contact": {"table": "contact", "id": "id", "updated_at": "updated_at"},
    }
    opened = open_connector(Sql, {"url": f"duckdb:///{path}", "tables": tables}, connection="warehouse")
    assert [check.ok for check in opened.check()] == [True, True, True]
    reading = opened.read("spending", None)
    take(world, path)
    (record,) = next(reading).records
    assert (record.raw["spent"], record.raw["orders"]) == ("30.000000", 2)
    (page,) = opened.read("contact", None)
    assert page.records[0].updated_at is not None
    assert {field.name: field.type for field in opened.discover("contact")}["updated_at"] == "datetime"
    with pytest.raises(Stop, match="not writable"):
        opened.write("contact", [])
    opened.close()
