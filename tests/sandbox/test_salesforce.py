"""The Salesforce simulator, driven with simple-salesforce."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce as Sdk
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_external_id, format_soql

from sandbox import Box
from sandbox.salesforce import Salesforce
from sandbox.salesforce.records import Refused, make_id
from sandbox.salesforce.schema import Field
from sandbox.salesforce.soql import BadQuery, parse, select
from sandbox.state import State

KEY = "Throughline_Key__c"


class Plain(HTTPAdapter):
    """The SDK always writes https; the simulator speaks http on loopback."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def vendor() -> Iterator[Salesforce]:
    with Box(["salesforce"]) as box:
        simulator = box["salesforce"]
        assert isinstance(simulator, Salesforce)
        yield simulator


@pytest.fixture
def sdk(vendor: Salesforce) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Plain())
        yield Sdk(session_id=vendor.token, instance_url=vendor.base_url, session=session, version="62.0")


def test_the_sdk_creates_reads_updates_upserts_and_deletes(sdk: Any, vendor: Salesforce) -> None:
    made = sdk.Contact.create({"LastName": "Lovelace", "Email": "a@x.io"})["id"]
    assert len(made) == 18
    assert sdk.Contact.update(made, {"FirstName": "Ada", "Email": None}) == 204
    read = sdk.Contact.get(made)
    assert (read["Name"], read["Email"], read["attributes"]["type"]) == ("Ada Lovelace", None, "Contact")
    assert sdk.Contact.upsert(format_external_id(KEY, "a/b#c"), {"LastName": "B"}) == 201
    assert sdk.Contact.upsert(format_external_id(KEY, "A/B#C"), {"LastName": "C"}) == 200
    found = sdk.Contact.get_by_custom_id(KEY, "a/b#c")
    assert found["LastName"] == "C"
    assert sdk.Contact.delete(made) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sdk.Contact.get(made)
    assert [row["Id"] for row in sdk.query_all("SELECT Id FROM Contact")["records"]] == [found["Id"]]
    gone = sdk.query("SELECT Id FROM Contact WHERE IsDeleted = true", include_deleted=True)
    assert [row["Id"] for row in gone["records"]] == [made]


def test_the_sdk_follows_pages_and_asks_for_all_kinds_of_things(sdk: Any, vendor: Salesforce) -> None:
    vendor.page_size = 2
    for n in range(5):
        vendor.make("Account", Name=f"A{n}", AnnualRevenue=n * 100)
    found = sdk.query_all("SELECT Id, Name FROM Account ORDER BY Name DESC")
    assert [row["Name"] for row in found["records"]] == ["A4", "A3", "A2", "A1", "A0"]
    assert sdk.query("SELECT COUNT() FROM Account WHERE AnnualRevenue >= 200")["totalSize"] == 3
    soql = format_soql(
        "SELECT Name FROM Account WHERE Name IN {names} OR Name LIKE {like}", names=["a1", "x'y"], like="%3"
    )
    assert [row["Name"] for row in sdk.query(soql)["records"]] == ["A1", "A3"]
    assert sdk.limits()["DailyApiRequests"]["Max"] == 15_000
    assert sdk.Account.describe()["keyPrefix"] == "001"
    assert {one["name"] for one in sdk.describe()["sobjects"]} >= {"Account", "Contact", "Lead"}
    assert sdk.api_usage["api-usage"].used == vendor.used


