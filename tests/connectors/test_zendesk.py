"""The Zendesk connector against the simulated account, over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sandbox
from connectors import connector_for, open_connector
from connectors.base import Connector, Deletes, WriteClass
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Retry, RetryAt, Stop, ThroughlineError, Unknown
from kernel.records import Action, SourceRecord, WebhookRequest, WriteItem
from sandbox import Box
from sandbox.zendesk import Zendesk
from tests.conftest import FakeClock


class DeskClock(FakeClock):
    """Ours and the account's clock are one."""

    def __init__(self, sim: Zendesk) -> None:
        super().__init__()
        self._sim = sim
        sim.state.freeze(self.at)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._sim.state.freeze(self.at)


class Desk:
    """A simulated account and connectors that reach it."""

    def __init__(self, box: Box) -> None:
        sim = box["zendesk"]
        assert isinstance(sim, Zendesk)
        self.sim, self.clock = sim, DeskClock(sim)
        secrets = ["old", "new"]
        self.settings = {"oauth_token": sim.token, "base_url": box.url("zendesk"), "webhook_secrets": secrets}
        self._opened: list[Connector] = []
        self.connector = self.open()

    def open(self, **settings: Any) -> Connector:
        settings = self.settings | settings
        self._opened.append(open_connector(connector_for("zendesk"), settings, connection="desk", clock=self.clock))
        return self._opened[-1]

    def read(self, resource: str, since: Any = None, **options: Any) -> tuple[list[SourceRecord], Any]:
        pages = list(self.connector.read(resource, since, **options))
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        return [record for page in pages for record in page.records], pages[-1].cursor

    def created(self, resource: str) -> list[str]:
        """The keys of the objects that writes made, in order, once per creation."""
        first: dict[str, str] = {}
        for change in self.sim.state.changes:
            if change.resource == resource:
                first.setdefault(change.id, change.key)
        return list(first.values())

    def close(self) -> None:
        for connector in self._opened:
            connector.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """One server for all; every test begins with an empty account."""
    with sandbox.start(["zendesk"]) as box:
        yield box


@pytest.fixture
def desk(box: Box) -> Iterator[Desk]:
    sim, url = box["zendesk"], box.url("zendesk")
    type(sim).__init__(sim)
    sim.base_url = url
    desk = Desk(box)
    yield desk
    desk.close()


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    return WriteItem(action, key, f"op-{key}", fields, vendor_id=vendor_id, trace_id="t" * 32)


def users(count: int) -> list[WriteItem]:
    return [item(f"k{n}", name=f"User {n}", email=f"u{n}@x.example") for n in range(count)]


def error_of(call: Callable[[], object]) -> ThroughlineError:
    with pytest.raises(ThroughlineError) as caught:
        call()
    return caught.value


def test_declares_what_it_can_do() -> None:
    resources = connector_for("zendesk").resources
    assert set(resources) == {"users", "organizations", "tickets"}
    assert {resource.deletes for resource in resources.values()} == {Deletes.IN_STREAM}
    writes = {name: resource.write for name, resource in resources.items()}
    assert {name: write.write_class for name, write in writes.items() if write} == {
        "users": WriteClass.UPSERT,
        "organizations": WriteClass.UPSERT,
        "tickets": WriteClass.IDEMPOTENCY_KEY,
    }


@pytest.mark.parametrize("settings", [{}, {"subdomain": "acme"}, {"subdomain": "acme", "email": "a@x.example"}])
def test_settings_need_an_account_and_a_credential(settings: dict[str, str]) -> None:
    with pytest.raises(BadSetting):
        open_connector(connector_for("zendesk"), settings, connection="desk")


def test_an_api_token_is_sent_in_its_basic_form(desk: Desk) -> None:
    made = desk.sim.make("users")
    connector = desk.open(oauth_token=None, email=desk.sim.email, api_token=desk.sim.token)
    assert not connector.fetch("users", [str(made["id"])])[0].deleted
    desk.sim.token = "another"
    error = error_of(lambda: connector.fetch("users", ["1"]))
    assert isinstance(error, Stop)
    assert "throughline check desk" in str(error)


