"""HubSpot as recorded: the simulator answers alike, the connector reads it, and both keep to HubSpot's OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from connectors import open_connector
from connectors.hubspot import HubSpot
from kernel.records import Action, WriteItem
from sandbox import Box
from sandbox.hubspot import HubSpot as Simulator
from tests.conftest import REAL, FakeClock
from tests.recordings import Exchange, OpenApi, differences, exchanges

RECORDED = REAL / "hubspot"
KINDS = "contacts|companies|deals|tickets|products|CONTACT|COMPANY"
SENT = re.compile(rf"/crm/v3/objects/({KINDS})(/|$)|/crm/v3/owners|/account-info/v3/details$")

DIFFERENT = {
    r"^\$(\.results\[\])?\.url: only simulated": "two recordings lack the link that all others have",
    r"^\$\.paging": "the loaded records are the union of several recordings, so one page may hold more or less",
    r"\.properties": "HubSpot adds properties it calculates, which ones depends on the account's products; "
    "those that were asked for or written are compared all the same",
}
"""Shape differences that do not matter, with the reason."""


def _matters(difference: str, one: Exchange) -> bool:
    name = re.search(r"\.properties\.(\w+)", difference)
    asked = str(one.query.get("properties", "")).split(",") + list((one.body or {}).get("properties", []))
    return (name is not None and name[1] in asked) or not any(re.search(rule, difference) for rule in DIFFERENT)


def _known() -> list[Exchange]:
    return [one for one in exchanges(RECORDED) if SENT.match(one.path)] if RECORDED.is_dir() else []


@pytest.fixture(scope="module")
def vendor() -> Iterator[Simulator]:
    with Box(["hubspot"]) as box:
        simulator = box["hubspot"]
        assert isinstance(simulator, Simulator)
        simulator.load(RECORDED)
        yield simulator


def _prepare(vendor: Simulator, one: Exchange) -> None:
    """Bring the account to where it was before the exchange."""
    if one.status == 429:
        vendor.faults.add(429)
    named = re.search(r"/(\w+)/(\d+)$", one.path)
    if named and one.status == 200 and isinstance(one.response, dict):
        kind, vendor_id = named.groups()
        if vendor.state.get(kind, vendor_id) is None:
            vendor.load_record(kind, one.response)
    for record in (one.body or {}).get("inputs", []) if isinstance(one.body, dict) else []:
        if record.get("id"):
            vendor.load_record(one.path.split("/")[4], {"id": record["id"], "properties": {}})


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded material at {RECORDED} (set THROUGHLINE_REAL)")
@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in _known()])
def test_simulator_answers_as_recorded(vendor: Simulator, one: Exchange) -> None:
    _prepare(vendor, one)
    headers = {"Authorization": f"Bearer {vendor.token}"}
    query = {name: value for name, value in one.query.items() if name != "hapikey"}
    with httpx.Client(base_url=vendor.base_url, headers=headers, trust_env=False) as client:
        told = client.request(one.method, one.path, params=query or None, json=one.body)
    assert told.status_code // 100 == one.status // 100
    if one.response is not None:
        found = differences(one.response, told.json())
        assert [difference for difference in found if _matters(difference, one)] == []


def _replaying(one: Exchange) -> HubSpot:
    def answer(request: httpx.Request) -> httpx.Response:
        if "/associations/" in request.url.path:
            return httpx.Response(200, json={"status": "COMPLETE", "results": []})
        if request.url.params.get("archived"):
            return httpx.Response(200, json={"results": []})
        told: dict[str, Any] = dict(one.response)
        told.pop("paging", None)  # only one page was recorded
        return httpx.Response(one.status, json=told)

    settings = {"access_token": "t", "base_url": "https://api.hubapi.com"}
    transport = httpx.MockTransport(answer)
    connector = open_connector(HubSpot, settings, connection="recorded", clock=FakeClock(), transport=transport)
    assert isinstance(connector, HubSpot)
    return connector


def test_recorded_pages_are_read(real: Path) -> None:
    read = 0
    for one in _known():
        resource = one.path.strip("/").split("/")[-1].lower()
        whole = one.method == "GET" and resource in HubSpot.resources
        if one.status != 200 or not (whole or one.path.endswith("/search")):
            continue
        since = None if whole else {"modified": 0, "archived": 0}
        resource = resource if whole else one.path.split("/")[4]
        connector = _replaying(one)
        records = [record for page in connector.read(resource, since) for record in page.records]
        connector.close()
        assert [record.id for record in records] == [raw["id"] for raw in one.response["results"]]
        assert all(record.updated_at for record in records)
        read += len(records)
    assert read > 100


def test_recorded_batches_settle_and_errors_have_a_fate(real: Path) -> None:
    settled = 0
    for one in _known():
        connector = _replaying(one)
        if one.path.endswith("/batch/update"):
            wanted = [str(given["id"]) for given in one.body["inputs"]]
            items = [WriteItem(Action.UPSERT, f"k{n}", f"o{n}", {"name": "x"}, id) for n, id in enumerate(wanted)]
            outcomes = connector.write("companies", items)
            assert [outcome.vendor_id for outcome in outcomes] == wanted
            settled += len(outcomes)
        connector.close()
    assert settled
    for one in exchanges(real / "hubspot"):
        if one.status >= 400:
            verdict, _ = HubSpot.build_http(
                HubSpot.Settings(access_token="t"),
                connection="c",  # type: ignore[arg-type]
            ).verdicts.judge(one.status, one.response)
            assert verdict is not None
            assert verdict.cause != "unexpected_status"


def test_recorded_objects_are_loaded_and_read_back(real: Path) -> None:
    with Box(["hubspot"]) as box:
        simulator = box["hubspot"]
        counts = simulator.load(real)
        settings = {"access_token": simulator.token, "base_url": simulator.base_url}
        connector = open_connector(HubSpot, settings, connection="c", clock=FakeClock())
        for file, count in counts.items():
            resource = file.removesuffix(".jsonl")
            lines = (real / "hubspot" / "records" / file).read_bytes().splitlines()
            ids = {orjson.loads(line)["id"] for line in lines}
            records = [record for page in connector.read(resource, None) for record in page.records]
            assert {record.id for record in records} == ids
            assert count == len(ids)
        connector.close()
    assert counts.keys() == {"contacts.jsonl", "companies.jsonl", "deals.jsonl", "tickets.jsonl", "owners.jsonl"}


OBJECTS, LINKS = "objects", "associations"
CONTRACT_GAPS = {
    "'after' is a required property": "a search starts without `after`: so in every recorded search",
    "sorts[0]: {": "the file says strings; HubSpot's guide and every mature connector send objects",
    "'links' is a required property": "answers leave out what is empty",
    "'context' is a required property": "as above",
    "'errors' is a required property": "as above",
    "is not of type 'object'": "`subCategory` is a string in HubSpot's answers",
    "'label'": "null without a label",
    "None is not of type 'string'": "as above",
}


def test_both_sides_keep_to_the_contract(real: Path) -> None:
    """What the connector sends and the simulator answers, in a session that uses every call, checked by OpenAPI."""
    files = ("objects", "associations", "properties", "owners")
    contract = {name: OpenApi(real / "hubspot" / "contract" / f"{name}.openapi.json") for name in files}
    with Box(["hubspot"]) as box:
        vendor = box["hubspot"]
        assert isinstance(vendor, Simulator)
        answers: list[tuple[httpx.Request, httpx.Response]] = []
        connector = _session(vendor, answers)
        connector.close()
    checked = 0
    faults: set[str] = set()
    for request, response in answers:
        path = request.url.path
        spec = next((one for one in contract.values() if one.operation(request.method, path)), None)
        if spec is None:
            assert path == "/account-info/v3/details"
            continue
        checked += 1
        if request.content:
            faults |= {
                f"{path} {told}" for told in spec.request_faults(request.method, path, orjson.loads(request.content))
            }
        if response.content and response.status_code < 300:
            told = spec.answer_faults(request.method, path, response.status_code, orjson.loads(response.content))
            faults |= {f"{path} {response.status_code} {one}" for one in told}
    assert checked > 20
    assert sorted(one for one in faults if not any(gap in one for gap in CONTRACT_GAPS)) == []


def _session(vendor: Simulator, answers: list[tuple[httpx.Request, httpx.Response]]) -> HubSpot:
    class Keeping(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            response.read()
            answers.append((request, response))
            return response

    settings = {"access_token": vendor.token, "base_url": vendor.base_url}
    connector = open_connector(HubSpot, settings, connection="c", clock=FakeClock(), transport=Keeping())
    assert isinstance(connector, HubSpot)
    for resource in ("contacts", "companies", "deals"):
        connector.ensure_key(resource)
        connector.discover(resource)
    connector.check()
    vendor.make("owners")
    company = connector.write("companies", [WriteItem(Action.UPSERT, "c1", "o1", {"name": "C"}, trace_id="t")])[0]
    deal = WriteItem(Action.UPSERT, "d1", "o2", {"dealname": "D", "amount": 1.5}, trace_id="t")
    deal.refs = {"company": ("companies", str(company.vendor_id))}
    connector.write("deals", [deal, WriteItem(Action.UPSERT, "d2", "o3", {"dealname": "E", "amount": "x"})])
    connector.write("companies", [WriteItem(Action.UPSERT, "c1", "o4", {"name": None}, company.vendor_id)])
    for resource in ("deals", "companies", "owners", "contacts"):
        pages = list(connector.read(resource, None))
        list(connector.read(resource, pages[-1].cursor))
    connector.find("deals", ["d1", "gone"])
    deal.action = Action.DISSOCIATE
    connector.write("deals", [deal])
    connector.write("companies", [WriteItem(Action.ARCHIVE, "c1", "o5", {}, company.vendor_id)])
    return connector
