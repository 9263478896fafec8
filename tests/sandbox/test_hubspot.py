"""The HubSpot simulator, driven with HubSpot's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubspot import Client
from hubspot.crm.associations.v4 import BatchInputPublicDefaultAssociationMultiPost
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInputUpsert,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.properties import PropertyCreate
from hubspot.utils.signature import Signature

from sandbox import Box
from sandbox.hubspot import HubSpot
from sandbox.hubspot.properties import Invalid, Property, accept
from sandbox.state import State

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # the SDK's sockets


@pytest.fixture
def vendor() -> Iterator[HubSpot]:
    with Box(["hubspot"]) as box:
        simulator = box["hubspot"]
        assert isinstance(simulator, HubSpot)
        yield simulator


@pytest.fixture
def sdk(vendor: HubSpot) -> Any:
    client = Client.create(access_token=vendor.token, host=vendor.base_url, retry=False)
    key = PropertyCreate(
        name="key",
        label="Key",
        type="string",
        field_type="text",
        group_name="contactinformation",
        has_unique_value=True,
    )
    client.crm.properties.core_api.create("contacts", key)
    return client


def test_the_sdk_creates_reads_updates_searches_and_archives(sdk: Any, vendor: HubSpot) -> None:
    api = sdk.crm.contacts
    sent = SimplePublicObjectInputForCreate(properties={"email": "Ada@X.io", "firstname": "Ada"}, associations=[])
    made = api.basic_api.create(sent)
    assert made.properties["email"] == "ada@x.io"
    api.basic_api.update(made.id, SimplePublicObjectInput(properties={"firstname": "", "phone": "1"}))
    read = api.basic_api.get_by_id(made.id, properties=["firstname", "phone", "nothing"])
    assert (read.properties["firstname"], read.properties["phone"]) == (None, "1")
    assert "nothing" not in read.properties
    wanted = {"propertyName": "email", "operator": "EQ", "value": "ADA@x.io"}
    body = PublicObjectSearchRequest(
        filter_groups=[{"filters": [wanted]}], sorts=["-createdate"], properties=["email"], limit=5, after="0"
    )
    assert [one.id for one in api.search_api.do_search(body).results] == [made.id]
    api.basic_api.archive(made.id)
    assert api.get_all() == []
    assert [one.id for one in api.get_all(archived=True)] == [made.id]
    with pytest.raises(ApiException) as missing:
        api.basic_api.get_by_id(made.id)
    assert missing.value.status == 404


def test_the_sdk_upserts_with_outcomes_per_input(sdk: Any, vendor: HubSpot) -> None:
    api = sdk.crm.contacts.batch_api

    def upsert(**emails: str) -> Any:
        inputs = [
            SimplePublicObjectBatchInputUpsert(
                id=key, id_property="key", object_write_trace_id=key, properties={"email": email}
            )
            for key, email in emails.items()
        ]
        return api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs), _preload_content=False)

    first = json.loads(upsert(a="a@x.io", b="nope", c="A@x.io").data)
    assert [one["objectWriteTraceId"] for one in first["results"]] == ["a"]
    told = {error["context"]["objectWriteTraceId"][0]: error for error in first["errors"]}
    assert told["c"]["category"] == "CONFLICT"
    assert told["c"]["message"] == f"Contact already exists. Existing ID: {first['results'][0]['id']}"
    assert "INVALID_EMAIL" in told["b"]["message"]
    again = json.loads(upsert(a="new@x.io").data)
    assert (again["results"][0]["new"], again["results"][0]["id"]) == (False, first["results"][0]["id"])
    assert [change.key for change in vendor.state.changes if change.resource == "contacts"] == ["a", "a"]


def test_without_trace_ids_one_bad_input_refuses_the_batch(sdk: Any, vendor: HubSpot) -> None:
    inputs = [{"properties": {"email": "a@x.io"}}, {"properties": {"email": "nope"}}]
    with pytest.raises(ApiException) as refused:
        sdk.crm.contacts.batch_api.create({"inputs": inputs})
    assert refused.value.status == 400
    assert vendor.state.all("contacts") == []


def test_what_does_not_change_does_not_touch_the_time(sdk: Any, vendor: HubSpot) -> None:
    made = vendor.make("contacts", email="a@x.io", firstname="Ada")
    vendor.state.advance(60)
    same = sdk.crm.contacts.basic_api.update(made["id"], SimplePublicObjectInput(properties={"firstname": "Ada"}))
    assert same.properties["lastmodifieddate"] == made["properties"]["lastmodifieddate"]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("number", "5000.00", "5000.00"),
        ("bool", True, "true"),
        ("datetime", "1767225600000", "2026-01-01T00:00:00Z"),
        ("datetime", "2026-01-01T01:00:00.250+01:00", "2026-01-01T00:00:00.250Z"),
        ("date", "2026-01-01", "2026-01-01"),
        ("string", "  x ", "x"),
        ("string", None, ""),
    ],
)
def test_values_are_kept_as_hubspot_keeps_them(kind: str, given: Any, kept: str) -> None:
    assert accept(Property("p", kind), given) == kept


@pytest.mark.parametrize(
    ("prop", "given", "code"),
    [
        (Property("p", "number"), "1,5", "INVALID_DOUBLE"),
        (Property("p", "date"), "2026-01-01T12:00:00Z", "INVALID_DATE"),
        (Property("p", "datetime"), "soon", "INVALID_LONG"),
        (Property("p", "enumeration", ("a",)), "A", "INVALID_OPTION"),
        (Property("p", "bool"), "yes", "INVALID_OPTION"),
        (Property("email"), "a@b", "INVALID_EMAIL"),
        (Property("p", read_only=True), "x", "READ_ONLY_VALUE"),
        (Property("p"), "x" * 65_537, "STRING_TOO_LONG"),
    ],
)
def test_values_are_refused_as_hubspot_refuses_them(prop: Property, given: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        accept(prop, given)
    assert refused.value.code == code


def test_search_keeps_its_limits(sdk: Any, vendor: HubSpot) -> None:
    for n in range(3):
        vendor.make("companies", name=f"C{n}", annualrevenue=str(9 + n))
    api = sdk.crm.companies.search_api

    def ids(**body: Any) -> list[str]:
        return [one.properties["name"] for one in api.do_search({"properties": ["name"], "limit": 2, **body}).results]

    rule = {"propertyName": "annualrevenue", "operator": "GTE", "value": "10"}
    assert ids(
        filterGroups=[{"filters": [rule]}], sorts=[{"propertyName": "annualrevenue", "direction": "DESCENDING"}]
    ) == ["C2", "C1"]
    assert ids(after="2") == ["C2"]
    either = [
        {"filters": [{"propertyName": "name", "operator": "IN", "values": ["c0"]}]},
        {"filters": [rule | {"value": "11"}]},
    ]
    assert ids(filterGroups=either) == ["C0", "C2"]
    for wrong in (
        {"after": "10000"},
        {"limit": 201},
        {"sorts": ["a", "b"]},
        {"filterGroups": [{"filters": [{"propertyName": "nothing", "operator": "EQ", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "LIKE", "value": "1"}]}]},
    ):
        with pytest.raises(Exception, match="400"):
            ids(**wrong)


def test_associations_are_seen_from_both_ends(sdk: Any, vendor: HubSpot) -> None:
    company, deal = vendor.make("companies"), vendor.make("deals")
    pair = {"from": {"id": deal["id"]}, "to": {"id": company["id"]}}
    api = sdk.crm.associations.v4.batch_api
    api.create_default("deals", "companies", BatchInputPublicDefaultAssociationMultiPost(inputs=[pair]))
    seen = api.get_page("companies", "deals", {"inputs": [{"id": company["id"]}]})
    assert [str(to.to_object_id) for to in seen.results[0].to] == [deal["id"]]
    listed = sdk.crm.deals.basic_api.get_page(associations=["companies"]).results[0]
    assert {one.type for one in listed.associations["companies"].results} == {
        "deal_to_company",
        "deal_to_company_unlabeled",
    }


def test_a_contacts_first_company_is_its_primary_one(vendor: HubSpot) -> None:
    contact, one, two = vendor.make("contacts", email="a@x.io"), vendor.make("companies"), vendor.make("companies")

    def primary() -> str | None:
        found = vendor.store.find("contacts", contact["id"])
        assert found is not None
        told: str | None = found["properties"]["associatedcompanyid"]
        return told

    vendor.store.associate("contacts", contact["id"], "companies", one["id"])
    vendor.store.associate("companies", two["id"], "contacts", contact["id"])
    assert primary() == one["id"]
    vendor.store.associate("contacts", contact["id"], "companies", one["id"], undo=True)
    assert primary() == two["id"]
    vendor.store.associate("contacts", contact["id"], "companies", two["id"], undo=True)
    assert primary() is None


def test_webhooks_carry_a_signature_the_sdk_accepts(vendor: HubSpot) -> None:
    vendor.hook("https://x.io/hook", "secret", ["contact.*"])
    made = vendor.make("contacts", email="a@x.io")
    vendor.make("companies")
    [(_, body, headers)] = vendor.outbox
    assert json.loads(body)[0]["objectId"] == int(made["id"])
    stamp, signature = headers["X-HubSpot-Request-Timestamp"], headers["X-HubSpot-Signature-v3"]
    told = {"http_uri": "https://x.io/hook", "signature_version": "v3", "timestamp": stamp}
    assert Signature.is_valid(signature, "secret", body.decode(), **told)


def test_the_account_survives_a_restart(tmp_path: Path) -> None:
    before = HubSpot(State(tmp_path / "h.jsonl"))
    before.store.add_property("contacts", {"name": "key", "type": "string", "hasUniqueValue": True})
    made = before.make("contacts", email="a@x.io", key="k1")
    before.state.close()
    after = HubSpot(State(tmp_path / "h.jsonl"))
    found = after.store.find("contacts", "K1", "key")
    assert found is not None
    assert found["id"] == made["id"]
    after.state.close()


def test_one_credential_and_one_error_shape(sdk: Any, vendor: HubSpot) -> None:
    vendor.token = "changed"
    with pytest.raises(ApiException) as refused:
        sdk.crm.contacts.basic_api.get_page()
    assert refused.value.status == 401
    assert {"status", "message", "correlationId", "category"} <= json.loads(refused.value.body).keys()