@pytest.mark.parametrize("resource", ["users", "organizations", "tickets"])
def test_exports_every_page_and_resumes_at_each(desk: Desk, resource: str) -> None:
    made = []
    for n in range(7):
        made.append(str(desk.sim.make(resource, name=f"N{n}")["id"]))
        if n % 2:
            desk.clock.sleep(1)
    desk.sim.page_size = 3  # an export by time does not pass a second that fills a page
    seen: list[str] = []
    cursor: Any = None
    for _ in range(12):
        page = next(iter(desk.connector.read(resource, cursor)))
        seen += [record.id for record in page.records]
        cursor = page.cursor
        if page.last:
            break
    assert list(dict.fromkeys(seen)) == made
    if resource != "organizations":  # the time-based export repeats its seam
        assert seen == made
    desk.sim.page_size = 1000
    again, at_rest = desk.read(resource, cursor)
    assert [record.id for record in again] in ([], made[-1:])
    assert at_rest == cursor


def test_the_last_minute_is_left_out_and_comes_later(desk: Desk) -> None:
    old = desk.sim.make("users")
    records, cursor = desk.read("users")
    assert [record.id for record in records] == [str(old["id"])]
    desk.sim.change("users", old["id"], phone="+49 30 1234")
    assert desk.read("users", cursor) == ([], cursor)
    desk.clock.sleep(90)
    records, _ = desk.read("users", cursor)
    assert [record.raw["phone"] for record in records] == ["+49 30 1234"]


@pytest.mark.parametrize("resource", ["users", "organizations", "tickets"])
def test_deleted_objects_come_as_tombstones(desk: Desk, resource: str) -> None:
    made = desk.sim.make(resource)
    _, cursor = desk.read(resource)
    desk.sim.remove(resource, made["id"])
    desk.clock.sleep(90)
    records, _ = desk.read(resource, cursor)
    assert [(record.id, record.deleted) for record in records if record.deleted] == [(str(made["id"]), True)]


def test_a_ticket_moved_by_the_system_is_a_new_version(desk: Desk) -> None:
    made = desk.sim.make("tickets")
    (before,), cursor = desk.read("tickets")
    desk.sim.state.put("tickets", str(made["id"]), {**made, "generated_timestamp": made["generated_timestamp"] + 1800})
    (after,), _ = desk.read("tickets", cursor)
    assert before.updated_at is not None
    assert after.updated_at == before.updated_at + 1800 * SECOND


@pytest.mark.parametrize("resource", ["users", "organizations"])
def test_a_window_holds_what_was_updated_in_it(desk: Desk, resource: str) -> None:
    made = []
    for n in range(5):
        made.append(str(desk.sim.make(resource, name=f"N{n}")["id"]))
        desk.clock.sleep(100)
    start = desk.clock.at - (3600 + 400) * SECOND
    desk.sim.page_size = 2
    records, _ = desk.read(resource, None, window=(start, start + 200 * SECOND))
    assert list(dict.fromkeys(record.id for record in records)) == made[1:3]


def test_an_export_waits_for_its_own_limit(desk: Desk) -> None:
    desk.sim.page_size, desk.sim.export_limit = 1, 2
    for n in range(4):
        desk.sim.make("users", name=f"N{n}")
    records, _ = desk.read("users")
    assert len(records) == 4
    assert desk.clock.slept[0] == 60
    assert 429 not in [call.status for call in desk.sim.calls]


def test_a_429_is_plain_text_and_is_waited_out(desk: Desk) -> None:
    desk.sim.make("users")
    desk.sim.faults.add(429, retry_after=7)
    assert len(desk.read("users")[0]) == 1
    assert desk.clock.slept == [7]
    desk.sim.faults.add(429, retry_after=900)
    assert isinstance(error_of(lambda: desk.read("users")), RetryAt)


@pytest.mark.parametrize("kind", ["truncated", "html200", "empty200", "reset", "503"])
def test_reads_are_repeated(desk: Desk, kind: str) -> None:
    desk.sim.make("organizations", name="Acme")
    desk.sim.faults.add(kind)
    assert [record.raw["name"] for record in desk.read("organizations")[0]] == ["Acme"]


