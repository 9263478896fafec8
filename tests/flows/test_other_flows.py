"""Every other flow, once through a real server: what it does, what it shows, and that doing it again is harmless."""

from __future__ import annotations

import json
import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from dead_letter import inspecting
from journey.connecting import OpenConnections
from journey.inbound import receiving
from kernel import documents
from kernel.records import WebhookRequest
from kernel.settings import load_connections
from kernel.store import bulk, tables
from tests.flows.conftest import Api, Office

ORIGIN = "https://www.acme.example"


def _table(api: Api, flow_run: str, key: str) -> list[dict[str, Any]]:
    return list(json.loads(api.artifacts(flow_run)[key]))


def test_a_window_is_read_again_beside_the_stream(office: Office) -> None:
    now = datetime.now(UTC)
    old = int((now - timedelta(days=30)).timestamp())
    office.customer(email="old@acme.io", name="Old", created=old)
    office.customer(email="new@acme.io", name="New")
    window = {"start": now - timedelta(days=31), "end": now - timedelta(days=29)}
    ended = office.flow("backfill", stream="stripe.customers", **window)
    assert (ended.state, ended.message) == ("Completed", "read 1, landed 1; planned 0")
    assert office.sync().message.startswith("read 4, landed 3, unchanged 1")
    refused = office.flow("backfill", stream="files.accounts", **window)
    assert (refused.state, "window of time" in refused.message) == ("Failed", True)
    whole = office.flow("backfill", stream="stripe.customers")
    assert (whole.state, whole.message) == ("Completed", "read 2, unchanged 2; planned 0")


def test_a_stream_is_mapped_again_and_a_sync_is_seeded(office: Office) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    office.sync()
    assert office.flow("remap", stream="stripe.customers").message == "read 1, landed 1; planned 0"
    wrong = office.flow("remap", stream="stripe.invoicez")
    assert (wrong.state, "no active mapping" in wrong.message) == ("Failed", True)
    assert office.flow("seed", sync="people", entity="contact").state == "Completed"
    wrong = office.flow("seed", sync="people", entity="order")
    assert (wrong.state, "routes no 'order'" in wrong.message) == ("Failed", True)
    assert office.sync().message.endswith("planned 0")  # seeding writes what differs: nothing does


def test_dead_letters_are_replayed_by_filter(office: Office) -> None:
    (office.config / "files/accounts.csv").write_text("account,sector,revenue,office_location\nAcme,software\n")
    office.sync()
    (letter,) = inspecting.listed(office.store, inspecting.Filter())
    ended = office.flow("replay", connection="files", mode="remap", by="Jo", why="mapping corrected")
    assert ended.state == "WithDeadLetters"  # the row is as broken as before: it has a new letter
    (again,) = inspecting.listed(office.store, inspecting.Filter())
    assert again["id"] != letter["id"]
    assert office.flow("replay").message == "read 0; planned 0"  # nobody asked for anything more


def test_stored_webhooks_are_processed_once(office: Office) -> None:
    told = documents.read(office.config / "connections.yaml").value
    told["connections"]["forms"] = {"system": "web_form", "settings": {"origins": [ORIGIN]}}
    (office.config / "connections.yaml").write_text(documents.dump(told))
    described = load_connections(office.config / "connections.yaml")
    connections = OpenConnections(office.store, described, {})
    body = urllib.parse.urlencode({"email": "ann@acme.io", "first_name": "Ann", "submission_id": "sub-000001"}).encode()
    headers = {"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"}
    request = WebhookRequest("POST", "https://in.example/forms/contact", headers, body, office.store.clock.now())
    assert receiving.accept(office.store, connections, "forms", request).status == 200
    assert office.flow("receive").message == "read 1, landed 1; planned 0"
    assert office.flow("receive").message == "read 0; planned 0"
    connections.close()


def test_drift_is_counted_on_both_sides(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    office.customer(email="bob@globex.de", name="Bob Fox")
    office.customer(email="cyd@globex.de", name="Cyd Fox")
    office.sync()
    hubspot = office.box["hubspot"]
    ids = {row["properties"]["firstname"]: row["id"] for row in hubspot.state.all("contacts")}
    hubspot.change("contacts", ids["Bob"], lastname="Wolf")
    hubspot.remove("contacts", ids["Cyd"])
    ended = office.flow("reconcile")
    rows = {row["target"]: row for row in _table(api, ended.flow_run, "reconcile-reconcile-drift")}
    contacts = rows["hubspot.contacts"]
    assert (contacts["bound"], contacts["held"], contacts["missing"], contacts["differing"]) == (3, 2, 1, 1)
    assert rows["hubspot.companies"]["held"] == rows["hubspot.companies"]["bound"] == 2
    assert len(api.tasks(ended.flow_run, 2)) == 2
    assert ended.state == "Completed"


def test_the_dictionary_is_published(office: Office, api: Api) -> None:
    ended = office.flow("publish")
    page = (office.home / "published/dictionary.md").read_text()
    assert page.startswith("# Data dictionary")
    assert api.artifacts(ended.flow_run)["publish-publish-dictionary"] == page


def test_the_warehouse_is_replaced_by_today_s(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    office.sync()
    ended = office.flow("snapshot")
    assert ended.state == "Completed"
    rows = {row["entity"]: row for row in _table(api, ended.flow_run, "snapshot-snapshot-warehouse")}
    assert (rows["contact"]["records"], rows["contact"]["versions"]) == (1, 1)
    with duckdb.connect(office.home / "warehouse.duckdb", read_only=True) as con:
        assert con.execute("SELECT count(*) FROM contact").fetchone() == (1,)


def test_payloads_go_when_their_time_is_over(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    office.sync()
    office.flow("remap", stream="stripe.customers")  # a second version of the same object
    with office.store.write() as conn:  # all of it happened long ago
        for table, column in (("version", "read_at"), ("delivery", "planned_at"), ("attempt", "settled_at")):
            conn.execute(tables.metadata.tables[table].update().values({column: 1}))
    ended = office.flow("prune")
    pruned = {row["what"]: row["rows"] for row in _table(api, ended.flow_run, "prune-prune-pruned") if row["rows"]}
    assert pruned == {"raw": 1, "bodies": pruned["bodies"], "attempts": pruned["attempts"]}
    with office.store.read() as conn:
        raws = [row.raw for row in bulk.select_in(conn, tables.version, "state", ["landed"], ["raw"])]
        bodies = [row.body for row in bulk.select_in(conn, tables.delivery, "state", ["APPLIED"], ["body", "op_key"])]
    assert len([raw for raw in raws if raw]) == 3  # what is current stays; of the other the story still needs the row
    assert len(raws) == 4
    assert not any(bodies)
    assert office.flow("remap", stream="stripe.customers").message == "read 1, landed 1; planned 0"
    assert "0" not in office.flow("prune").message.replace("read 0; planned 0", "")


@pytest.mark.parametrize("flow", ["replay", "receive", "prune", "publish", "reconcile"])
def test_upkeep_finds_nothing_to_do_in_an_empty_store(office: Office, flow: str) -> None:
    assert office.flow(flow).state == "Completed"
