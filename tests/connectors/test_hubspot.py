"""The HubSpot connector against the simulator, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import open_connector
from connectors.hubspot import HubSpot
from kernel.errors import BadSetting, Fate, Park, Retry, RetryAt, Stop, Unknown
from kernel.records import Action, SourceRecord, WebhookRequest, WriteItem
from sandbox import Box
from sandbox.hubspot import HubSpot as Simulator
from tests.conftest import FakeClock

Opener = Callable[..., HubSpot]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box(["hubspot"]) as box:
        yield box


@pytest.fixture
def vendor(box: Box) -> Simulator:
    simulator = box.blank("hubspot")
    assert isinstance(simulator, Simulator)
    return simulator


@pytest.fixture
def opened(box: Box, vendor: Simulator) -> Iterator[Opener]:
    made: list[HubSpot] = []

    def build(**settings: Any) -> HubSpot:
        clock = FakeClock(time.time_ns() // 1000)
        told = {"base_url": box.url("hubspot"), "access_token": vendor.token, **settings}
        connector = open_connector(HubSpot, told, connection="hubspot_test", clock=clock)
        assert isinstance(connector, HubSpot)
        made.append(connector)
        return connector

    yield build
    for connector in made:
        connector.close()


@pytest.fixture
def hubspot(opened: Opener) -> HubSpot:
    connector = opened()
    for resource in ("contacts", "companies", "deals", "tickets"):
        connector.ensure_key(resource)
    return connector


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    return WriteItem(action, key, f"op-{key}", fields, vendor_id, trace_id=f"trace-{key}")


def read_all(connector: HubSpot, resource: str, since: Any = None, **options: Any) -> tuple[list[SourceRecord], Any]:
    pages = list(connector.read(resource, since, **options))
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [record for page in pages for record in page.records], pages[-1].cursor


def test_reads_everything_then_only_changes_and_tombstones(hubspot: HubSpot, vendor: Simulator) -> None:
    made = [vendor.make("contacts", email=f"p{n}@x.io") for n in range(250)]
    records, cursor = read_all(hubspot, "contacts")
    assert [record.id for record in records] == [one["id"] for one in made]
    assert records[0].updated_at is not None
    # Past the look-back, so that only what changed after the first read comes again.
    vendor.state.advance(7200)
    later = {**cursor, "modified": cursor["modified"] + 7_100_000, "archived": cursor["archived"] + 7_100_000}
    vendor.change("contacts", made[7]["id"], firstname="Ada")
    vendor.remove("contacts", made[9]["id"])
    records, after = read_all(hubspot, "contacts", later)
    assert {(record.id, record.deleted) for record in records} == {(made[7]["id"], False), (made[9]["id"], True)}
    assert "going" not in after
    assert after["modified"] >= later["modified"]


def test_look_back_reads_again_what_the_index_may_have_shown_late(opened: Opener, vendor: Simulator) -> None:
    hubspot = opened(lookback=60)
    vendor.make("companies", name="Seen")
    _, cursor = read_all(hubspot, "companies")
    records, _ = read_all(hubspot, "companies", cursor)
    assert [record.raw["properties"]["name"] for record in records] == ["Seen"]


def test_a_record_hidden_by_the_lagging_index_comes_with_a_later_read(hubspot: HubSpot, vendor: Simulator) -> None:
    _, cursor = read_all(hubspot, "contacts")
    vendor.state.search_lag = 600
    made = vendor.make("contacts", email="late@x.io")
    records, cursor = read_all(hubspot, "contacts", cursor)
    assert records == []
    vendor.state.search_lag = 0
    records, _ = read_all(hubspot, "contacts", cursor)
    assert [record.id for record in records] == [made["id"]]


def test_walks_by_id_inside_one_millisecond_and_beyond_ten_thousand(hubspot: HubSpot, vendor: Simulator) -> None:
    stamp = 1_700_000_000_000_000
    for group in range(3):
        vendor.state.freeze(stamp + group * 5_000)
        for n in range(450):
            vendor.make("companies", name=f"C{group}-{n}")
    vendor.state.freeze(stamp + 60_000_000)
    records, cursor = read_all(hubspot, "companies", {"modified": stamp // 1000, "archived": stamp // 1000})
    assert len(records) == len({record.id for record in records}) == 1350
    assert all("after" not in call.body.decode() for call in vendor.calls if call.path.endswith("/search"))
    assert cursor["modified"] >= stamp // 1000


def test_a_read_goes_on_where_it_stopped(hubspot: HubSpot, vendor: Simulator) -> None:
    stamp = 1_700_000_000_000_000
    vendor.state.freeze(stamp)
    ids = {vendor.make("companies", name=f"C{n}")["id"] for n in range(650)}
    gone = {vendor.make("companies", name=f"G{n}")["id"] for n in range(150)}
    for one in gone:
        vendor.remove("companies", one)
    for start in (None, {"modified": stamp // 1000, "archived": stamp // 1000}):
        seen: list[str] = []
        cursor, last = start, False
        while not last:  # every page is read by a new call, as after a crash
            page = next(iter(hubspot.read("companies", cursor)))
            seen += [record.id for record in page.records if not record.deleted]
            if start is not None:
                gone -= {record.id for record in page.records if record.deleted}
            cursor, last = page.cursor, page.last
        assert set(seen) == ids
    assert not gone


def test_a_window_is_bounded_on_both_sides(hubspot: HubSpot, vendor: Simulator) -> None:
    stamp = 1_700_000_000_000_000
    for n in range(5):
        vendor.state.freeze(stamp + n * 1_000_000)
        vendor.make("deals", dealname=f"D{n}")
    records, _ = read_all(hubspot, "deals", window=(stamp + 1_000_000, stamp + 3_000_000))
    assert [record.raw["properties"]["dealname"] for record in records] == ["D1", "D2"]


def test_associations_look_the_same_from_list_search_and_fetch(hubspot: HubSpot, vendor: Simulator) -> None:
    company, contact = vendor.make("companies"), vendor.make("contacts", email="a@x.io")
    deal = vendor.make("deals", company=company["id"], contact=contact["id"])
    listed, cursor = read_all(hubspot, "deals")
    searched, _ = read_all(hubspot, "deals", cursor)
    fetched = hubspot.fetch("deals", [deal["id"]])
    assert listed[0].raw["associations"]["companies"] == {"results": [{"id": company["id"], "type": "deal_to_company"}]}
    assert listed[0].raw == searched[0].raw
    assert fetched[0].raw["associations"] == listed[0].raw["associations"]


def test_upsert_creates_then_updates_the_same_object(hubspot: HubSpot, vendor: Simulator) -> None:
    first = hubspot.write("contacts", [item("k1", email=" Ada@X.io ", firstname="Ada"), item("k2", email="b@x.io")])
    assert [outcome.created for outcome in first] == [True, True]
    assert first[0].record is not None
    assert first[0].record.raw["properties"]["email"] == "ada@x.io"  # as the vendor keeps it
    again = hubspot.write("contacts", [item("k1", firstname="Augusta")])
    assert (again[0].vendor_id, again[0].created) == (first[0].vendor_id, False)
    known = hubspot.write(
        "contacts", [item("k1", first[0].vendor_id, firstname=None, phone="+441"), item("k3", email="c@x.io")]
    )
    assert [outcome.error for outcome in known] == [None, None]
    held = vendor.store.find("contacts", str(first[0].vendor_id))
    assert held is not None
    assert (held["properties"]["firstname"], held["properties"]["phone"]) == (None, "+441")


def test_one_refused_item_leaves_the_others_alone(hubspot: HubSpot) -> None:
    batch = [
        item("k1", email="good@x.io"),
        item("k2", email="bad"),
        item("k3", email="ok@x.io", lifecyclestage="nonsense", nothing="x"),
        item("k4", email="good@x.io"),
    ]
    outcomes = hubspot.write("contacts", batch)
    assert outcomes[0].error is None
    assert [outcome.error.fate if outcome.error else None for outcome in outcomes[1:]] == [Fate.PARK] * 3
    assert isinstance(outcomes[1].error, Park)
    assert (outcomes[1].error.field, outcomes[1].error.cause) == ("email", "refused")
    assert "bad" not in str(outcomes[1].error).replace("bad_", "")
    assert outcomes[2].error is not None
    assert outcomes[2].error.field == "lifecyclestage"
    assert outcomes[3].error is not None  # the same e-mail as k1: taken by another key of ours
    assert outcomes[3].error.cause == "conflict"


def test_an_existing_contact_is_adopted_by_its_id(hubspot: HubSpot, vendor: Simulator) -> None:
    theirs = vendor.make("contacts", email="ada@x.io", firstname="A.")
    outcomes = hubspot.write("contacts", [item("k1", email="ada@x.io", firstname="Ada"), item("k2", email="new@x.io")])
    assert [(o.vendor_id == theirs["id"], o.created, o.error) for o in outcomes] == [
        (True, False, None),
        (False, True, None),
    ]
    found = hubspot.find("contacts", ["K1", "nobody"])
    assert [record.id for record in found["K1"]] == [theirs["id"]]
    assert found["nobody"] == []


def test_a_conflict_told_for_the_whole_batch_is_halved_and_adopted(hubspot: HubSpot, vendor: Simulator) -> None:
    theirs = vendor.make("contacts", email="ada@x.io")
    outcomes_of = hubspot._crm.upsert  # the vendor answers whole when a trace id is missing; so leave them out

    def without_marks(resource: str, inputs: Any, trace_id: str = "") -> Any:
        return outcomes_of(
            resource, [{k: v for k, v in one.items() if k != "objectWriteTraceId"} for one in inputs], trace_id
        )

    hubspot._crm.upsert = without_marks  # type: ignore[method-assign]
    outcomes = hubspot.write(
        "contacts", [item("k1", email="one@x.io"), item("k2", email="ada@x.io"), item("k3", email="bad")]
    )
    assert [outcome.error.cause if outcome.error else None for outcome in outcomes] == [None, None, "refused"]
    assert outcomes[1].vendor_id == theirs["id"]


@pytest.mark.parametrize("resource", ["contacts", "deals", "tickets"])
def test_references_become_associations_or_properties(hubspot: HubSpot, vendor: Simulator, resource: str) -> None:
    company, owner = vendor.make("companies"), vendor.make("owners")
    fields = {"tickets": {"hs_pipeline_stage": "1"}}.get(resource, {})
    one = item("k1", **fields)
    one.refs = {"company": ("companies", company["id"]), "owner": ("owners", owner["id"])}
    outcome = hubspot.write(resource, [one])[0]
    assert outcome.error is None
    assert vendor.store.associated(resource, str(outcome.vendor_id), "companies") == [company["id"]]
    held = vendor.store.find(resource, str(outcome.vendor_id))
    assert held is not None
    assert held["properties"]["hubspot_owner_id"] == owner["id"]
    one.action, one.fields = Action.DISSOCIATE, {}
    assert hubspot.write(resource, [one])[0].error is None
    assert vendor.store.associated(resource, str(outcome.vendor_id), "companies") == []


def test_a_missing_parent_parks_its_item_alone(hubspot: HubSpot, vendor: Simulator) -> None:
    company = vendor.make("companies")
    good, bad = item("k1", dealname="A"), item("k2", dealname="B")
    good.refs, bad.refs = {"company": ("companies", company["id"])}, {"company": ("companies", "999")}
    outcomes = hubspot.write("deals", [good, bad])
    assert outcomes[0].error is None
    assert outcomes[1].error is not None
    assert (outcomes[1].error.fate, outcomes[1].error.cause) == (Fate.PARK, "not_found")


def test_archive_by_id_or_key_and_a_missing_one_is_parked(hubspot: HubSpot, vendor: Simulator) -> None:
    made = hubspot.write("contacts", [item("k1", email="a@x.io"), item("k2", email="b@x.io")])
    gone = hubspot.write(
        "contacts",
        [
            item("k1", made[0].vendor_id, Action.DELETE),
            item("k2", action=Action.DELETE),
            item("k3", action=Action.DELETE),
        ],
    )
    assert [outcome.vendor_id for outcome in gone] == [made[0].vendor_id, made[1].vendor_id, None]
    assert gone[2].error is not None
    assert gone[2].error.cause == "not_found"
    assert hubspot.fetch("contacts", [str(made[0].vendor_id)])[0].deleted
    update = hubspot.write("contacts", [item("k1", made[0].vendor_id, firstname="X")])[0]
    assert update.error is not None
    assert (update.error.fate, update.error.cause) == (Fate.PARK, "not_found")


@pytest.mark.parametrize("kind", ["timeout", "reset", "500", "502", "truncated", "html200", "empty200", "dropped"])
def test_a_write_without_an_answer_is_unknown_and_sent_once(opened: Opener, vendor: Simulator, kind: str) -> None:
    hubspot = opened()
    hubspot.http.timeout = 0.2
    hubspot.ensure_key("contacts")
    vendor.faults.add(kind, path="/batch/upsert", apply=True)
    with pytest.raises(Unknown):
        hubspot.write("contacts", [item("k1", email="a@x.io")])
    assert sum(call.path.endswith("/batch/upsert") for call in vendor.calls) == 1
    assert len(hubspot.find("contacts", ["k1"])["k1"]) == 1  # reconcile sees that it was applied


def test_an_answer_of_the_wrong_length_leaves_the_missing_item_unknown(hubspot: HubSpot, vendor: Simulator) -> None:
    vendor.faults.add("wrong_length", path="/batch/upsert")
    outcomes = hubspot.write("contacts", [item("k1", email="a@x.io"), item("k2", email="b@x.io")])
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, Unknown)


def test_a_locked_item_may_be_sent_again(hubspot: HubSpot, vendor: Simulator) -> None:
    vendor.faults.add("partial", path="/batch/upsert", index=1, category="LOCKED")
    outcomes = hubspot.write("contacts", [item("k1", email="a@x.io"), item("k2", email="b@x.io")])
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, Retry)


def test_limits_and_refused_credentials(hubspot: HubSpot, vendor: Simulator) -> None:
    vendor.faults.add(429, path="/search", times=2)
    vendor.faults.add(429, path="/batch/upsert", retry_after=1)
    list(hubspot.read("contacts", {"modified": 0, "archived": 0}))
    assert hubspot.write("contacts", [item("k1", email="a@x.io")])[0].created
    vendor.error = lambda status, code="", message="": Simulator.error(
        vendor, status, code, "You have reached your daily limit."
    )  # type: ignore[method-assign]
    vendor.faults.add(429, path="/search")
    with pytest.raises(RetryAt) as later:
        list(hubspot.read("contacts", {"modified": 0, "archived": 0}))
    assert later.value.cause == "daily_budget"
    vendor.token = "changed"
    with pytest.raises(Stop, match="throughline check hubspot_test"):
        hubspot.write("contacts", [item("k1", email="a@x.io")])


def test_an_oauth_connection_renews_its_token_once(opened: Opener, vendor: Simulator) -> None:
    hubspot = opened(access_token=None, client_id="c", client_secret="s", refresh_token=vendor.refresh_token)
    vendor.make("contacts", email="a@x.io")
    read_all(hubspot, "contacts")
    vendor.token = "renewed"
    records, _ = read_all(hubspot, "contacts")
    assert len(records) == 1
    assert sum(call.path == "/oauth/v1/token" for call in vendor.calls) == 2


def test_a_refused_refresh_token_stops_the_connection(opened: Opener) -> None:
    hubspot = opened(access_token=None, client_id="c", client_secret="s", refresh_token="wrong")
    with pytest.raises(Stop, match="throughline check hubspot_test"):
        hubspot.write("contacts", [item("k1", email="a@x.io")])
    assert [check.ok for check in hubspot.check()] == [False]


def test_settings_need_one_credential(opened: Opener) -> None:
    with pytest.raises(BadSetting):
        opened(access_token=None)


def test_check_says_what_is_missing_and_how_to_mend_it(opened: Opener, vendor: Simulator) -> None:
    hubspot = opened()
    checks = {check.name: check for check in hubspot.check()}
    assert checks["account"].ok
    assert checks["clock"].ok
    assert not checks["contacts: key"].ok
    assert "requires unique values" in checks["contacts: key"].fix
    assert hubspot.ensure_key("contacts")
    assert not hubspot.ensure_key("contacts")
    vendor.missing_scopes.add("deals")
    checks = {check.name: check for check in hubspot.check()}
    assert checks["contacts: key"].ok
    assert "crm.objects.deals.write" in checks["deals: key"].fix
    vendor.token = "other"
    assert [check.ok for check in hubspot.check()] == [False]


def test_discover_lists_live_properties(hubspot: HubSpot) -> None:
    fields = {field.name: field for field in hubspot.discover("contacts")}
    assert fields["throughline_key"].unique
    assert fields["createdate"].read_only
    assert fields["lifecyclestage"].type == "picklist"
    assert "customer" in fields["lifecyclestage"].values
    assert fields["hubspot_owner_id"].type == "reference"
    assert {field.name for field in hubspot.discover("tickets") if field.required} == {"hs_pipeline_stage"}


def test_owners_are_read_whole_and_fetched(hubspot: HubSpot, vendor: Simulator) -> None:
    made = [vendor.make("owners") for _ in range(3)]
    records, cursor = read_all(hubspot, "owners")
    assert [record.id for record in records] == [one["id"] for one in made]
    assert cursor == {}
    there, gone = hubspot.fetch("owners", [made[0]["id"], "1"])
    assert (there.deleted, gone.deleted) == (False, True)


class TestWebhook:
    """What HubSpot signs is opened; what it did not sign is refused."""

    url = "http://127.0.0.1/hooks/hubspot?x=%2Fa"

    @pytest.fixture
    def signed(self, vendor: Simulator) -> WebhookRequest:
        hook = vendor.hook(self.url, "app-secret")
        made = vendor.make("contacts", email="a@x.io")
        vendor.change("contacts", made["id"], firstname="Ada")
        vendor.remove("contacts", made["id"])
        events = b"[" + b",".join(body[1:-1] for _, body, _ in vendor.outbox) + b"]"
        headers = {name.lower(): value for name, value in vendor.sign(hook, events).items()}
        return WebhookRequest("POST", self.url, headers, events, vendor.state.now())

    def test_hints_name_each_object_once(self, opened: Opener, signed: WebhookRequest, vendor: Simulator) -> None:
        hubspot = opened(client_secret="app-secret")
        told = hubspot.webhook(signed)
        assert told.hints == [("contacts", vendor.state.ids("contacts")[0])]
        assert told.dedupe_key == hubspot.webhook(signed).dedupe_key

    @pytest.mark.parametrize("spoil", ["body", "signature", "missing", "old", "future", "secret", "stamp"])
    def test_refuses(self, opened: Opener, signed: WebhookRequest, spoil: str) -> None:
        secret = "other" if spoil == "secret" else "app-secret"
        match spoil:
            case "body":
                signed.body += b" "
            case "signature":
                signed.headers = {**signed.headers, "x-hubspot-signature-v3": "é"}
            case "missing":
                signed.headers = {}
            case "old":
                signed.received_at += 301_000_000
            case "future":
                signed.received_at -= 301_000_000
            case "stamp":
                signed.headers = {**signed.headers, "x-hubspot-request-timestamp": "soon"}
        with pytest.raises(Park) as refused:
            opened(client_secret=secret).webhook(signed)
        assert refused.value.cause == "bad_signature"

    def test_associations_and_merges_hint_at_both_ends(self, opened: Opener, vendor: Simulator) -> None:
        hubspot = opened(client_secret="s")
        events = (
            b'[{"subscriptionType":"deal.associationChange","associationType":"DEAL_TO_COMPANY","fromObjectId":1,"toObjectId":2},'
            b'{"subscriptionType":"contact.merge","objectId":3,"primaryObjectId":3,"mergedObjectIds":[4]},'
            b'{"subscriptionType":"object.creation","objectTypeId":"0-5","objectId":5},{"subscriptionType":"quote.creation","objectId":6}]'
        )
        hook = {"url": self.url, "secret": "s"}
        headers = {name.lower(): value for name, value in vendor.sign(hook, events).items()}
        told = hubspot.webhook(WebhookRequest("POST", self.url, headers, events, vendor.state.now()))
        assert told.hints == [
            ("deals", "1"),
            ("companies", "2"),
            ("contacts", "3"),
            ("contacts", "4"),
            ("tickets", "5"),
        ]

    def test_without_a_secret_it_is_our_own_fault(self, hubspot: HubSpot, signed: WebhookRequest) -> None:
        with pytest.raises(BadSetting, match="client_secret"):
            hubspot.webhook(signed)