def test_a_looping_cursor_stops(desk: Desk) -> None:
    for n in range(3):
        desk.sim.make("users", name=f"N{n}")
    desk.sim.page_size = 1
    desk.sim.faults.add("duplicate_page", nth=3, times=1)
    assert error_of(lambda: desk.read("users")).cause == "page_loop"


# users and organizations ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, 5])
def test_upserts_by_our_key_and_never_twice(desk: Desk, count: int) -> None:
    outcomes = desk.connector.write("users", users(count))
    assert [outcome.error for outcome in outcomes] == [None] * count
    assert [outcome.record.raw["external_id"] for outcome in outcomes if outcome.record] == [
        f"k{n}" for n in range(count)
    ]
    assert {outcome.created for outcome in outcomes} == {True}
    again = desk.connector.write("users", users(count))
    assert [outcome.vendor_id for outcome in again] == [outcome.vendor_id for outcome in outcomes]
    assert {outcome.created for outcome in again} == {False}
    assert sorted(desk.created("users")) == sorted(f"k{n}" for n in range(count))


def test_new_and_known_items_share_a_batch(desk: Desk) -> None:
    made = desk.sim.make("organizations", name="Acme")
    batch = [
        item("k1", name="Beta", domain_names=["beta.example"]),
        item("k2", vendor_id=str(made["id"]), notes="Known", domain_names=None),
        item("k3", name="ACME"),
    ]
    beta, acme, taken = desk.connector.write("organizations", batch)
    assert (beta.created, acme.created) == (True, False)
    assert acme.vendor_id == str(made["id"])
    assert acme.record is not None
    assert (acme.record.raw["notes"], acme.record.raw["external_id"], acme.record.raw["domain_names"]) == (
        "Known",
        "k2",
        [],
    )
    assert isinstance(taken.error, Park)
    assert taken.error.cause == "conflict"
    assert "ACME" not in str(taken.error)


@pytest.mark.parametrize("alone", [True, False])
def test_somebody_elses_address_is_refused_never_taken_over(desk: Desk, alone: bool) -> None:
    other = desk.sim.make("users", email="taken@x.example", external_id="theirs")
    batch = [item("k1", name="A", email="Taken@x.example")] + ([] if alone else [item("k2", name="B")])
    outcome = desk.connector.write("users", batch)[0]
    assert isinstance(outcome.error, Park)
    assert outcome.error.cause == "conflict"
    held = desk.sim.state.get("users", str(other["id"])) or {}
    assert (held["external_id"], held["name"]) == ("theirs", "Customer")
    adopting = desk.open(adopt_by_email=True)
    outcome = adopting.write("users", batch)[0]
    assert (outcome.error, outcome.vendor_id) == (None, str(other["id"]))


@pytest.mark.parametrize("alone", [True, False])
def test_a_new_address_becomes_the_primary_one(desk: Desk, alone: bool) -> None:
    made = desk.sim.make("users", email="old@x.example")
    known = item("k1", vendor_id=str(made["id"]), email="new@x.example")
    outcome = desk.connector.write("users", [known] + ([] if alone else [item("k2", name="B")]))[0]
    assert outcome.error is None
    assert outcome.record is not None
    assert outcome.record.raw["email"] == "new@x.example"
    assert (desk.sim.state.get("users", str(made["id"])) or {})["email"] == "new@x.example"


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("fields", "field"), [({"email": "nowhere"}, "email"), ({"role": "boss"}, "role"), ({"name": ""}, "name")]
)
def test_refusals_are_per_item_and_tell_no_values(desk: Desk, fields: dict[str, str], field: str, alone: bool) -> None:
    batch = [item("k1", **{"name": "A", **fields})] + ([] if alone else [item("k2", name="B")])
    refused, *fine = desk.connector.write("users", batch)
    assert isinstance(refused.error, Park)
    assert fields[field] == "" or fields[field] not in str(refused.error)
    assert not alone or refused.error.field == field
    assert [outcome.error for outcome in fine] == ([] if alone else [None])


def test_what_is_gone_at_the_target_is_refused(desk: Desk) -> None:
    outcomes = desk.connector.write("users", [item("k1", vendor_id="99", name="A")])
    assert isinstance(outcomes[0].error, Park)
    assert outcomes[0].error.cause == "not_found"
    outcomes = desk.connector.write("users", [item("k1", vendor_id="99", name="A"), item("k2", name="B")])
    assert isinstance(outcomes[0].error, Park)
    assert outcomes[1].error is None


