"""Salesforce as recorded: the simulator answers alike, the connector reads it, and both agree with live describes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connectors import open_connector
from connectors.salesforce import Salesforce
from connectors.salesforce.schema import FIELDS, VERDICTS
from kernel.records import Action, WriteItem
from sandbox import Box
from sandbox.salesforce import Salesforce as Simulator
from sandbox.salesforce.schema import describe, standard
from sandbox.simulator import Simulator as Base
from tests.conftest import REAL, FakeClock
from tests.recordings import Exchange, differences, exchanges

RECORDED = REAL / "salesforce"
SENT = re.compile(
    r"/services/data(/v\w+\.0/(query(All)?(/|$)|limits$|composite/sobjects(/|$)|sobjects/\w+/describe$"
    r"|sobjects/(Account|Lead)/\w{15,18}$))?$|/services/data/v\w+\.0/query(All)?/[\w-]+$"
)
PLAIN = re.compile(r"(?i)select [\w., ]+ from (Account|Contact|Lead|Opportunity|Case|User)\b")
"""The connector's queries name fields of its own objects: no TYPEOF, sub-select, record types, comments or feeds."""

DIFFERENT = {
    r"\.nextRecordsUrl: only": "the simulator's pages hold 2,000 rows, some recordings' 1,000",
    r"^\$\.(?!DailyApiRequests)\w+: only recorded": "of the limits the connector reads the daily pool",
    r"^\$\.(fields\[\]|actionOverrides|childRelationships|urls|recordTypeInfos|supportedScopes)": "a describe is compared "
    "field by field in test_fields_are_those_of_a_live_org",
    r"^\$\.\w+: only recorded": "describe flags that the connector does not read",
    r"Profile\.attributes": "the profile's own link",
}
"""Shape differences that do not matter, with the reason."""

ABSENT = {
    "CurrencyIsoCode": "multi-currency orgs only",
    "DoNotCall": "hidden from the recorded user; a standard field",
    "HasOptedOutOfEmail": "as above",
    "HasOptedOutOfFax": "as above",
}
"""Fields the connector asks for where the org has them, and the recorded orgs do not."""


def _known() -> list[Exchange]:
    found = list(exchanges(RECORDED)) if RECORDED.is_dir() else []
    kept = [one for one in found if SENT.match(one.path) and one.method != "POST"]
    return [one for one in kept if "/query" not in one.path or PLAIN.fullmatch(_soql(one)) or not one.query]


def _soql(one: Exchange) -> str:
    return re.split(r"(?i) where | order | limit ", str(one.query.get("q", "")).replace("+", " "))[0].strip()


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with Box(["salesforce"]) as box:
        simulator = box["salesforce"]
        assert isinstance(simulator, Simulator)
        simulator.load(RECORDED)
        yield simulator


def _prepare(vendor: Simulator, one: Exchange) -> None:
    """Bring the org to where it was before the exchange."""
    sent = (one.body or {}).get("records", []) if isinstance(one.body, dict) else []
    ids = [str(record.get("Id") or record.get("id") or "") for record in sent]
    parents = [str(record[name]) for record in sent for name in record if name.endswith("Id") and name != "Id"]
    for vendor_id in [*ids, *parents, *str(one.query.get("ids", "")).split(",")]:
        told_ids = [told.get("id") for told in one.response] if isinstance(one.response, list) else []
        worked = vendor_id in (*told_ids, *parents)
        kind = {"001": "Account", "003": "Contact", "006": "Opportunity"}.get(vendor_id[:3])
        if worked and kind:
            usual = {"LastName": "A", "Name": "A", "StageName": "Prospecting", "CloseDate": "2026-01-01"}
            vendor.load_record(kind, {"Id": vendor_id} | {k: v for k, v in usual.items() if k in standard(kind)})
    if re.search(r"/query/\w", one.path):
        locator = one.path.rsplit("/", 1)[1].rpartition("-")[0]
        vendor.page_size = 2000
        headers = {"Authorization": f"Bearer {vendor.token}"}
        url = f"{vendor.base_url}/services/data/v59.0/query"
        names = ", ".join(name for name in one.response["records"][0] if name != "attributes")
        wanted = f"SELECT {names} FROM Account"  # noqa: S608 - a test's own query
        httpx.get(url, params={"q": wanted}, headers=headers, trust_env=False)
        vendor.locators[locator] = list(vendor.locators.values())[-1]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded material at {RECORDED} (set THROUGHLINE_REAL)")
@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in _known()])
def test_simulator_answers_as_recorded(vendor: Simulator, one: Exchange) -> None:
    _prepare(vendor, one)
    headers = {"Authorization": f"Bearer {vendor.token}"}
    path = one.path.replace("vxx.0", "v62.0")
    query = {name: str(value).replace("+", " ") for name, value in one.query.items()}
    with httpx.Client(base_url=vendor.base_url, headers=headers, trust_env=False) as client:
        told = client.request(one.method, path, params=query or None, json=one.body)
    assert told.status_code // 100 == one.status // 100, told.text
    found = differences(one.response, told.json())
    assert [difference for difference in found if not any(re.search(rule, difference) for rule in DIFFERENT)] == []


