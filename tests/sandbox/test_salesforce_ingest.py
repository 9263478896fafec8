"""The simulated ingest jobs, driven by simple-salesforce's own Bulk 2.0 client: the dialect is the vendor's, not ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce as Sdk
from simple_salesforce.bulk2 import LineEnding, Operation, SFBulk2Type
from simple_salesforce.exceptions import (
    SalesforceMalformedRequest,
    SalesforceOperationError,
    SalesforceResourceNotFound,
)

from sandbox import Box
from sandbox.salesforce import Salesforce
from tests.sandbox.test_salesforce import Plain

KEY = "Throughline_Key__c"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box(["salesforce"]) as box:
        yield box


@pytest.fixture
def vendor(box: Box) -> Salesforce:
    simulator = box.blank("salesforce")
    assert isinstance(simulator, Salesforce)
    simulator.ingest.looks = 0
    return simulator


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Plain())
        yield session


@pytest.fixture
def contacts(vendor: Salesforce, session: requests.Session) -> SFBulk2Type:
    sdk = Sdk(session_id=vendor.token, instance_url=vendor.base_url, session=session, version="62.0")
    made: SFBulk2Type = sdk.bulk2.Contact
    return made


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def upsert(contacts: SFBulk2Type, records: list[dict[str, Any]]) -> dict[str, Any]:
    (told,) = contacts.upsert(records=records, external_id_field=KEY, wait=0)
    return dict(told)


def test_upsert_update_and_delete_by_the_sdk(contacts: SFBulk2Type, vendor: Salesforce) -> None:
    told = upsert(contacts, [{KEY: f"k{n}", "LastName": f'L "{n}"\n', "Email": f"p{n}@x.io"} for n in range(5)])
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (5, 0)
    good = table(contacts.get_successful_records(told["job_id"]))
    assert sorted(row[KEY] for row in good) == [f"k{n}" for n in range(5)]
    assert {row["sf__Created"] for row in good} == {"true"}
    assert all(vendor.state.get("Contact", row["sf__Id"]) for row in good)
    again = upsert(contacts, [{KEY: "K1", "LastName": "", "Email": "#N/A"}])
    (row,) = table(contacts.get_successful_records(again["job_id"]))
    held = vendor.state.get("Contact", row["sf__Id"])
    assert held is not None
    assert (row["sf__Created"], held["LastName"], held["Email"]) == ("false", 'L "1"', None)
    contacts.update(records=[{"Id": row["sf__Id"], "Title": "Boss"}], wait=0)
    contacts.delete(records=[{"Id": row["sf__Id"]}], wait=0)
    held = vendor.state.get("Contact", row["sf__Id"])
    assert held is not None
    assert (held["Title"], held["IsDeleted"]) == ("Boss", True)


def test_rows_fail_each_for_itself(contacts: SFBulk2Type) -> None:
    told = upsert(
        contacts, [{KEY: "a", "LastName": "A", "Email": "no"}, {KEY: "b", "LastName": "B", "Email": "b@x.io"}]
    )
    assert (told["numberRecordsProcessed"], told["numberRecordsFailed"]) == (2, 1)
    every = contacts.get_all_ingest_records(told["job_id"])
    assert [row[KEY] for row in every["successfulRecords"]] == ["b"]
    assert [row["sf__Error"] for row in every["failedRecords"]] == [
        "INVALID_EMAIL_ADDRESS:Email: invalid email address: no:Email --"
    ]
    assert every["unprocessedRecords"] == []


def test_a_job_may_end_before_all_its_rows(contacts: SFBulk2Type, vendor: Salesforce) -> None:
    vendor.ingest.fails, vendor.ingest.processed = "Failed", 2
    with pytest.raises(SalesforceOperationError):
        upsert(contacts, [{KEY: f"k{n}", "LastName": "L"} for n in range(5)])
    (job,) = vendor.ingest.begun
    assert len(table(contacts.get_successful_records(job))) == 2
    assert len(table(contacts.get_unprocessed_records(job))) == 3
    assert len(vendor.state.all("Contact")) == 2


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (f"{KEY},Nothing__c\nk1,x\n", "InvalidBatch : Field name not found : Nothing__c"),
        ("LastName\nLee\n", f"InvalidBatch : Field name not found : {KEY}"),
        (f"{KEY},LastName\r\nk1,Lee\r\n", "ClientInputError : LineEnding is invalid on user data"),
    ],
)
def test_a_wrong_file_fails_as_a_whole(contacts: SFBulk2Type, vendor: Salesforce, rows: str, wrong: str) -> None:
    client = contacts._client
    job = client.create_job(Operation.upsert, external_id_field=KEY, line_ending=LineEnding.LF)["id"]
    client.upload_job_data(job, rows)
    client.close_job(job)
    told = client.get_job(job, is_query=False)
    assert told["state"] == "Failed"
    assert told["errorMessage"].startswith(wrong)
    assert vendor.state.all("Contact") == []
    assert len(table(contacts.get_unprocessed_records(job))) == 1


def test_what_a_job_may_not_become(contacts: SFBulk2Type, vendor: Salesforce, session: requests.Session) -> None:
    client = contacts._client
    job = client.create_job(Operation.upsert, external_id_field=KEY)["id"]
    with pytest.raises(SalesforceMalformedRequest):
        contacts.get_successful_records(job)
    client.upload_job_data(job, f"{KEY},LastName\nk1,Lee\n")
    with pytest.raises(SalesforceMalformedRequest, match="multiple contents"):
        client.upload_job_data(job, f"{KEY},LastName\nk2,Lee\n")
    assert client.abort_job(job, is_query=False)["state"] == "Aborted"
    with pytest.raises(SalesforceMalformedRequest):
        client.close_job(job)
    with pytest.raises(SalesforceMalformedRequest):
        client.upload_job_data(job, f"{KEY},LastName\nk2,Lee\n")
    assert vendor.state.all("Contact") == []
    bearer = {"Authorization": f"Bearer {vendor.token}"}
    one = f"{vendor.base_url}/services/data/v62.0/jobs/ingest/{job}"
    listed = session.get(one.rpartition("/")[0], headers=bearer).json()
    assert [each["id"] for each in listed["records"]] == [job]
    assert session.delete(one, headers=bearer).status_code == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.get_job(job, is_query=False)
    vendor.ingest.most_bytes = 10
    job = client.create_job(Operation.insert)["id"]
    with pytest.raises(SalesforceMalformedRequest, match="too large"):
        client.upload_job_data(job, "LastName\nA much longer name\n")
    vendor.ingest.allowed = False
    with pytest.raises(SalesforceMalformedRequest, match="not enabled"):
        client.create_job(Operation.insert)


def test_two_rows_of_one_external_id_are_refused(contacts: SFBulk2Type, vendor: Salesforce) -> None:
    told = upsert(contacts, [{KEY: "k1", "LastName": "A"}, {KEY: "K1", "LastName": "B"}])
    assert told["numberRecordsFailed"] == 2
    assert vendor.state.all("Contact") == []