def test_custom_fields_references_and_clearing(desk: Desk) -> None:
    company = desk.sim.make("organizations", name="Acme")
    made = desk.sim.make("users", email="a@x.example", phone="1", user_fields={"tier": "gold", "score": 3})
    update = WriteItem(
        Action.CLEAR,
        "k1",
        "op",
        {"phone": None, "tags": None, "user_fields.tier": "silver"},
        vendor_id=str(made["id"]),
        refs={"organization": ("organizations", str(company["id"]))},
    )
    (outcome,) = desk.connector.write("users", [update])
    assert outcome.record is not None
    raw = outcome.record.raw
    assert (raw["phone"], raw["tags"], raw["organization_id"]) == (None, [], company["id"])
    assert raw["user_fields"] == {"tier": "silver", "score": 3}
    (outcome,) = desk.connector.write("users", [item("k1", str(made["id"]), Action.ARCHIVE)])
    assert outcome.record is not None
    assert outcome.record.raw["suspended"] is True


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["reset", "500", "late_apply"])
def test_a_lost_write_is_unknown_and_sending_it_again_is_safe(desk: Desk, kind: str, count: int) -> None:
    options = {} if kind == "late_apply" else {"apply": True}
    desk.sim.faults.add(kind, "POST", **options)
    assert isinstance(error_of(lambda: desk.connector.write("users", users(count))), Unknown)
    desk.sim.apply_late()
    outcomes = desk.connector.write("users", users(count))
    assert [outcome.error for outcome in outcomes] == [None] * count
    assert sorted(desk.created("users")) == sorted(f"k{n}" for n in range(count))


@pytest.mark.parametrize("kind", ["truncated", "html200"])
def test_an_answer_that_cannot_be_read_is_unknown_unless_a_look_settles_it(desk: Desk, kind: str) -> None:
    desk.sim.faults.add(kind, "POST")
    assert isinstance(error_of(lambda: desk.connector.write("users", users(1))), Unknown)
    desk.sim.faults.add(kind, "POST")
    outcomes = desk.connector.write("users", users(3))  # the job ran: the objects carry our keys
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert sorted(desk.created("users")) == ["k0", "k1", "k2"]


def test_a_first_send_that_lands_late_is_met(desk: Desk) -> None:
    """The job of a lost send runs between our look-up and our second job."""
    desk.sim.jobs.delay = 1.0
    desk.sim.faults.add("truncated", "POST", path="create_many")
    lost = desk.connector.write("users", users(2))
    assert [type(outcome.error) for outcome in lost] == [Unknown, Unknown]
    outcomes = desk.connector.write("users", users(2))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert sorted(desk.created("users")) == ["k0", "k1"]


def test_a_job_that_cannot_be_followed_is_settled_by_what_is_there(desk: Desk) -> None:
    known = desk.sim.make("users", external_id="k9")
    desk.sim.faults.add("html200", "GET", path="job_statuses", times=None)
    outcomes = desk.connector.write("users", [*users(2), item("k9", vendor_id=str(known["id"]), name="New")])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), type(None), Unknown]


def test_a_job_that_never_ends_is_unknown(desk: Desk) -> None:
    desk.sim.jobs.delay = 3600
    outcomes = desk.connector.write("users", users(2))
    assert [type(outcome.error) for outcome in outcomes] == [Unknown, Unknown]


def test_deletes_and_what_is_gone_already(desk: Desk) -> None:
    made = desk.connector.write("users", users(2))
    batch = [
        item("k0", action=Action.DELETE),
        item("k1", vendor_id=made[1].vendor_id, action=Action.DELETE),
        item("k2", vendor_id="99", action=Action.DELETE),
        item("k3", action=Action.DELETE),
    ]
    *gone, nobody = desk.connector.write("users", batch)
    assert [outcome.error for outcome in gone] == [None] * 3
    assert isinstance(nobody.error, Park)
    company = desk.sim.make("organizations")
    (outcome,) = desk.connector.write("organizations", [item("k", str(company["id"]), Action.DELETE)])
    assert outcome.error is None
    assert desk.connector.fetch("organizations", [str(company["id"])])[0].deleted