def _replaying(answers: list[Exchange]) -> Salesforce:
    names = {
        name for one in answers if isinstance(one.response, dict) for row in one.response["records"] for name in row
    }
    fields = [{"name": name, "type": "string"} for name in names if name not in ("attributes", "Profile")]
    pages = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/describe"):
            return httpx.Response(200, json={"fields": fields})
        if request.method == "POST":
            return httpx.Response(200, json=[])
        told = next(pages)
        return httpx.Response(told.status, json=told.response)

    settings = {"access_token": "t", "instance_url": "https://example.my.salesforce.com", "read_back": False}
    transport = httpx.MockTransport(answer)
    connector = open_connector(Salesforce, settings, connection="recorded", clock=FakeClock(), transport=transport)
    assert isinstance(connector, Salesforce)
    return connector


def test_recorded_pages_are_read(real: Path) -> None:
    read = 0
    by_file: dict[str, list[Exchange]] = {}
    for one in exchanges(real / "salesforce"):
        if "/query" in one.path and isinstance(one.response, dict):
            rows = one.response.get("records", [])
            if rows and "SystemModstamp" in rows[0]:
                by_file.setdefault(one.name.split("[")[0], []).append(one)
    for pages in by_file.values():
        if not pages[-1].response["done"]:
            continue
        connector = _replaying(pages)
        resource = pages[0].response["records"][0]["attributes"]["type"]
        records = [record for page in connector.read(resource, None) for record in page.records]
        connector.close()
        assert [record.id for record in records] == [row["Id"] for page in pages for row in page.response["records"]]
        assert all(record.updated_at for record in records)
        read += len(records)
    assert read > 100


def test_recorded_collections_settle_and_errors_have_a_fate(real: Path) -> None:
    settled = refused = 0
    for one in exchanges(real / "salesforce"):
        if one.method == "PATCH" and "/composite/sobjects" in one.path:
            sent = one.body["records"]
            kind = next((record["attributes"]["type"] for record in sent if "attributes" in record), "Account")
            items = [WriteItem(Action.UPSERT, f"k{n}", f"o{n}", {}) for n, _ in enumerate(sent)]
            connector = _replaying([one])
            outcomes = connector.write(kind, items)
            connector.close()
            assert [outcome.vendor_id for outcome in outcomes] == [told.get("id") for told in one.response]
            settled += sum(outcome.error is None for outcome in outcomes)
            refused += sum(outcome.error is not None for outcome in outcomes)
        if one.status >= 400:
            verdict, _ = VERDICTS.judge(one.status, one.response)
            assert verdict is not None
            assert verdict.cause != "unexpected_status"
    assert settled > 20
    assert refused == 2


def test_recorded_records_are_loaded_and_read_back(real: Path) -> None:
    with Box(["salesforce"]) as box:
        simulator: Base = box["salesforce"]
        counts = simulator.load(real)
        settings = {"access_token": simulator.token, "instance_url": simulator.base_url}
        connector = open_connector(Salesforce, settings, connection="c", clock=FakeClock())
        total = 0
        for resource in ("Account", "Contact", "Opportunity", "Case", "User"):
            records = [record for page in connector.read(resource, None) for record in page.records]
            assert {record.id for record in records} == set(simulator.state.ids(resource))
            total += len(records)
        connector.close()
    assert total == sum(counts.values())
    assert total > 100


@pytest.mark.parametrize("resource", ["Account", "Contact", "Lead", "Opportunity", "Case"])
def test_fields_are_those_of_a_live_org(real: Path, resource: str) -> None:
    live = json.loads((real / "salesforce" / "contract" / f"GET_sobjects_{resource}_describe.json").read_text())
    live = live.get("response", live)
    told = {field["name"]: field for field in live["fields"]}
    ours = {field["name"]: field for field in describe(resource, standard(resource))["fields"]}
    facts = ("type", "length", "createable", "updateable", "restrictedPicklist", "referenceTo", "relationshipName")
    wrong = [
        (name, fact, field[fact], told[name][fact])
        for name, field in ours.items()
        for fact in facts
        if name in told and field[fact] != told[name][fact] and (resource, name, fact) not in LIVE_DIFFERS
    ]
    assert wrong == []
    required = {
        name
        for name, field in told.items()
        if field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
    }
    assert {name for name, field in standard(resource).items() if field.required} == required & ours.keys()
    assert set(ours) - set(told) <= ABSENT.keys()
    assert set(FIELDS[resource]) - set(told) <= ABSENT.keys()
    assert set(describe(resource, {})) <= set(live) | {"associateEntityType"}
    assert set(ours["Id"]) <= set(told["Id"])


LIVE_DIFFERS = {
    ("Lead", "OwnerId", "referenceTo"): "may be owned by a queue; the simulator has none",
    ("Case", "OwnerId", "referenceTo"): "as above",
    ("Opportunity", "ContactId", "relationshipName"): "write-once there, without a relationship; nobody queries it",
}