def test_an_ambiguous_external_id_is_a_300(sdk: Any, vendor: Salesforce) -> None:
    for resource in ("Contact",):
        vendor.records.add_field(resource, Field("Legacy__c", length=20, external_id=True))
        vendor.make(resource, Legacy__c="1")
        vendor.make(resource, Legacy__c="1")
    with pytest.raises(SalesforceMoreThanOneRecord):
        sdk.Contact.upsert("Legacy__c/1", {"LastName": "B"})
    told = sdk.restful(
        "composite/sobjects/Contact/Legacy__c",
        method="PATCH",
        json={"records": [{"attributes": {"type": "Contact"}, "Legacy__c": "1", "LastName": "B"}]},
    )
    assert told[0]["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_collections_tell_of_each_record(sdk: Any, vendor: Salesforce) -> None:
    records = [{"attributes": {"type": "Lead"}, "LastName": "A", "Company": "C", KEY: key} for key in ("1", "2", "2")]
    del records[0]["Company"]
    told = sdk.restful(f"composite/sobjects/Lead/{KEY}", method="PATCH", json={"records": records})
    assert [one["success"] for one in told] == [False, False, False]
    assert [one["errors"][0]["statusCode"] for one in told] == [
        "REQUIRED_FIELD_MISSING",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]
    with pytest.raises(SalesforceMalformedRequest):
        sdk.restful("composite/sobjects", method="PATCH", json={"records": [{}] * 201})


def test_errors_look_like_salesforce(sdk: Any, vendor: Salesforce) -> None:
    for soql, code in (
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name ~ 'x'", "MALFORMED_QUERY"),
    ):
        with pytest.raises(SalesforceMalformedRequest) as refused:
            sdk.query(soql)
        assert refused.value.content[0]["errorCode"] == code
    vendor.token = "changed"
    with pytest.raises(SalesforceExpiredSession) as expired:
        sdk.limits()
    assert expired.value.content[0]["errorCode"] == "INVALID_SESSION_ID"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("A = 'X'", [1]),
        ("A != 'x'", [2, 3]),
        ("A = null", [3]),
        ("N > 1 AND N <= 3", [2, 3]),
        ("NOT (N = 1 OR N = 2)", [3]),
        ("N NOT IN (1, 2)", [3]),
        ("D >= 2026-01-02T00:00:00Z", [2, 3]),
        ("D < 2026-01-01T01:00:00.000+02:00", []),
        ("Day = 2026-01-02", [2]),
        ("B = true", [2]),
        ("A = 'it\\'s'", [2]),
        ("Id > 'a2'", [3]),
        ("Id = 'A2'", []),
    ],
)
def test_where_finds(where: str, found: list[int]) -> None:
    records: list[dict[str, Any]] = [
        {"Id": "a1", "N": 1, "A": "x", "B": False, "D": "2026-01-01T00:00:00.000+0000", "Day": "2026-01-01"},
        {"Id": "a2", "N": 2, "A": "it's", "B": True, "D": "2026-01-02T00:00:00.000+0000", "Day": "2026-01-02"},
        {"Id": "a3", "N": 3, "A": None, "B": False, "D": "2026-01-03T00:00:00.000+0000", "Day": None},
    ]
    query = parse(f"SELECT Id FROM T WHERE {where} ORDER BY N")  # noqa: S608 - the thing tested
    assert [record["N"] for record in select(query, records, lambda record, name: record.get(name))] == found


@pytest.mark.parametrize(
    "soql",
    [
        "",
        "SELECT",
        "SELECT FROM T",
        "SELECT Id T",
        "SELECT Id FROM T LIMIT",
        "SELECT Id FROM T x",
        "SELECT Id FROM T WHERE A IN ()",
        "SELECT Id FROM T WHERE A = b",
        "SELECT ; FROM T",
    ],
)
def test_bad_queries_are_refused(soql: str) -> None:
    with pytest.raises(BadQuery):
        parse(soql)


def test_ids_carry_their_checksum() -> None:
    # Each of the last three letters says which of five characters are capitals: 001SB → S and B → 0b11000 → Y.
    made = make_id("001", 1)
    assert (len(made), made[:6]) == (18, "001SB0")
    assert made[15:] == "YAA"
    assert make_id("001", 62)[15:] == make_id("001", 63)[15:]


def test_the_org_survives_a_restart_and_keeps_its_bin(tmp_path: Path) -> None:
    before = Salesforce(State(tmp_path / "s.jsonl"))
    made = before.make("Account", **{KEY: "k1"})
    gone = before.make("Account", **{KEY: "k2"})
    before.remove("Account", gone["Id"])
    before.state.close()
    after = Salesforce(State(tmp_path / "s.jsonl"))
    assert [one["Id"] for one in after.records.matching("Account", KEY, "K1")] == [made["Id"]]
    assert after.records.matching("Account", KEY, "k2") == []
    with pytest.raises(Refused, match="entity is deleted"):
        after.remove("Account", gone["Id"])
    after.state.close()