# tickets --------------------------------------------------------------------------------------------------------------
def test_tickets_are_created_once_under_their_key(desk: Desk) -> None:
    requester = desk.sim.make("users", email="a@x.example")
    create = WriteItem(
        Action.UPSERT,
        "k1",
        "op-1",
        {"subject": "Help", "description": "It broke", "priority": "high", "custom_fields.42": "red"},
        refs={"requester": ("users", str(requester["id"]))},
    )
    desk.sim.faults.add("truncated", "POST")
    (lost,) = desk.connector.write("tickets", [create])  # the item's own outcome: nothing else of a batch is in doubt
    assert isinstance(lost.error, Unknown)
    (outcome,) = desk.connector.write("tickets", [create])
    assert outcome.created is False  # the first send was applied
    assert outcome.record is not None
    raw = outcome.record.raw
    assert (raw["description"], raw["requester_id"], raw["external_id"]) == ("It broke", requester["id"], "k1")
    assert raw["custom_fields"] == [{"id": 42, "value": "red"}]
    assert len(desk.sim.state.ids("tickets")) == 1
    assert [record.id for record in desk.connector.find("tickets", ["k1"])["k1"]] == [outcome.vendor_id]


def test_a_known_ticket_is_updated_without_a_second_comment(desk: Desk) -> None:
    made = desk.sim.make("tickets", custom_fields=[{"id": 1, "value": "a"}, {"id": 2, "value": "b"}])
    update = item("k1", vendor_id=str(made["id"]), status="solved", description="again", **{"custom_fields.2": "c"})
    (outcome,) = desk.connector.write("tickets", [update])
    assert outcome.record is not None
    raw = outcome.record.raw
    assert (raw["status"], raw["description"]) == ("solved", "Help, please")
    assert raw["custom_fields"] == [{"id": 1, "value": "a"}, {"id": 2, "value": "c"}]
    assert b"comment" not in desk.sim.calls[-1].body
    desk.sim.change("tickets", made["id"], status="closed")
    (outcome,) = desk.connector.write("tickets", [item("k1", vendor_id=str(made["id"]), status="open")])
    assert isinstance(outcome.error, Park)


def test_one_bad_ticket_leaves_the_others(desk: Desk) -> None:
    batch = [item("k1", description="a"), item("k2", subject="no text"), item("k3", description="c")]
    one, two, three = desk.connector.write("tickets", batch)
    assert (one.error, three.error) == (None, None)
    assert isinstance(two.error, Park)
    desk.sim.faults.add("reset", "POST", nth=2)
    one, two, three = desk.connector.write("tickets", [item(f"n{n}", description="x") for n in range(3)])
    assert (one.error, type(two.error), three.error) == (None, Unknown, None)


def test_a_limit_met_in_the_middle_leaves_the_rest_unsent(desk: Desk) -> None:
    desk.sim.faults.add(429, "POST", nth=2, times=1, retry_after=900)
    one, two, three = desk.connector.write("tickets", [item(f"n{n}", description="x") for n in range(3)])
    assert one.error is None
    assert [type(outcome.error) for outcome in (two, three)] == [RetryAt, RetryAt]
    assert len(desk.sim.state.ids("tickets")) == 1


def test_a_key_used_with_another_body_is_told(desk: Desk) -> None:
    desk.connector.write("tickets", [item("k1", description="a")])
    (outcome,) = desk.connector.write("tickets", [item("k1", description="b")])
    assert isinstance(outcome.error, Park)
    assert outcome.error.cause == "wrong_request"


# the rest -------------------------------------------------------------------------------------------------------------
def test_find_and_fetch(desk: Desk) -> None:
    made = [desk.sim.make("users", external_id=f"k{n}") for n in range(120)]
    found = desk.connector.find("users", [f"k{n}" for n in range(121)])
    assert sum(len(records) for records in found.values()) == 120
    assert found["k120"] == []
    records = desk.connector.fetch("users", [*(str(one["id"]) for one in made), "7"])
    assert [record.deleted for record in records] == [False] * 120 + [True]
    assert isinstance(error_of(lambda: desk.connector.fetch("macros", ["1"])), Stop)


