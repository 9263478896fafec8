"""Aggregates pushed back, end to end: orders read from a file, a warehouse made of them, a query of it, HubSpot's properties."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console import simulated
from journey import activation
from journey.connecting import OpenConnections
from journey.context import Context
from journey.runs import Run
from journey.syncing import run_sync
from journey.warehouse.snapshot import snapshot
from kernel import documents
from kernel.settings import load_connections
from kernel.store import open_store, sqlite_url
from kernel.vault import Vault
from sandbox import Box
from tests.conftest import KEY, ROOT

QUERY = """
SELECT contact_id, sum(total_amount) AS spent, any_value(total_currency) AS currency, count(*) AS orders,
       max(ordered_at) AS last_order_at
FROM "order" WHERE contact_id IS NOT NULL GROUP BY contact_id
"""
PROPERTIES = """
      lifetime_value: {path: properties.lifetime_value, transform: [{money: {currency: EUR}}]}
      order_count: {path: properties.order_count}
"""
SHOP = """
sync: shop
description: Customers and their orders, from files, in HubSpot.
streams: [files.contacts, files.orders]
routes: [{entity: contact, to: hubspot.contacts}]
"""
VALUE = """
sync: customer_value
description: What each customer's orders come to, from the warehouse to HubSpot.
streams: [warehouse.customer_value]
routes: [{entity: contact, to: hubspot.contacts}]
"""
CONTACTS = "contact_id,email,first_name,last_name\n1,ann@acme.io,Ann,Lee\n2,bob@globex.de,Bob,Fox\n"
ORDERS = (
    "order,email,ordered_at,total\nN1,ann@acme.io,2026-03-01T10:00:00Z,10\nN2,ann@acme.io,2026-03-02T10:00:00Z,20.5\n"
)


class Company:
    """One configuration with everything active."""

    def __init__(self, folder: Path, box: Box, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.hubspot = folder, box["hubspot"]
        for place in ("dictionary/entities", "mappings", "dedup/rules"):
            shutil.copytree(ROOT / place, folder / place, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        mapping = folder / "mappings/hubspot/contacts.yaml"
        mapping.write_text(mapping.read_text().replace("\n      account:", f"{PROPERTIES}      account:", 1))
        (folder / "flows/syncs").mkdir(parents=True)
        (folder / "flows/syncs/shop.yaml").write_text(SHOP)
        (folder / "flows/syncs/customer_value.yaml").write_text(VALUE)
        self.write("contacts.csv", CONTACTS)
        self.write("orders.csv", ORDERS)
        told = simulated.connections({"hubspot": box.url("hubspot")})
        files = {
            "contacts": {"file": "contacts.csv", "id": "contact_id"},
            "orders": {"file": "orders.csv", "id": "order"},
        }
        told["connections"]["files"] = {"system": "csv", "settings": {"folder": str(folder), "files": files}}
        tables = {"customer_value": {"query": QUERY, "id": "contact_id"}}
        url = {"env": "WAREHOUSE_URL"}
        told["connections"]["warehouse"] = {"system": "sql", "settings": {"url": url, "tables": tables}}
        (folder / "connections.yaml").write_text(documents.dump(told))
        self.warehouse = folder / "warehouse.duckdb"
        secrets = simulated.environment({"hubspot": self.hubspot.token})
        self.environment = {**secrets, "WAREHOUSE_URL": f"duckdb:///{self.warehouse}"}
        self.store = open_store(sqlite_url(folder / "store.db"), Vault([KEY]))
        described = load_connections(folder / "connections.yaml")
        activation.activate(self.store, folder, described, "test")
        self.connections = OpenConnections(self.store, described, self.environment)
        self.pins = activation.pins(self.store, folder, described)
        self.connections.open("hubspot").ensure_key("contacts")
        for name in ("lifetime_value", "order_count"):
            self.hubspot.store.add_property("contacts", {"name": name, "type": "number"})

    def write(self, name: str, text: str) -> None:
        """A file."""
        (self.folder / name).write_text(text)

    def run(self, sync: str) -> Run:
        """Run a sync."""
        ctx = Context(self.store, self.pins, self.connections)
        run = run_sync(ctx, self.pins.syncs[sync])
        assert run.stopped == []
        return run

    def night(self) -> None:
        """The nightly snapshot."""
        snapshot(
            self.store,
            self.pins.dictionary,
            self.warehouse,
            "hashed",
            Context(self.store, self.pins, self.connections).run_id,
        )

    def shown(self) -> dict[str, tuple[float | None, ...]]:
        """By e-mail address: what HubSpot shows."""
        rows = [row["properties"] for row in self.hubspot.state.all("contacts") if not row.get("archived")]
        names = ("lifetime_value", "order_count")
        return {row["email"]: tuple(float(row[n]) if row.get(n) else None for n in names) for row in rows}

    def close(self) -> None:
        """Release everything."""
        self.connections.close()
        self.store.close()


@pytest.fixture
def company(serve: Callable[..., Box], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """Files in, HubSpot out."""
    made = Company(tmp_path / "config", serve("hubspot"), monkeypatch)
    yield made
    made.close()


def test_what_customers_spent_reaches_hubspot_and_nobody_is_made(company: Company) -> None:
    company.run("shop")
    assert company.shown() == {"ann@acme.io": (None, None), "bob@globex.de": (None, None)}
    company.night()
    run = company.run("customer_value")
    assert (run.counts.inbound.read, run.counts.inbound.landed, run.counts.outbound.applied) == (1, 1, 1)
    assert company.shown() == {"ann@acme.io": (30.5, 2), "bob@globex.de": (None, None)}
    again = company.run("customer_value")
    assert (again.counts.inbound.unchanged, again.counts.outbound.planned) == (1, 0)
    # A night later: one order more, and one of somebody nobody knows.
    company.write(
        "orders.csv", ORDERS + "N3,bob@globex.de,2026-03-03T10:00:00Z,5\nN4,who@nowhere.io,2026-03-03T10:00:00Z,7\n"
    )
    company.run("shop")
    company.night()
    run = company.run("customer_value")
    assert (run.counts.inbound.read, run.counts.inbound.landed, run.counts.inbound.unchanged) == (2, 1, 1)
    assert company.shown() == {"ann@acme.io": (30.5, 2), "bob@globex.de": (5, 1)}


def test_a_customer_who_was_taken_away_is_not_made_again(company: Company) -> None:
    company.run("shop")
    company.night()
    with company.store.write() as conn:
        conn.exec_driver_sql("UPDATE golden SET gone = 1 WHERE entity = 'contact'")
        conn.exec_driver_sql("UPDATE member SET active = 0 WHERE entity = 'contact'")
    run = company.run("customer_value")
    assert (run.counts.inbound.filtered, run.counts.outbound.planned) == (1, 0)
    assert set(company.shown()) == {"ann@acme.io", "bob@globex.de"}


def test_the_address_of_the_database_is_no_plain_text_with_a_password(company: Company) -> None:
    file = company.folder / "connections.yaml"
    told = documents.read(file).value
    told["connections"]["warehouse"]["settings"]["url"] = "postgresql://me:very-secret@db.example.com/x"
    file.write_text(documents.dump(told))
    with pytest.raises(Exception, match="a secret is not written here") as refused:
        load_connections(file)
    assert "very-secret" not in str(refused.value)
