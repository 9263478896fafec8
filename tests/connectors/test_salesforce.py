"""The Salesforce connector against the simulator, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import open_connector
from connectors.salesforce import Salesforce
from kernel.errors import BadSetting, Fate, Park, Retry, RetryAt, Stop, Unknown
from kernel.records import Action, SourceRecord, WriteItem
from sandbox import Box
from sandbox.salesforce import Salesforce as Simulator
from sandbox.salesforce.records import Rule
from sandbox.salesforce.schema import Field
from tests.conftest import FakeClock

Opener = Callable[..., Salesforce]
KEY = "Throughline_Key__c"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box(["salesforce"]) as box:
        yield box


@pytest.fixture
def vendor(box: Box) -> Simulator:
    simulator = box.blank("salesforce")
    assert isinstance(simulator, Simulator)
    return simulator


@pytest.fixture
def opened(box: Box, vendor: Simulator) -> Iterator[Opener]:
    made: list[Salesforce] = []

    def build(**settings: Any) -> Salesforce:
        clock = FakeClock(time.time_ns() // 1000)
        told = {"instance_url": f"http://127.0.0.1:{box.ports['salesforce']}", "access_token": vendor.token, **settings}
        connector = open_connector(Salesforce, told, connection="sf_test", clock=clock)
        assert isinstance(connector, Salesforce)
        made.append(connector)
        return connector

    yield build
    for connector in made:
        connector.close()


@pytest.fixture
def salesforce(opened: Opener) -> Salesforce:
    return opened()


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    return WriteItem(action, key, f"op-{key}", fields, vendor_id, trace_id=f"trace-{key}")


def read_all(connector: Salesforce, resource: str, since: Any = None, **options: Any) -> tuple[list[SourceRecord], Any]:
    pages = list(connector.read(resource, since, **options))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [record for page in pages for record in page.records], pages[-1].cursor


def test_reads_everything_then_changes_and_the_recycle_bin(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.page_size = 100
    made = [vendor.make("Contact", LastName=f"P{n}", Email=f"p{n}@x.io") for n in range(250)]
    gone = vendor.make("Contact")
    vendor.remove("Contact", gone["Id"])
    records, cursor = read_all(salesforce, "Contact")
    assert {record.id for record in records} == {one["Id"] for one in made}
    assert records[0].updated_at is not None
    vendor.state.advance(600)
    vendor.change("Contact", made[7]["Id"], FirstName="Ada")
    vendor.remove("Contact", made[9]["Id"])
    records, after = read_all(salesforce, "Contact", cursor)
    fresh = [record for record in records if (record.updated_at or 0) > vendor.state.now() - 60_000_000]
    assert [(record.id, record.deleted) for record in fresh] == [(made[7]["Id"], False), (made[9]["Id"], True)]
    assert after["modified"] > cursor["modified"]


def test_only_the_look_back_is_read_again(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.make("Account", Name="Old")
    vendor.state.advance(400)
    vendor.make("Account", Name="Recent")
    _, cursor = read_all(salesforce, "Account")
    records, again = read_all(salesforce, "Account", cursor)
    assert [record.raw["Name"] for record in records] == ["Recent"]
    assert again == cursor


@pytest.mark.parametrize("whole", [True, False])
def test_a_read_goes_on_where_it_stopped(salesforce: Salesforce, vendor: Simulator, whole: bool) -> None:
    vendor.page_size = 40
    ids = {vendor.make("Account")["Id"] for _ in range(130)}  # nearly all in the same second
    for one in list(ids)[:3]:
        vendor.remove("Account", one)
    cursor: Any = None if whole else {"modified": "2020-01-01T00:00:00.000Z"}
    seen, last = list[SourceRecord](), False
    while not last:  # every page is read by a new call, as after a crash
        page = next(iter(salesforce.read("Account", cursor)))
        seen, cursor, last = seen + page.records, page.cursor, page.last
    assert len(seen) == len({record.id for record in seen}) == (127 if whole else 130)
    assert sum(record.deleted for record in seen) == (0 if whole else 3)


def test_a_dropped_query_is_asked_anew_from_where_it_was(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.page_size = 40
    ids = {vendor.make("Account")["Id"] for _ in range(100)}
    pages = salesforce.read("Account", None)
    seen = [record.id for record in next(pages).records]
    vendor.locators.clear()
    seen += [record.id for page in pages for record in page.records]
    assert len(seen) == len(ids)
    assert set(seen) == ids


def test_a_window_is_bounded_and_an_empty_org_reads_empty(salesforce: Salesforce, vendor: Simulator) -> None:
    records, cursor = read_all(salesforce, "Lead")
    assert records == []
    assert read_all(salesforce, "Lead", cursor)[0] == []
    stamp = 1_700_000_000_000_000
    for n in range(5):
        vendor.state.freeze(stamp + n * 1_000_000)
        vendor.make("Lead", LastName=f"L{n}")
    records, _ = read_all(salesforce, "Lead", window=(stamp + 1_000_000, stamp + 3_000_000))
    assert [record.raw["LastName"] for record in records] == ["L1", "L2"]


def test_reads_the_fields_the_org_has(opened: Opener, vendor: Simulator) -> None:
    vendor.records.add_field("Contact", Field("Tier__c", length=20))
    vendor.make("Contact", Tier__c="gold", **{KEY: "k1"})
    del vendor.records.fields["Contact"]["HasOptedOutOfFax"]
    raw = read_all(opened(fields={"Contact": ("Tier__c", "Absent__c")}), "Contact")[0][0].raw
    assert (raw["Tier__c"], raw[KEY]) == ("gold", "k1")
    assert not {"Absent__c", "HasOptedOutOfFax", "CurrencyIsoCode"} & raw.keys()


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/services/data/v62.0/query/x",
        "/services/data/v62.0/query/../sobjects",
        "@evil.example/",
        "/x?q=1",
    ],
)
def test_a_next_page_link_may_lead_into_a_query_only(salesforce: Salesforce, link: str) -> None:
    with pytest.raises(Stop):
        salesforce._org.more(link)


def test_upsert_creates_then_updates_and_reads_back(salesforce: Salesforce, vendor: Simulator) -> None:
    first = salesforce.write("Contact", [item("k1", LastName=" Lovelace ", Email="a@x.io"), item("k2", LastName="B")])
    assert [outcome.created for outcome in first] == [True, True]
    assert first[0].record is not None
    assert first[0].record.raw["LastName"] == "Lovelace"  # as the vendor keeps it
    assert first[0].request_id
    again = salesforce.write(
        "Contact", [item("K1", FirstName="Ada"), item("k2", first[1].vendor_id, Email=None, Title="x")]
    )
    assert [(outcome.vendor_id, outcome.created) for outcome in again] == [
        (first[0].vendor_id, False),
        (first[1].vendor_id, False),
    ]
    held = vendor.records.get("Contact", str(first[1].vendor_id))
    assert held is not None
    assert (held["Email"], held["Title"], held[KEY]) == (None, "x", "k2")


def test_without_read_back_outcomes_stand_alone(opened: Opener, vendor: Simulator) -> None:
    outcome = opened(read_back=False).write("Account", [item("k1", Name="A")])[0]
    assert (outcome.record, outcome.created) == (None, True)
    vendor.faults.add(500, path="/composite/sobjects/Account$", times=None)
    outcome = opened().write("Account", [item("k2", Name="B")])[0]
    assert (outcome.record, outcome.created) == (None, True)


def test_each_refused_record_says_why_and_leaves_the_others(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.records.admin.rules.append(
        Rule("Contact", lambda record: record.get("Title") == "King", "No kings", "Title")
    )
    vendor.records.admin.duplicate_rules["Contact"] = "Email"
    vendor.records.restrict("Contact", "LeadSource")
    vendor.make("Contact", Email="taken@x.io")
    account = vendor.make("Account")
    vendor.remove("Account", account["Id"])
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"FirstName": "No last name"}, "refused", "LastName"),
        ({"LastName": "x" * 81}, "refused", "LastName"),
        ({"LastName": "A", "Email": "nope"}, "refused", "Email"),
        ({"LastName": "A", "Title": "King"}, "refused", "Title"),
        ({"LastName": "A", "LeadSource": "Nowhere"}, "refused", "LeadSource"),
        ({"LastName": "A", "Email": "taken@x.io"}, "conflict", ""),
        ({"LastName": "A", "Nothing__c": 1}, "refused", ""),
        ({"LastName": "A", "Name": "read only"}, "refused", "Name"),
        ({"LastName": "A", "Birthdate": "soon"}, "refused", "Birthdate"),
        ({"LastName": "A", "AccountId": "001000000000000AAA"}, "not_found", "AccountId"),
        ({"LastName": "A", "AccountId": account["Id"]}, "not_found", ""),
        ({"LastName": "A", "AccountId": "short"}, "refused", "AccountId"),
    ]
    batch = [item("good", LastName="Good")] + [item(f"k{n}", **fields) for n, (fields, _, _) in enumerate(wrong)]
    outcomes = salesforce.write("Contact", batch)
    assert outcomes[0].error is None
    told = [(o.error.fate, o.error.cause, o.error.field) for o in outcomes[1:] if o.error]
    assert told == [(Fate.PARK, cause, field) for _, cause, field in wrong]
    assert not any("nope" in str(o.error) or "King" in str(o.error) or "taken" in str(o.error) for o in outcomes)


def test_references_become_lookups(salesforce: Salesforce, vendor: Simulator) -> None:
    account, user = vendor.make("Account"), vendor.make("User")
    one = item("k1", LastName="A")
    one.refs = {"account": ("Account", account["Id"]), "owner": ("User", user["Id"])}
    made = salesforce.write("Contact", [one])[0]
    held = vendor.records.get("Contact", str(made.vendor_id))
    assert held is not None
    assert (held["AccountId"], held["OwnerId"]) == (account["Id"], user["Id"])
    one.action, one.fields, one.refs = Action.DISSOCIATE, {}, {"account": ("Account", account["Id"])}
    assert salesforce.write("Contact", [one])[0].error is None
    held = vendor.records.get("Contact", str(made.vendor_id))
    assert held is not None
    assert held["AccountId"] is None


def test_delete_by_id_or_key_and_what_is_gone_already(salesforce: Salesforce, vendor: Simulator) -> None:
    made = salesforce.write("Account", [item(f"k{n}", Name="A") for n in range(3)])
    vendor.remove("Account", str(made[2].vendor_id))
    batch = [
        item("k0", made[0].vendor_id),
        item("k1"),
        item("k2", made[2].vendor_id),
        item("k3"),
        item("k4", "001000000000000AAA"),
    ]
    for one in batch:
        one.action = Action.DELETE
    gone = salesforce.write("Account", batch)
    assert [outcome.vendor_id for outcome in gone[:3]] == [one.vendor_id for one in made]
    assert [outcome.error.cause for outcome in gone[3:] if outcome.error] == ["not_found", "not_found"]
    update = salesforce.write("Account", [item("k0", made[0].vendor_id, Name="B")])[0]
    assert update.error is not None
    assert (update.error.fate, update.error.cause) == (Fate.PARK, "not_found")


def test_find_and_fetch(salesforce: Salesforce, vendor: Simulator) -> None:
    keys = [f"key-{n}-O'Hara" for n in range(120)]
    made = salesforce.write("Account", [item(key, Name="A") for key in keys])
    found = salesforce.find("Account", [*keys, "no'body"])
    assert {key: [record.id for record in records] for key, records in found.items()} == {
        **{key: [outcome.vendor_id] for key, outcome in zip(keys, made, strict=True)},
        "no'body": [],
    }
    vendor.remove("Account", str(made[0].vendor_id))
    assert salesforce.find("Account", keys[:1]) == {keys[0]: []}
    there = salesforce.fetch("Account", [str(made[1].vendor_id), str(made[0].vendor_id)])
    assert [record.deleted for record in there] == [False, True]


@pytest.mark.parametrize(
    "kind", ["timeout", "reset", "500", "503", "truncated", "html200", "empty200", "dropped", "wrong_length"]
)
def test_a_write_without_a_whole_answer_is_unknown_and_sent_once(opened: Opener, vendor: Simulator, kind: str) -> None:
    salesforce = opened()
    salesforce.http.timeout = 0.2
    vendor.faults.add(kind, path=KEY, apply=True)
    with pytest.raises(Unknown):
        salesforce.write("Account", [item("k1", Name="A"), item("k2", Name="B")])
    assert sum(call.method == "PATCH" for call in vendor.calls) == 1
    assert len(salesforce.find("Account", ["k1"])["k1"]) == 1  # reconcile sees that it was applied
    assert [outcome.created for outcome in salesforce.write("Account", [item("k1", Name="A")])] == [False]


def test_a_locked_row_or_a_race_for_the_key_may_be_sent_again(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.faults.add("partial", path=KEY, index=0)
    told = f"duplicate value found: {KEY} duplicates value on record with id: 001"
    vendor.faults.add("partial", path=KEY, index=0, code="DUPLICATE_VALUE", message=told)
    for _ in range(2):
        outcomes = salesforce.write("Account", [item("k1", Name="A"), item("k2", Name="B")])
        assert isinstance(outcomes[0].error, Retry)
        assert outcomes[0].error.cause == "locked"
        assert outcomes[1].error is None


def test_a_refused_request_is_halved(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.faults.add(400, path=KEY, times=2)
    outcomes = salesforce.write("Account", [item("k1", Name="A"), item("k2", Name="B")])
    assert isinstance(outcomes[0].error, Park)
    assert outcomes[1].error is None


def test_the_daily_pool(opened: Opener, vendor: Simulator) -> None:
    salesforce = opened(daily_share=0.5)
    vendor.daily_limit = 20
    vendor.used = 10
    salesforce.check()
    with pytest.raises(RetryAt) as spent:
        salesforce.write("Account", [item("k1", Name="A")])
    assert spent.value.cause == "daily_budget"
    assert not any(call.method == "PATCH" for call in vendor.calls)
    vendor.used = 20
    with pytest.raises(RetryAt) as refused:  # a 403 that means hours
        list(opened().read("Account", None))
    assert refused.value.cause == "daily_budget"


def test_tokens_are_fetched_and_renewed_for_this_instance_only(opened: Opener, vendor: Simulator, box: Box) -> None:
    by_client = {"access_token": None, "client_id": vendor.client[0], "client_secret": vendor.client[1]}
    salesforce = opened(**by_client)
    assert salesforce.check()[0].ok
    vendor.token = "renewed"
    assert salesforce.write("Account", [item("k1", Name="A")])[0].created
    assert sum(call.path == "/services/oauth2/token" for call in vendor.calls) == 2
    by_refresh = opened(access_token=None, client_id="c", refresh_token=vendor.refresh_token)
    assert by_refresh.check()[0].ok
    with pytest.raises(Stop, match="throughline check sf_test"):
        list(opened(**{**by_client, "client_secret": "wrong"}).read("Account", None))
    vendor.base_url = "https://other.my.salesforce.com"
    with pytest.raises(Stop, match="instance_url"):
        list(opened(**by_client).read("Account", None))


def test_a_refused_token_stops_and_settings_need_one_credential(opened: Opener, vendor: Simulator) -> None:
    for wrong in (
        {"access_token": None},
        {"client_id": "c"},
        {"access_token": None, "client_id": "c"},
        {"version": "62"},
    ):
        with pytest.raises(BadSetting):
            opened(**wrong)
    salesforce = opened()
    vendor.token = "changed"
    with pytest.raises(Stop, match="throughline check sf_test"):
        salesforce.write("Account", [item("k1", Name="A")])
    assert [check.ok for check in salesforce.check()] == [False]


def test_check_says_what_is_missing_and_how_to_mend_it(opened: Opener, vendor: Simulator) -> None:
    checks = {check.name: check for check in opened().check()}
    assert all(check.ok for check in checks.values())
    assert "daily requests left" in checks["org"].detail
    del vendor.records.fields["Lead"][KEY]
    vendor.records.add_field("Case", Field(KEY, length=255))
    checks = {check.name: check for check in opened(version="66.0").check()}
    assert [name for name, check in checks.items() if not check.ok] == ["Lead", "Case"]
    assert "External ID, Unique" in checks["Lead"].fix
    vendor.versions.remove("62.0")
    assert [check.ok for check in opened().check()] == [False]


def test_discover_lists_live_fields(salesforce: Salesforce) -> None:
    fields = {field.name: field for field in salesforce.discover("Opportunity")}
    assert {name for name, field in fields.items() if field.required} == {"Name", "StageName", "CloseDate"}
    assert fields[KEY].unique
    assert fields["AccountId"].type == "reference"
    assert fields["StageName"].type == "picklist"
    assert "Closed Won" in fields["StageName"].values
    assert (fields["Amount"].type, fields["Amount"].max_length, fields["Name"].max_length) == ("number", None, 120)
    assert fields["SystemModstamp"].read_only
