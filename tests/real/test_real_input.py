"""Records of real accounts, read in place through the simulators and the vendors' own SDKs: each ends in exactly one state."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mappings
from connectors import connector_for
from dead_letter import inspecting
from journey.connecting import OpenConnections
from journey.context import Context, Pins
from journey.inbound import rejects
from journey.runs import Run
from journey.syncing import run_sync
from journey.syncs import Stream, Sync
from kernel.causes import CAUSES
from kernel.settings import ConnectionSettings
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import Vault
from sandbox import Box
from tests.conftest import KEY, ROOT
from tests.journey.conftest import BLANK, RULES, WORDS

MAPPINGS = mappings.load(ROOT / "mappings", WORDS)


@pytest.fixture
def hub(tmp_path: Path) -> Store:
    return open_store(sqlite_url(tmp_path / "store.db"), Vault([KEY]))


def _settings(box: Box, system: str) -> dict[str, Any]:
    url, token = box.url(system), box[system].token
    return {
        "stripe": {"api_key": token, "base_url": url},
        "hubspot": {"access_token": token, "base_url": url},
        "shopify": {"token": token, "shop": "real", "base_url": url},
        "zendesk": {"subdomain": "real", "oauth_token": token, "base_url": url},
        "salesforce": {"access_token": token, "instance_url": url},
        "quickbooks": {"access_token": token, "realm_id": "9341450000000001", "base_url": url},
        "pipedrive": {"api_token": token, "base_url": url},
        "woocommerce": {"consumer_key": "ck_sandbox", "consumer_secret": token, "base_url": url},
    }[system]


def _read(store: Store, connections: dict[str, ConnectionSettings], streams: list[Stream]) -> Run:
    opened = OpenConnections(store, connections, {})
    sync = Sync("real", "", None, tuple(streams), (), BLANK)
    run = run_sync(Context(store, Pins(WORDS, MAPPINGS, RULES, {"real": sync}), opened), sync)
    opened.close()
    return run


@pytest.mark.parametrize(
    "system", ["stripe", "hubspot", "shopify", "zendesk", "salesforce", "pipedrive", "quickbooks", "woocommerce"]
)
def test_every_recorded_record_ends_in_one_state(
    hub: Store, serve: Callable[..., Box], real: Path, system: str
) -> None:
    box = serve(system)
    box[system].load(real)
    connections = {"real": ConnectionSettings("real", system, _settings(box, system), "test", 1)}
    streams = [
        Stream("real", name)
        for name, each in connector_for(system).resources.items()
        if each.readable and f"{system}.{name}" in MAPPINGS
    ]
    run = _read(hub, connections, streams)
    assert run.stopped == []
    inbound = run.counts.inbound
    assert inbound.read > 0
    assert inbound.read == inbound.landed + inbound.filtered + inbound.parked
    assert {group.cause for group in inspecting.grouped(hub, inspecting.Filter())} <= set(CAUSES)
    again = _read(hub, connections, streams)
    assert again.counts.inbound.landed + again.counts.inbound.parked == 0


def test_a_crm_is_migrated_from_csv_files(hub: Store, real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "import"
    shutil.copytree(real / "datasets/maven_crm", folder)
    with (folder / "sales_pipeline.csv").open("a") as file:
        file.write(
            "BROKEN01,only,three\nNOSTAGE1,Moses Frase,GTX Basic,Isdom,Unheard of,2017-01-01,2017-02-01,12\n,,,,,,,\n"
        )
    files = {
        "accounts": {"file": "accounts.csv", "id": "account"},
        "products": {"file": "products.csv", "id": "product"},
        "deals": {"file": "sales_pipeline.csv", "id": "opportunity_id"},
    }
    connections = {"old_crm": ConnectionSettings("old_crm", "csv", {"folder": str(folder), "files": files}, "test", 1)}
    run = _read(hub, connections, [Stream("old_crm", name) for name in ("accounts", "products", "deals")])
    assert run.stopped == []
    inbound = run.counts.inbound
    assert inbound.read == inbound.landed + inbound.parked == 85 + 7 + 8800 + 3
    written = rejects.write(hub, "old_crm", "deals", tmp_path / "rejects.csv")
    with (tmp_path / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == written == inbound.parked
    assert {row["cause"] for row in rows} >= {"bad_record"}
    assert all(row["why"] and row["line"] for row in rows)
    links = _links(hub)
    assert links["account"] > 7000


def _links(store: Store) -> dict[str, int]:
    with store.read() as conn:
        sql = "SELECT field, count(*) FROM link WHERE to_golden IS NOT NULL GROUP BY field"
        return {row[0]: row[1] for row in conn.exec_driver_sql(sql).all()}
