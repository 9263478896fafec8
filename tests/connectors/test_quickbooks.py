"""QuickBooks Online: what only it has: stale objects, taken names, deletes by CDC, batches, two webhook formats."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import orjson
import pytest

from connectors import connector_for, open_connector
from connectors.base import Connector
from kernel.clock import SECOND, iso
from kernel.errors import BadSetting, Fate, Park, Retry
from kernel.records import Action, Page, WebhookRequest, WriteItem, WriteOutcome
from sandbox import Box
from sandbox.quickbooks import QuickbooksSimulator

Open = Callable[..., Connector]
SECRET = "verifier-token"
DAY = 86_400


class SimClock:
    """The connector's clock, kept equal to the simulator's; sleeping moves both."""

    def __init__(self, sim: QuickbooksSimulator) -> None:
        self.sim, self.slept = sim, 0.0

    def now(self) -> int:
        return self.sim.state.now()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.sim.state.advance(seconds)


class Between(httpx.HTTPTransport):
    """Does something just before a request leaves, as often as there are things to do."""

    def __init__(self, path: str, *things: Callable[[], object]) -> None:
        super().__init__()
        self.path, self.things = path, list(things)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(self.path) and self.things:
            self.things.pop(0)()
        return super().handle_request(request)


@pytest.fixture
def sim(serve: Callable[..., Box]) -> QuickbooksSimulator:
    sim = serve("quickbooks")["quickbooks"]
    assert isinstance(sim, QuickbooksSimulator)
    sim.state.freeze(1_790_000_000 * SECOND)
    return sim


@pytest.fixture
def opened(sim: QuickbooksSimulator) -> Iterator[Open]:
    """`opened(transport, **settings)` → a connector to the simulated company, closed after the test."""
    told = {"access_token": sim.token, "realm_id": sim.realm, "base_url": sim.base_url, "webhook_secret": SECRET}
    with ExitStack() as made:

        def open_one(transport: httpx.BaseTransport | None = None, **other: Any) -> Connector:
            cls = connector_for("quickbooks")
            one = open_connector(cls, {**told, **other}, connection="books", clock=SimClock(sim), transport=transport)
            made.callback(one.close)
            if transport is not None:
                made.callback(transport.close)
            return one

        yield open_one


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return WriteItem(action, key, f"{key}-g0", named, vendor_id)


def write(connector: Connector, *items: WriteItem) -> list[WriteOutcome]:
    return connector.write("customers", items)


def pages(connector: Connector, resource: str, since: dict[str, Any] | None = None) -> list[Page]:
    return list(connector.read(resource, since))


def ids(found: list[Page]) -> list[str]:
    return [record.id for page in found for record in page.records]


# writing --------------------------------------------------------------------------------------------------------------
def test_an_edit_between_our_read_and_our_write_survives_beside_ours(sim: QuickbooksSimulator, opened: Open) -> None:
    made = sim.make("customers", GivenName="Ada", CompanyName="Old")
    edit = Between("/batch", lambda: sim.change("customers", made["Id"], CompanyName="Engines"))
    (outcome,) = write(opened(edit), item("k1", made["Id"], GivenName="Grace"))
    assert outcome.vendor_id == made["Id"]
    held = sim.state.get("customers", made["Id"]) or {}
    assert (held["GivenName"], held["CompanyName"], held["SyncToken"]) == ("Grace", "Engines", "2")
    assert [call.path.rpartition("/")[2] for call in sim.calls] == ["query", "batch", "query", "batch"]


def test_a_customer_that_is_always_stale_is_tried_again_later_as_nothing_was_applied(
    sim: QuickbooksSimulator, opened: Open
) -> None:
    made = sim.make("customers")
    edits = [lambda: sim.change("customers", made["Id"], CompanyName="Again")] * 2
    (outcome,) = write(opened(Between("/batch", *edits)), item("k1", made["Id"], GivenName="Grace"))
    assert isinstance(outcome.error, Retry)
    assert outcome.error.cause == "locked"
    assert "GivenName" not in (sim.state.get("customers", made["Id"]) or {})


def test_our_key_stands_in_the_notes_beside_what_people_write_there(sim: QuickbooksSimulator, opened: Open) -> None:
    made = sim.make("customers", Notes="Pays late [sic]")
    connector = opened()
    write(connector, item("0a1b", made["Id"], GivenName="Ada"))
    assert (sim.state.get("customers", made["Id"]) or {})["Notes"] == "Pays late [sic]\n[throughline 0a1b]"
    (record,) = connector.fetch("customers", [made["Id"]])
    assert (record.raw["Notes"], record.raw[connector.key_path("customers")[0]]) == ("Pays late [sic]", "0a1b")
    write(connector, item("0a1b", made["Id"], GivenName="Eve"))
    assert (sim.state.get("customers", made["Id"]) or {})["Notes"].count("[throughline") == 1
    assert [found.id for found in connector.find("customers", ["0a1b", "none"])["0a1b"]] == [made["Id"]]


@pytest.mark.parametrize("holder", ["vendor", "customer", "inactive"])
def test_a_name_that_somebody_else_has_is_a_conflict_for_a_person(
    sim: QuickbooksSimulator, opened: Open, holder: str
) -> None:
    if holder == "vendor":
        sim.names.add("o'neil & sons")
    else:
        sim.make("customers", DisplayName="O'Neil & Sons", Active=holder == "customer")
    (outcome,) = write(opened(), item("k1", DisplayName="O'Neil & Sons"))
    assert outcome.error is not None
    assert (outcome.error.fate, outcome.error.cause) == (Fate.PARK, "conflict")
    assert outcome.request_id.endswith("-sandbox")
    assert "Neil" not in str(outcome.error)


def test_a_name_that_an_earlier_send_of_ours_took_is_updated(sim: QuickbooksSimulator, opened: Open) -> None:
    connector, name = opened(), "Quote ' and \\ backslash"
    first = write(connector, item("k1", DisplayName=name, GivenName="Ada"))[0]
    newer = WriteItem(Action.UPSERT, "k1", "k1-g1", {"DisplayName": name, "GivenName": "Eve"})
    second = write(connector, newer)[0]
    assert (second.vendor_id, second.created, second.error) == (first.vendor_id, False, None)
    assert [customer["GivenName"] for customer in sim.state.all("customers")] == ["Eve"]


def test_a_refusal_is_not_repeated_once_its_reason_is_gone(sim: QuickbooksSimulator, opened: Open) -> None:
    connector, letter = opened(), item("k1", DisplayName="Acme")
    sim.names.add("acme")
    assert write(connector, letter)[0].error
    sim.names.clear()
    sim.state.advance(60)
    assert write(connector, letter)[0].created


def test_trouble_after_something_was_applied_is_its_own_items_alone(sim: QuickbooksSimulator, opened: Open) -> None:
    known, stale = sim.make("customers")["Id"], sim.make("customers")["Id"]
    sim.make("customers", DisplayName="Taken")

    def break_down() -> None:
        sim.change("customers", stale, CompanyName="Edited")
        sim.faults.add(500, "GET", "/query$", times=None)

    batch = [item("k1", known, GivenName="A"), item("k2", stale, GivenName="B"), item("k3", DisplayName="Taken")]
    outcomes = write(opened(Between("/batch", break_down)), *batch)
    assert outcomes[0].vendor_id == known
    assert [one.error.fate for one in outcomes if one.error] == [Fate.RETRY, Fate.UNKNOWN]


def test_a_batch_is_one_request_with_a_request_id_and_an_answer_for_each(
    sim: QuickbooksSimulator, opened: Open
) -> None:
    connector, known = opened(), sim.make("customers")
    items = [item(f"k{n}", DisplayName=f"Person {n}") for n in range(28)]
    items[5] = item("k5", PrimaryEmailAddr__Address="x@y.io")  # no name at all
    items += [item("k28", known["Id"], GivenName="Ada"), item("k29", "404", GivenName="Eve")]
    outcomes = write(connector, *items)
    assert [n for n, one in enumerate(outcomes) if one.error] == [5, 29]
    told = [one.error for one in outcomes if one.error]
    assert [(error.cause, error.field) for error in told] == [("refused", "DisplayName"), ("not_found", "")]
    (call,) = [call for call in sim.calls if call.path.endswith("/batch")]
    query = dict(pair.split("=") for pair in call.query.split("&"))
    assert query["minorversion"] == "75"
    assert 0 < len(query["requestid"]) <= 36
    assert len(orjson.loads(call.body)["BatchItemRequest"]) == 29


def test_an_emptied_field_leaves_its_neighbours_alone(sim: QuickbooksSimulator, opened: Open) -> None:
    place = {"Line1": "1 Main Street", "Line2": "Flat 2", "City": "Boston"}
    made = sim.make("customers", BillAddr=place, PrimaryPhone={"FreeFormNumber": "1"}, GivenName="Ada")
    fields = {"BillAddr.Line2": None, "PrimaryPhone.FreeFormNumber": None, "GivenName": None}
    write(opened(), WriteItem(Action.CLEAR, "k1", "k1-g0", fields, made["Id"]))
    held = sim.state.get("customers", made["Id"]) or {}
    assert held["BillAddr"] == {"Line1": "1 Main Street", "City": "Boston"}
    assert not {"PrimaryPhone", "GivenName"} & set(held)


def test_forty_batches_a_minute_are_kept_to(sim: QuickbooksSimulator, opened: Open) -> None:
    connector = opened()
    for n in range(41):
        write(connector, item(f"k{n}", DisplayName=f"Person {n}"))
    assert connector.http.clock.slept >= 59  # type: ignore[attr-defined]


# reading --------------------------------------------------------------------------------------------------------------
def test_rows_of_one_instant_are_read_anew_when_one_of_them_changes_meanwhile(
    sim: QuickbooksSimulator, opened: Open
) -> None:
    made = [sim.make("customers")["Id"] for _ in range(35)]
    connector = opened(page_size=10)
    reading = connector.read("customers", None)
    found = [next(reading)]
    sim.state.advance(5)
    sim.change("customers", made[0], CompanyName="Moved to the end")
    found += list(reading)
    assert set(ids(found)) == set(made)
    last = [record for page in found for record in page.records if record.id == made[0]][-1]
    assert last.raw["CompanyName"] == "Moved to the end"


def test_inactive_customers_are_read_and_an_archived_one_is_inactive(sim: QuickbooksSimulator, opened: Open) -> None:
    made, connector = sim.make("customers"), opened()
    write(connector, item("k1", made["Id"], Action.ARCHIVE))
    (record,) = pages(connector, "customers")[0].records
    assert record.raw["Active"] is False


def deleted(sim: QuickbooksSimulator, connector: Connector, many: int, seconds: float) -> tuple[set[str], list[Page]]:
    """Deletes `many` of as many invoices and changes others, `seconds` apart; what was deleted, and the next read."""
    made = [sim.make("invoices")["Id"] for _ in range(2 * many)]
    cursor = pages(connector, "invoices")[-1].cursor
    sim.state.advance(3600)
    for n, id in enumerate(made):
        sim.remove("invoices", id) if n % 2 else sim.change("invoices", id, PrivateNote="x")
        sim.state.advance(seconds)
    return set(made[1::2]), pages(connector, "invoices", cursor)


def test_more_deletes_than_the_cdc_tells_at_once_are_read_in_parts(sim: QuickbooksSimulator, opened: Open) -> None:
    gone, found = deleted(sim, opened(), 700, 1)
    told = [record for page in found for record in page.records]
    assert {record.id for record in told if record.deleted} == gone
    assert not [record for record in told if record.fault]


@pytest.mark.parametrize(("newest", "seconds"), [(True, 1.0), (False, 0.0)])
def test_what_the_cdc_cannot_tell_is_parked_for_a_person(
    sim: QuickbooksSimulator, opened: Open, newest: bool, seconds: float
) -> None:
    sim.cdc_newest = newest
    _, found = deleted(sim, opened(), 600, seconds)
    (gap,) = [record for page in found for record in page.records if record.fault]
    assert "more than 1000 changes" in gap.fault


def test_deletes_of_more_than_29_days_ago_are_told_as_a_gap(sim: QuickbooksSimulator, opened: Open) -> None:
    connector, made = opened(), sim.make("payments")["Id"]
    cursor = pages(connector, "payments")[-1].cursor
    sim.state.advance(31 * DAY)
    sim.remove("payments", made)
    found = [record for page in pages(connector, "payments", cursor) for record in page.records]
    assert [(record.id == made, bool(record.fault)) for record in found] == [(False, True), (True, False)]
    again = pages(connector, "payments", pages(connector, "payments", cursor)[-1].cursor)
    assert not [record for page in again for record in page.records if record.fault]


def test_a_customer_that_was_merged_away_is_a_tombstone(sim: QuickbooksSimulator, opened: Open) -> None:
    one, other = sim.make("customers")["Id"], sim.make("customers")["Id"]
    sim.merge(one, other)
    assert [(r.id, r.deleted) for r in opened().fetch("customers", [one, other])] == [(one, True), (other, False)]


# webhooks -------------------------------------------------------------------------------------------------------------
def hook(sim: QuickbooksSimulator, told: Any, kind: str = "application/json") -> WebhookRequest:
    body = orjson.dumps(told)
    made = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"intuit-signature": made, "content-type": kind}
    return WebhookRequest("POST", "https://hub.example/hooks/books", headers, body, sim.state.now())


def event(realm: str, type: str, id: str, number: str = "1") -> dict[str, Any]:
    return {"specversion": "1.0", "id": number, "source": "intuit.x", "type": type, "intuitentityid": id,
            "intuitaccountid": realm, "time": "2026-05-05T10:00:00Z", "data": {}}  # fmt: skip


@pytest.mark.parametrize("modern", [True, False])
def test_both_formats_name_what_to_read_again(sim: QuickbooksSimulator, opened: Open, modern: bool) -> None:
    sim.cloud_events = modern
    sim.hook("https://hub.example/hooks/books", SECRET)
    customer, invoice = sim.make("customers")["Id"], sim.make("invoices")["Id"]
    sim.remove("invoices", invoice)
    connector, keys, hints = opened(), set(), []
    for _, body, headers in sim.outbox:
        lower = {name.lower(): value for name, value in headers.items()}
        told = connector.webhook(WebhookRequest("POST", "https://hub.example/x", lower, body, sim.state.now()))
        keys.add(told.dedupe_key)
        hints += told.hints
    assert hints == [("customers", customer), ("invoices", invoice), ("invoices", invoice)]
    assert len(keys) == 3
    assert connector.fetch("invoices", [invoice])[0].deleted


def test_of_one_delivery_only_our_company_and_what_we_read_count(sim: QuickbooksSimulator, opened: Open) -> None:
    told = [
        event(sim.realm, "qbo.customer.updated.v1", "1"),
        event("999", "qbo.customer.updated.v1", "2"),
        event(sim.realm, "qbo.vendor.created.v1", "3"),
    ]
    found = opened().webhook(hook(sim, told, "application/cloudevents+json"))
    assert found.hints == [("customers", "1")]


def test_a_merge_names_the_customer_that_is_gone_too(sim: QuickbooksSimulator, opened: Open) -> None:
    change = {
        "name": "Customer",
        "id": "7",
        "operation": "Merge",
        "deletedId": "8",
        "lastUpdated": "2026-05-05T10:00:00Z",
    }
    note = {"realmId": sim.realm, "dataChangeEvent": {"entities": [change]}}
    assert opened().webhook(hook(sim, {"eventNotifications": [note]})).hints == [
        ("customers", "7"),
        ("customers", "8"),
    ]
    with pytest.raises(Park) as refused:
        opened().webhook(hook(sim, {"eventNotifications": [{"realmId": sim.realm}]}))
    assert refused.value.cause == "bad_payload"


# settings and answers -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "wrong", [{"realm_id": "../1"}, {"client_id": "x", "client_secret": "y", "refresh_token": "z"}]
)
def test_wrong_settings_are_refused(sim: QuickbooksSimulator, opened: Open, wrong: dict[str, str]) -> None:
    with pytest.raises(BadSetting):
        opened(**wrong)


@pytest.mark.parametrize(
    ("status", "code", "fate", "cause"),
    [
        (400, "5010", Fate.RETRY, "locked"),
        (400, "610", Fate.PARK, "not_found"),
        (403, "", Fate.STOP, "forbidden"),
        (429, "", Fate.RETRY, "rate_limited"),
        (500, "", Fate.UNKNOWN, "server_error"),
    ],
)
def test_a_fault_s_code_says_what_must_happen_next(
    sim: QuickbooksSimulator, opened: Open, status: int, code: str, fate: Fate, cause: str
) -> None:
    body = orjson.loads(bytes(sim.error(status, code).body))
    verdict, _ = opened().http.verdicts.judge(status, body)
    assert verdict is not None
    assert (verdict.fate, verdict.cause) == (fate, cause)


def test_times_are_asked_for_in_utc_whatever_zone_they_come_in(sim: QuickbooksSimulator, opened: Open) -> None:
    made = sim.make("customers")
    assert made["MetaData"]["LastUpdatedTime"].endswith("-07:00")
    (page,) = pages(opened(), "customers")
    assert page.cursor["at"] == iso(sim.state.now())
