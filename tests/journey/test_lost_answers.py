"""Answers that never came, and what must not follow from them: nothing doubled, nothing forgotten, nothing put back in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from connectors.base import WriteClass
from dead_letter import deciding, inspecting
from journey.counts import Counts
from journey.dirty import mark_rows
from journey.interventions import approving
from journey.interventions.replay import replay_letters
from journey.limits import Limit, Limits
from journey.outbound import delivering
from kernel import approvals, failpoints
from kernel.clock import SECOND
from kernel.errors import Park, Retry, Stop, Unknown
from kernel.records import WriteItem
from kernel.store import bulk, tables
from tests.journey.conftest import World, route
from tests.journey.memory import resource

HOUR = 3600 * SECOND
Batch = Sequence[WriteItem]


class Killed(BaseException):
    """The process dies here."""


def _ann(world: World, **more: str | None) -> None:
    world.shop.put("customers", "1", **({"email": "ann@acme.io", "first": "Ann", "last": "Archer"} | more))


def _target(world: World, write_class: WriteClass) -> None:
    world.crm.resources["contacts"] = resource("contacts", write_class, company="companies")


def _in_turn(*errors: Exception | None) -> Callable[[str, Batch], None]:
    """A hook that raises these, call by call, and nothing more."""
    left = list(errors)

    def fail(_resource: str, _batch: Batch) -> None:
        if left and (error := left.pop(0)) is not None:
            raise error

    return fail


def _kill_at(world: World, point: str) -> None:
    def strike(name: str) -> None:
        if name == point:
            raise Killed

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            world.run()
    finally:
        failpoints.install(None)


def _person(world: World) -> dict[str, str]:
    (person,) = world.crm.all("contacts")
    return person


def _replay(world: World) -> None:
    letters = inspecting.ids(world.store, inspecting.Filter())
    assert deciding.request_replay(world.store, letters, deciding.Mode.VERBATIM, by="eva") == len(letters) > 0
    replay_letters(world.context(), Counts())


def _mark(world: World) -> None:
    """Have the record planned again."""
    (record,) = [row for row in world.rows("golden") if row.entity == "contact"]
    with world.store.write() as conn:
        bulk.upsert(conn, tables.dirty, mark_rows(world.context(), {record.id: ("contact", "link", record.trace_id)}))


def _pass(world: World, hours: float = 1) -> None:
    world.clock.at += int(hours * HOUR)


@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.SEARCH_FIRST])
def test_what_a_lost_worker_may_have_sent_has_time_to_land(world: World, write_class: WriteClass) -> None:
    _target(world, write_class)
    _ann(world)
    _kill_at(world, "send.answered")
    now = world.clock.at
    delivering.settle_unknown(world.context(), "crm", "contacts")
    (delivery,) = world.rows("delivery")
    (seat,) = world.rows("binding")
    spec = world.crm.resources["contacts"].write
    assert spec is not None
    assert delivery.state == "UNKNOWN"
    assert seat.hold_until >= now + spec.max_processing.total_seconds() * SECOND
    if write_class is WriteClass.SEARCH_FIRST:
        assert delivery.not_before >= now + spec.settle.total_seconds() * SECOND


@pytest.mark.parametrize("trouble", [Retry("throttled", after=40), Stop("no credential")])
@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY])
def test_a_refused_resend_does_not_make_an_unanswered_write_unsent(
    world: World, write_class: WriteClass, trouble: Exception
) -> None:
    _target(world, write_class)
    _ann(world, title="A")
    world.run()
    world.crm.after_write = _in_turn(Unknown("reset"))
    world.crm.before_write = _in_turn(None, trouble)
    _ann(world, title="B")
    world.run()
    assert world.states() == {"APPLIED": 1, "UNKNOWN": 1}
    _ann(world, title="A")  # back to what was seen last: but B may be there by now, and it is
    _pass(world)
    world.run()
    assert _person(world)["jobtitle"] == "A"


def test_a_create_that_may_be_there_is_not_made_under_a_newer_key(world: World) -> None:
    _target(world, WriteClass.IDEMPOTENCY_KEY)
    world.crm.after_write = _in_turn(Unknown("reset"))
    world.crm.before_write = _in_turn(None, Retry("throttled", after=40))
    _ann(world)
    world.run()
    _ann(world, last="Baker")
    _pass(world)
    world.run()
    assert _person(world)["lastname"] == "Baker"


def test_a_key_that_the_vendor_has_forgotten_is_not_used_again(world: World) -> None:
    _target(world, WriteClass.IDEMPOTENCY_KEY)
    world.crm.after_write = _in_turn(*[Unknown("reset")] * 2, *[None] * 5)
    world.crm.before_write = _in_turn(None, Stop("the network is down"))
    _ann(world)
    world.run()
    _pass(world, hours=30)
    world.crm.keys.clear()
    world.run()
    assert len(world.crm.all("contacts")) == 1
    assert world.states() == {"APPLIED": 1}


def test_a_key_whose_stored_answer_is_a_failure_is_looked_behind(world: World) -> None:
    _target(world, WriteClass.IDEMPOTENCY_KEY)

    def stored(_resource: str, batch: Batch) -> None:
        if batch[0].idempotency_key.endswith("-g0"):
            raise Unknown("500, as before")

    world.crm.before_write = stored
    _ann(world)
    world.run()
    _pass(world)
    world.run()
    assert world.states() == {"APPLIED": 1}
    assert _person(world)["lastname"] == "Archer"


def _lose_and_blind(world: World) -> Any:
    """The next answer is lost, and nobody can look for the record; the `find` to put back."""
    find = world.crm.find

    def blind(resource: str, ext_keys: Sequence[str]) -> dict[str, list[object]]:
        raise Retry("the search is down")

    world.crm.after_write = _in_turn(Unknown("reset"))
    world.crm.find = blind  # type: ignore[method-assign, assignment]
    return find


def _give_up(world: World) -> None:
    """A create of class D that landed, was never answered and could not be looked for within a day."""
    _target(world, WriteClass.SEARCH_FIRST)
    find = _lose_and_blind(world)
    _ann(world)
    for _ in range(3):
        world.run()
        _pass(world, hours=20)
    assert world.states() == {"DEAD": 1}
    world.crm.find = find


def test_a_replay_of_what_was_never_answered_looks_first(world: World) -> None:
    _give_up(world)
    _replay(world)
    _pass(world)
    world.run()
    assert len(world.crm.log) == 1
    assert world.states() == {"APPLIED": 1}


def test_the_version_after_one_that_was_never_answered_looks_first(world: World) -> None:
    _give_up(world)
    _ann(world, last="Baker")
    world.run()
    _pass(world)
    world.run()
    assert _person(world)["lastname"] == "Baker"


def test_a_version_held_behind_one_that_was_never_answered_looks_first(world: World) -> None:
    _target(world, WriteClass.SEARCH_FIRST)
    find = _lose_and_blind(world)
    _ann(world)
    world.run()
    everything = Limits(hour=Limit(0, 0.0))
    world.routes = [route("contact", "crm.contacts", limits=everything)]
    _ann(world, last="Baker")
    for _ in range(3):
        world.run()
        _pass(world, hours=20)
    assert world.states() == {"DEAD": 1, "HELD": 1}
    world.crm.find = find
    with world.store.read() as conn:
        (question,) = approvals.open_questions(conn)
    approving.release(world.context(), question.id, "eva", "looked at it")
    for _ in range(2):
        world.run()
        _pass(world)
    assert _person(world)["lastname"] == "Baker"
    assert len(world.crm.all("contacts")) == 1


@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.SEARCH_FIRST])
def test_a_record_that_leaves_while_its_create_is_unanswered_leaves_nothing_behind(
    world: World, write_class: WriteClass
) -> None:
    _target(world, write_class)
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="delete")
    world.crm.after_write = _in_turn(Unknown("reset"))
    world.crm.before_write = _in_turn(None, Stop("the network is down"))
    _ann(world)
    world.run()
    world.shop.remove("customers", "1")
    for _ in range(2):
        world.run()
        _pass(world)
    assert world.crm.all("contacts") == []


@pytest.mark.parametrize("write_class", [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.SEARCH_FIRST])
def test_a_record_that_comes_back_while_its_removal_is_unanswered_is_there_again(
    world: World, write_class: WriteClass
) -> None:
    _target(world, write_class)
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="delete")
    _ann(world)
    world.run()
    world.crm.after_write = _in_turn(Unknown("reset"))
    world.crm.before_write = _in_turn(None, Stop("the network is down"))
    world.shop.remove("customers", "1")
    world.run()
    _ann(world)
    for _ in range(2):
        world.run()
        _pass(world)
    assert _person(world)["lastname"] == "Archer"
    assert {row.state for row in world.rows("delivery")} <= {"APPLIED", "NO-OP", "SUPERSEDED"}


def test_a_removal_that_had_to_wait_is_still_wanted_after_the_next_planning(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="delete")
    _ann(world)
    world.run()
    world.crm.before_write = _in_turn(Retry("throttled", after=600))
    world.shop.remove("customers", "1")
    world.run()
    _mark(world)  # something about it changed that does not matter here
    world.run()
    _pass(world)
    world.run()
    assert world.crm.all("contacts") == []


def test_a_plan_that_was_superseded_and_is_wanted_after_all_is_made_again(world: World) -> None:
    world.crm.before_write = _in_turn(Retry("throttled", after=600))
    _ann(world)
    world.run()
    with world.store.write() as conn:
        conn.execute(tables.delivery.update().values(state="SUPERSEDED"))
    _mark(world)
    world.run()
    assert world.states() == {"SUPERSEDED": 1, "APPLIED": 1}


def test_an_object_that_its_own_write_finds_missing_is_made_anew_where_the_route_says_so(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_missing_at_target="recreate")
    _ann(world)
    world.run()
    first = _person(world)["id"]
    world.crm.objects["contacts"].clear()
    world.crm.refuse = lambda _resource, item: Park("no such object", cause="not_found") if item.vendor_id else None
    _ann(world, last="Baker")
    for _ in range(2):
        world.run()
    assert (_person(world)["lastname"], _person(world)["email"]) == ("Baker", "ann@acme.io")
    assert _person(world)["id"] != first


def test_what_is_not_there_need_not_be_removed(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="delete")
    _ann(world)
    world.run()
    world.crm.refuse = lambda _resource, _item: Park("no such object", cause="not_found")
    world.shop.remove("customers", "1")
    run = world.run()
    assert world.states() == {"APPLIED": 1, "NO-OP": 1}
    assert run.state == "completed"


def test_what_was_not_sent_counts_as_no_attempt(world: World) -> None:
    world.crm.resources["contacts"] = replace(resource("contacts"), write=replace(resource("x").write, batch_size=1))  # type: ignore[type-var]
    world.crm.before_write = _in_turn(*[Stop("no credential")] * 9)
    for n in range(3):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last="P")
    for _ in range(9):
        world.run()
    assert sorted(row.attempts for row in world.rows("delivery")) != [9, 9, 9]
    assert sum(row.attempts for row in world.rows("delivery")) == 9
    world.run()
    assert world.states() == {"APPLIED": 3}


def test_a_field_that_the_vendor_does_not_show_was_not_written(world: World) -> None:
    _target(world, WriteClass.SEARCH_FIRST)
    _ann(world)
    world.run()
    world.crm.before_write = _in_turn(Unknown("reset"))  # before it was applied
    _ann(world, title="Chair")
    world.run()
    _pass(world)
    world.run()
    assert _person(world)["jobtitle"] == "Chair"


def test_a_replay_does_not_bring_back_what_left_meanwhile(world: World) -> None:
    world.routes[1] = route("contact", "crm.contacts", on_last_member_gone="delete")
    world.crm.refuse = lambda _resource, _item: Park("not today", cause="refused_by_target")
    _ann(world)
    world.run()
    world.crm.refuse = None
    world.shop.remove("customers", "1")
    world.run()
    _replay(world)
    world.run()
    assert world.crm.all("contacts") == []
    assert [letter.state for letter in world.rows("dead_letter")] == ["superseded"]
