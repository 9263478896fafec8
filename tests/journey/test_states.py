"""Every state of the design: echo, merge, deletes by policy, parked and cured, answers lost between send and settle."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connectors.base import WriteClass
from dead_letter import deciding, inspecting
from journey.counts import Counts
from journey.interventions.replay import remap, replay_letters
from journey.syncs import Stream
from kernel import failpoints
from kernel.errors import Park, Retry, Unknown
from kernel.records import WriteItem
from kernel.store import tables
from tests.journey.conftest import World, route
from tests.journey.memory import resource


def _ann(world: World, **more: str) -> None:
    world.shop.put("customers", "1", **({"email": "ann@acme.io", "first": "Ann", "last": "Archer"} | more))


def _person(world: World) -> dict[str, str]:
    (person,) = world.crm.all("contacts")
    return person


# ── echo ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def ring(world: World) -> World:
    """Shop → CRM, and CRM → shop: both are read and written."""
    world.streams = ["shop.customers", "crm.contacts"]
    world.routes = [route("contact", "crm.contacts"), route("contact", "shop.customers")]
    return world


def test_what_we_wrote_comes_back_as_no_edit(ring: World) -> None:
    _ann(ring)
    for _ in range(3):
        last = ring.run()
    assert len(ring.crm.log) == 1
    assert ring.shop.log == []
    assert last.counts.inbound.read == 0


def test_what_the_vendor_normalised_is_no_edit(ring: World) -> None:
    ring.crm.normalise = lambda body: {
        name: value.upper() if name == "lastname" else value for name, value in body.items()
    }
    _ann(ring)
    for _ in range(3):
        ring.run()
    assert _person(ring)["lastname"] == "ARCHER"
    assert ring.golden()[0]["last_name"] == "Archer"
    assert (len(ring.crm.log), ring.shop.log) == (1, [])


def test_an_edit_at_the_target_travels_back_and_the_way_round_again(ring: World) -> None:
    _ann(ring)
    ring.run()
    ring.crm.put("contacts", _person(ring)["id"], jobtitle="Director")
    ring.run()
    ring.run()
    assert ring.shop.get("customers", "1")["title"] == "Director"
    ring.shop.put("customers", "1", title="Chair")
    ring.run()
    ring.run()
    assert _person(ring)["jobtitle"] == "Chair"
    writes = len(ring.crm.log) + len(ring.shop.log)
    ring.run()
    assert len(ring.crm.log) + len(ring.shop.log) == writes == 3


def test_a_back_to_the_old_value_is_an_edit_too(ring: World) -> None:
    _ann(ring, title="A")
    ring.run()
    for value in ("B", "A", "B"):
        ring.crm.put("contacts", _person(ring)["id"], jobtitle=value)
        ring.run()
        ring.run()
        assert ring.shop.get("customers", "1")["title"] == value


def test_our_value_is_never_evidence_for_the_system_we_wrote_it_to(ring: World) -> None:
    _ann(ring, title="Old")
    ring.run()
    ring.run()  # the CRM's copy is read back
    ring.shop.put("customers", "1", title="New")
    ring.run()
    assert _person(ring)["jobtitle"] == "New"
    assert ring.golden()[0]["job_title"] == "New"


def test_an_object_that_is_already_there_is_adopted_not_doubled(ring: World) -> None:
    ring.crm.put("contacts", "c1", email="ann@acme.io", phone="+14155552671")
    _ann(ring)
    ring.run()
    ring.run()
    assert _person(ring)["id"] == "c1"
    assert _person(ring)["lastname"] == "Archer"
    assert ring.shop.get("customers", "1")["phone"] == "+14155552671"


# ── merge ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_records_that_turn_out_to_be_one_merge_and_keep_one_primary_seat(world: World) -> None:
    world.streams.append("help.users")
    _ann(world)
    world.help.put("users", "9", email="ann@home.example", role="Engineer")
    world.run()
    assert len(world.crm.all("contacts")) == 2
    world.help.put("users", "9", email="ann@acme.io")
    world.run()
    (golden,) = world.golden()
    assert golden["job_title"] == "Engineer"
    slots = sorted(row.slot for row in world.rows("binding") if row.resource == "contacts")
    assert slots == ["duplicate", "primary"]
    primary = next(row for row in world.rows("binding") if row.slot == "primary" and row.resource == "contacts")
    assert world.crm.get("contacts", primary.vendor_id)["jobtitle"] == "Engineer"


def test_records_that_turn_out_to_be_two_part_and_get_their_seats_back(world: World) -> None:
    world.streams.append("help.users")
    _ann(world)
    world.help.put("users", "9", email="ann@home.example", role="Engineer")
    world.run()
    before = {row.id: row.golden_id for row in world.rows("binding")}
    world.help.put("users", "9", email="ann@acme.io")
    world.run()
    world.help.put("users", "9", email="ann@home.example")
    world.run()
    assert {row.id: row.golden_id for row in world.rows("binding")} == before
    assert {row.slot for row in world.rows("binding")} == {"primary"}
    emails = {person["email"]: person.get("jobtitle") for person in world.crm.all("contacts")}
    assert emails["ann@home.example"] == "Engineer"
    assert len(world.golden()) == 2


# ── deletes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("policy", "left"), [("keep", 1), ("archive", 0), ("delete", 0)])
def test_the_last_member_gone_leaves_by_policy(world: World, policy: str, left: int) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone=policy)
    _ann(world)
    world.run()
    world.shop.remove("customers", "1")
    world.run()
    assert len(world.crm.all("contacts")) == left
    assert world.golden() == []


def test_clear_empties_what_we_wrote_and_nothing_else(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="clear")
    _ann(world)
    world.run()
    world.crm.put("contacts", _person(world)["id"], note="theirs")
    world.shop.remove("customers", "1")
    world.run()
    assert (_person(world)["email"], _person(world)["note"]) == (None, "theirs")


def test_a_record_that_leaves_the_filter_leaves_by_policy_and_comes_back(world: World) -> None:
    world.routes[1] = route(
        "contact", "crm.contacts", when=lambda data: data.get("job_title") == "VIP", on_filter_exit="archive"
    )
    _ann(world, title="VIP")
    world.run()
    assert len(world.crm.all("contacts")) == 1
    _ann(world, title="former VIP")
    world.run()
    assert world.crm.all("contacts") == []


# ── parked ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bad_record_is_parked_alone_still_parked_when_seen_again_and_cured_by_a_good_version(world: World) -> None:
    world.shop.put("orders", "o1", number="")
    world.shop.put("orders", "o2", number="2")
    first = world.run()
    assert (first.counts.inbound.landed, first.counts.inbound.parked) == (1, 1)
    assert first.state == "with_dead_letters"
    with world.store.write() as conn:
        conn.exec_driver_sql("DELETE FROM checkpoint")
    again = world.run()
    assert (again.counts.inbound.unchanged, again.counts.inbound.still_parked) == (1, 1)
    assert len(world.rows("dead_letter")) == 1
    world.shop.put("orders", "o1", number="1")
    world.run()
    assert [letter.state for letter in world.rows("dead_letter")] == ["superseded"]


def test_a_parked_version_is_cured_by_an_edit(world: World) -> None:
    world.shop.put("orders", "o1", number="")
    world.run()
    (letter,) = inspecting.listed(world.store, inspecting.Filter())
    deciding.edit(world.store, letter["id"], {"number": "1"}, by="eva", why="typo at the till")
    deciding.request_replay(world.store, [letter["id"]], deciding.Mode.EDITED, by="eva")
    counts = Counts()
    replay_letters(world.context(), counts)
    assert counts.inbound.landed == 1
    assert inspecting.find(world.store, letter["id"])["state"] == "resolved"
    assert len(world.golden("order")) == 1
    replay_letters(world.context(), Counts())
    assert len(world.golden("order")) == 1


def test_mapping_stored_records_again_changes_nothing_where_the_mapping_says_the_same(world: World) -> None:
    _ann(world)
    world.run()
    counts = Counts()
    remap(world.context(), Stream("shop", "customers"), counts)
    again = world.run()
    assert (counts.inbound.landed, again.counts.outbound.planned) == (1, 0)


# ── lost answers ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.SEARCH_FIRST])
@pytest.mark.parametrize(
    "point", ["claim.before_commit", "claim.committed", "send.answered", "settle.before_commit", "settle.committed"]
)
def test_a_kill_between_claim_and_settle_neither_loses_nor_doubles(
    world: World, write_class: WriteClass, point: str
) -> None:
    world.crm.resources["contacts"] = resource("contacts", write_class, company="companies")
    for n in range(12):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last="P")

    def strike(name: str) -> None:
        if name == point:
            failpoints.install(None)
            raise _Killed

    failpoints.install(strike)
    try:
        with pytest.raises(_Killed):
            world.run()
    finally:
        failpoints.install(None)
    world.clock.at += 60_000_000  # the dead worker's leases run out
    for _ in range(3):
        run = world.run()
    emails = sorted(person["email"] for person in world.crm.all("contacts"))
    assert emails == sorted(f"p{n}@x{n}.io" for n in range(12))
    assert run.counts.outbound.pending == 0
    assert set(world.states()) <= {"APPLIED", "SUPERSEDED"}


@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.SEARCH_FIRST])
def test_an_answer_lost_after_the_write_was_applied_is_settled(world: World, write_class: WriteClass) -> None:
    world.crm.resources["contacts"] = resource("contacts", write_class, company="companies")
    lost = [True]

    def drop(_resource: str, _batch: Sequence[WriteItem]) -> None:
        if lost and lost.pop():
            raise Unknown("the connection was reset")

    world.crm.after_write = drop
    _ann(world)
    world.run()
    assert len(world.crm.all("contacts")) == 1
    assert world.states() == {"APPLIED": 1}


def test_a_newer_version_is_held_while_an_older_send_could_still_land(world: World) -> None:
    world.crm.after_write = lambda _resource, _batch: (_ for _ in ()).throw(Unknown("reset"))
    _ann(world, title="old")
    ctx_run = world.run()
    assert ctx_run.counts.outbound.pending == 1
    world.crm.after_write = None
    _ann(world, title="new")
    world.run()
    assert _person(world)["jobtitle"] == "new"
    assert [body.get("jobtitle") for _, _, _, body in world.crm.log][-1] == "new"


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_refused_item_does_not_take_its_batch_down(world: World) -> None:
    def refuse(_resource: str, item: WriteItem) -> Park | None:
        return Park("too long", cause="too_long", field="lastname") if item.fields.get("lastname") == "P3" else None

    world.crm.refuse = refuse
    for n in range(5):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last=f"P{n}")
    run = world.run()
    assert (run.counts.outbound.applied, run.counts.outbound.dead, run.state) == (4, 1, "with_dead_letters")
    world.crm.refuse = None
    letters = inspecting.ids(world.store, inspecting.Filter())
    assert deciding.request_replay(world.store, letters, deciding.Mode.VERBATIM, by="eva") == 1
    assert deciding.request_replay(world.store, letters, deciding.Mode.VERBATIM, by="eva") == 0
    replay_letters(world.context(), Counts())
    world.run()
    assert len(world.crm.all("contacts")) == 5
    assert [letter.state for letter in world.rows("dead_letter")] == ["resolved"]


def test_a_batch_refused_as_a_whole_is_cut_until_the_bad_one_is_found(world: World) -> None:
    def refuse(_resource: str, batch: Sequence[WriteItem]) -> None:
        if any(item.fields.get("lastname") == "P3" for item in batch):
            raise Park("the batch is not valid", cause="refused_by_target")

    world.crm.before_write = refuse
    for n in range(8):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last=f"P{n}")
    run = world.run()
    assert (run.counts.outbound.applied, run.counts.outbound.dead) == (7, 1)


def test_a_target_that_is_down_for_a_moment_is_tried_again(world: World) -> None:
    failures = [Retry("busy", after=1), Retry("busy", after=1)]

    def fail(_resource: str, _batch: Sequence[WriteItem]) -> None:
        if failures:
            raise failures.pop()

    world.crm.before_write = fail
    _ann(world)
    run = world.run()
    assert (run.counts.outbound.applied, run.state) == (1, "completed")


# ── whose object is it? ───────────────────────────────────────────────────────────────────────────────────────────────


def _lost_before_settling(world: World) -> None:
    """Two people without an identifier of their own are written, and the worker is killed before it learns their ids."""
    world.streams = ["shop.customers", "crm.contacts"]
    world.routes = [route("contact", "crm.contacts")]
    for n in (1, 2):
        world.shop.put("customers", str(n), email="info@acme.io", first=f"Ann{n}", last="Archer")

    def strike(point: str) -> None:
        if point == "send.answered":
            raise _Killed

    failpoints.install(strike)
    try:
        with pytest.raises(_Killed):
            world.run()
    finally:
        failpoints.install(None)
    world.clock.at += 60_000_000


def test_an_object_that_carries_our_key_is_ours_though_nobody_lived_to_hear_it(world: World) -> None:
    _lost_before_settling(world)
    for _ in range(3):
        run = world.run()
    assert len(world.crm.all("contacts")) == len(world.golden()) == 2
    assert run.counts.outbound.pending == 0
    assert run.stopped == []
    assert not any(row.object_id is None for row in world.rows("binding"))
    assert all(golden["email"] == "info@acme.io" for golden in world.golden())
    source = {row.id: row.connection for row in world.rows("member")}
    for row in world.rows("golden"):
        of = world.store.open(tables.golden, row.id, row.data)["of"]
        assert {source[member] for member, _ in of.values()} == {"shop"}


def test_an_object_that_another_record_holds_needs_a_person_and_holds_up_nobody(world: World) -> None:
    world.crm.key_path = lambda _resource: "never_read"  # type: ignore[method-assign] # the key is written, no read shows it
    _lost_before_settling(world)
    world.shop.put("customers", "3", email="carl@acme.io", first="Carl", last="Carter")
    for _ in range(3):
        run = world.run()
    assert run.stopped == []
    assert run.counts.outbound.pending == 0
    assert {person["email"] for person in world.crm.all("contacts")} == {"info@acme.io", "carl@acme.io"}
    assert len(inspecting.listed(world.store, inspecting.Filter())) == 2


# ── an object whose answer never came, read before it is settled ────────────────────────────────────────────────────────


def test_an_object_that_carries_our_key_is_ours_though_its_answer_was_lost(ring: World) -> None:
    """The CRM drops what would identify the person, so only the key tells whose object it is."""
    ring.crm.normalise = lambda body: {name: value for name, value in body.items() if name != "email"}
    ring.crm.after_write = lambda _resource, _batch: (_ for _ in ()).throw(Unknown("reset"))
    _ann(ring, phone="+14155552671")
    assert ring.run().counts.outbound.pending == 1
    ring.crm.after_write = None
    for _ in range(3):
        run = ring.run()
    assert (run.state, run.counts.outbound.pending) == ("completed", 0)
    assert len(ring.crm.all("contacts")) == 1
    assert len(ring.golden()) == 1
    assert ring.shop.log == []


def test_a_plan_that_came_true_meanwhile_is_no_write(world: World) -> None:
    _lost_before_settling(world)
    world.shop.put("customers", "1", stage="lead")  # a new version of the record, nothing new for the CRM
    run = world.run()
    assert run.counts.outbound.applied == 2
    assert run.counts.outbound.no_op > 0
    assert run.counts.outbound.pending == 0
    assert world.crm.calls == 2  # the lost batch, and the same again