def test_check_says_what_is_missing(desk: Desk) -> None:
    failed = {check.name for check in desk.connector.check() if not check.ok}
    assert failed == {"clock"}  # the test's clock is not the machine's
    desk.sim.role = "agent"
    failed = {check.name for check in desk.connector.check() if not check.ok}
    assert failed == {"clock", "incremental exports"}
    desk.sim.token = "another"
    assert [check.ok for check in desk.connector.check()] == [False]


def test_discovers_live_fields(desk: Desk) -> None:
    desk.sim.define("users", "tier", "dropdown", ["gold", "silver"])
    ticket_field = desk.sim.define("tickets", "colour", "tagger", ["red"])
    fields = {field.name: field for field in desk.connector.discover("users")}
    assert fields["user_fields.tier"].values == ("gold", "silver")
    assert fields["role"].values == ("end-user", "agent", "admin")
    assert fields["created_at"].read_only
    fields = {field.name: field for field in desk.connector.discover("tickets")}
    assert fields[f"custom_fields.{ticket_field['id']}"].type == "picklist"


def sent(desk: Desk, act: Callable[[], object], secret: str) -> WebhookRequest:
    """The webhook the account sends because of `act`."""
    desk.sim.hook("http://127.0.0.1:1/hook", secret, ["zen:event-type:*"])
    desk.sim.outbox.clear()
    act()
    (hook, body, headers) = desk.sim.outbox[-1]
    lower = {name.lower(): value for name, value in headers.items()}
    return WebhookRequest("POST", hook["url"], lower, body, desk.clock.now())


def test_webhooks_are_hints_and_tombstones(desk: Desk) -> None:
    made = desk.sim.make("users")
    found = desk.connector.webhook(sent(desk, lambda: desk.sim.change("users", made["id"], name="B"), "new"))
    assert found.hints == [("users", str(made["id"]))]
    assert found.dedupe_key
    ticket = desk.sim.make("tickets")
    found = desk.connector.webhook(sent(desk, lambda: desk.sim.remove("tickets", ticket["id"]), "new"))
    assert [(resource, record.id, record.deleted) for resource, record in found.records] == [
        ("tickets", str(ticket["id"]), True)
    ]


@pytest.mark.parametrize(
    ("secret", "later", "good"),
    [
        ("old", 0, True),
        ("new", 290, True),
        ("new", -290, True),
        ("new", 310, False),
        ("new", -310, False),
        ("bad", 0, False),
    ],
)
def test_signatures_hold_five_minutes_either_way(desk: Desk, secret: str, later: int, good: bool) -> None:
    request = sent(desk, lambda: desk.sim.make("users"), secret)
    request.received_at += later * SECOND
    if good:
        assert desk.connector.webhook(request).hints
        request.body += b" "
    assert error_of(lambda: desk.connector.webhook(request)).cause == "bad_signature"


@pytest.mark.parametrize(
    ("body", "hints"),
    [
        (b'{"ticket_id": "5", "note": "from a trigger"}', [("tickets", "5")]),
        (b"", []),
        (b"ticket=5", []),
        (
            b'{"type": "zen:event-type:user.merged", "subject": "zen:user:1", "event": {"user": {"id": "2"}}}',
            [("users", "1"), ("users", "2")],
        ),
    ],
)
def test_every_body_is_taken(desk: Desk, body: bytes, hints: list[Any]) -> None:
    headers = {name.lower(): value for name, value in desk.sim.sign({"secret": "new"}, body).items()}
    headers["content-type"] = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    assert desk.connector.webhook(WebhookRequest("POST", "https://x/", headers, body, desk.clock.now())).hints == hints


def test_a_lock_is_waited_for(desk: Desk) -> None:
    desk.sim.faults.add("429", "PUT")
    made = desk.sim.make("users")
    (outcome,) = desk.connector.write("users", [item("k1", vendor_id=str(made["id"]), name="B")])
    assert outcome.error is None
    desk.sim.faults.add("429", "PUT", times=None)
    assert isinstance(error_of(lambda: desk.connector.write("users", [item("k1", str(made["id"]), name="C")])), Retry)
