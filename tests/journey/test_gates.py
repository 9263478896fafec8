"""What is too much at once waits for a person: mass removals and changes, writes in a loop, reads that shrank, pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from journey import pausing
from journey.counts import Counts
from journey.inbound.reading import read_stream
from journey.interventions import approving
from journey.limits import Limit, Limits
from journey.outbound import planning
from kernel import approvals, failpoints
from kernel.approvals import Question
from kernel.errors import BadSetting
from kernel.store import tables
from tests.journey.conftest import World, route

MANY = 12
STRICT = Limits(removals=Limit(3, 0.1), changes=Limit(5, 0.5))


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def full(world: World) -> World:
    """A dozen people in the shop and in the CRM; who leaves the shop is removed from the CRM."""
    world.routes = [route("contact", "crm.contacts", on_last_member_gone="delete", limits=STRICT)]
    for n in range(MANY):
        _person(world, n)
    assert world.run().state == "completed"
    assert len(world.crm.all("contacts")) == MANY
    return world


def _person(world: World, n: int, **more: str) -> None:
    world.shop.put("customers", str(n), **({"email": f"p{n}@x{n}.io", "first": "P", "last": f"Q{n}"} | more))


def _leave(world: World, count: int) -> None:
    for n in range(count):
        world.shop.remove("customers", str(n))


def _rename(world: World, count: int, last: str = "New") -> None:
    for n in range(count):
        _person(world, n, last=last)


def _asked(world: World) -> Question:
    with world.store.read() as conn:
        (question,) = approvals.open_questions(conn)
    return question


def _open(world: World) -> int:
    with world.store.read() as conn:
        return len(approvals.open_questions(conn))


def _release(world: World, question: Question) -> approving.Decided:
    return approving.release(world.context(), question.id, "eva", "looked at it")


def test_too_many_removals_wait_and_everything_else_goes_on(full: World) -> None:
    _leave(full, 6)
    _person(full, 7, last="Renamed")
    run = full.run()
    assert run.state == "awaiting_approval"
    assert len(full.crm.all("contacts")) == MANY
    assert any(person["lastname"] == "Renamed" for person in full.crm.all("contacts"))
    assert full.states() == {"APPLIED": MANY + 1, "HELD": 6}
    (question,) = run.waiting
    assert (question.kind, question.facts["waiting"], question.facts["actions"]) == ("removals", 6, {"delete": 6})
    assert question.facts["of"] == MANY
    full.run()
    assert len(full.crm.all("contacts")) == MANY, "another run sends none of it either"


def test_what_was_released_is_sent_and_nothing_else(full: World) -> None:
    _leave(full, 6)
    full.run()
    assert _release(full, _asked(full)).deliveries == 6
    run = full.run()
    assert run.state == "completed"
    assert len(full.crm.all("contacts")) == MANY - 6
    (told,) = [row for row in full.rows("audit") if row.action == "released held change"]
    assert (told.by, told.why) == ("eva", "looked at it")


def test_a_release_is_good_for_exactly_what_was_shown(full: World) -> None:
    _leave(full, 6)
    full.run()
    shown = _asked(full)
    full.shop.remove("customers", "8")
    full.run()
    with pytest.raises(BadSetting, match="overtaken"):
        _release(full, shown)
    assert full.states()["HELD"] == 7
    assert len(full.crm.all("contacts")) == MANY
    assert _release(full, _asked(full)).deliveries == 7


def test_what_was_planned_while_a_person_looked_is_not_released_with_the_rest(full: World) -> None:
    _leave(full, 6)
    full.run()
    shown = _asked(full)
    with full.store.write() as conn:  # as an unmerge would: one of the plans is taken back between two runs
        first = next(row for row in full.rows("delivery") if row.state == "HELD")
        conn.execute(tables.delivery.update().where(tables.delivery.c.id == first.id).values(state="SUPERSEDED"))
    with pytest.raises(BadSetting, match="changed since"):
        _release(full, shown)
    assert full.states()["HELD"] == 5
    assert _release(full, _asked(full)).deliveries == 5


@pytest.mark.parametrize("answer", [approving.release, approving.refuse])
def test_a_decision_in_the_middle_of_a_plan_leaves_nothing_behind(
    full: World, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., approving.Decided]
) -> None:
    monkeypatch.setattr(planning, "BATCH", 2)
    _leave(full, 5)
    full.run()
    shown, told = _asked(full), []

    def decide(name: str) -> None:
        if name == "plan.committed" and not told:
            told.append(name)
            with pytest.raises(BadSetting, match="changed since"):
                answer(full.context(), shown.id, "eva", "looked at it")

    for n in range(5, 11):
        full.shop.remove("customers", str(n))
    failpoints.install(decide)
    try:
        full.run()
    finally:
        failpoints.install(None)
    assert told
    assert len(full.crm.all("contacts")) == MANY
    question = _asked(full)
    assert {row.gate for row in full.rows("delivery") if row.state == "HELD"} == {question.id}
    assert _release(full, question).deliveries == full.states().get("PLANNED", 0) == 11


def test_a_release_says_nothing_of_a_later_plan(full: World) -> None:
    _leave(full, 6)
    full.run()
    _release(full, _asked(full))
    for n in range(6, 11):
        full.shop.remove("customers", str(n))
    run = full.run()
    assert run.state == "awaiting_approval"
    assert len(full.crm.all("contacts")) == MANY - 6
    assert run.waiting[0].facts["waiting"] == 5


def test_what_was_refused_is_discarded_with_its_reason(full: World) -> None:
    _leave(full, 6)
    full.run()
    question = _asked(full)
    assert approving.refuse(full.context(), question.id, "eva", "a wrong filter").deliveries == 6
    assert approving.refuse(full.context(), question.id, "eva", "a wrong filter").already
    with pytest.raises(BadSetting, match="refused by eva"):
        _release(full, question)
    dead = [row for row in full.rows("delivery") if row.state == "DEAD"]
    assert {(row.cause, row.error) for row in dead} == {("change_refused", "refused by eva: a wrong filter")}
    run = full.run()
    assert (run.state, run.counts.outbound.pending) == ("completed", 0)
    assert len(full.crm.all("contacts")) == MANY


def test_released_twice_is_released_once(full: World) -> None:
    _leave(full, 6)
    full.run()
    question = _asked(full)
    _release(full, question)
    assert _release(full, question).already
    full.run()
    assert _release(full, question).already
    assert sum(row.action == "released held change" for row in full.rows("audit")) == 1


def test_few_removals_and_few_changes_need_nobody(full: World) -> None:
    _leave(full, 3)
    for n in range(4, 9):
        _person(full, n, last="New")
    assert full.run().state == "completed"
    assert len(full.crm.all("contacts")) == MANY - 3


def test_too_many_changes_wait_and_new_people_do_not(full: World) -> None:
    _rename(full, 8)
    for n in range(100, 130):
        _person(full, n)
    run = full.run()
    assert run.state == "awaiting_approval"
    assert [question.kind for question in run.waiting] == ["changes"]
    assert len(full.crm.all("contacts")) == MANY + 30
    assert not any(person["lastname"] == "New" for person in full.crm.all("contacts"))
    _release(full, _asked(full))
    full.run()
    assert sum(person["lastname"] == "New" for person in full.crm.all("contacts")) == 8


def test_a_first_delivery_of_everything_needs_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("journey.outbound.planning.BATCH", 5)
    world.routes = [route("contact", "crm.contacts", limits=replace(STRICT, hour=Limit(3, 1.5)))]
    for n in range(MANY):
        _person(world, n)
    assert world.run().state == "completed"
    assert len(world.crm.all("contacts")) == MANY  # nothing of ours was there: each object is made once


def test_a_first_delivery_that_was_interrupted_needs_nobody_either(world: World) -> None:
    world.routes = [route("contact", "crm.contacts", limits=replace(STRICT, hour=Limit(3, 5.0)))]
    _person(world, 0)
    assert world.run().state == "completed"  # as far as it came
    for n in range(1, MANY):
        _person(world, n)
    assert world.run().state == "completed"
    assert len(world.crm.all("contacts")) == MANY


def test_where_every_write_is_asked_for_so_is_the_first(world: World) -> None:
    world.routes = [route("contact", "crm.contacts", limits=replace(STRICT, hour=Limit(0, 0.0)))]
    _person(world, 0)
    assert world.run().state == "awaiting_approval"
    _release(world, _asked(world))
    assert world.run().state == "completed"


def test_a_newer_version_of_a_held_record_takes_its_place(full: World) -> None:
    _rename(full, 8)
    full.run()
    _rename(full, 8, last="Newer")
    full.run()
    assert full.states()["HELD"] == 8
    _release(full, _asked(full))
    full.run()
    assert sum(person["lastname"] == "Newer" for person in full.crm.all("contacts")) == 8


def test_when_the_cause_goes_away_so_does_the_question(full: World) -> None:
    _leave(full, 6)
    full.run()
    for n in range(5):
        _person(full, n)
    run = full.run()
    assert (run.state, _open(full)) == ("completed", 0)
    assert len(full.crm.all("contacts")) == MANY - 1, "the one that is left is no more than the limit"
    assert {person["lastname"] for person in full.crm.all("contacts")} == {f"Q{n}" for n in range(MANY) if n != 5}


def test_removals_that_pile_up_unsent_are_weighed_together(full: World) -> None:
    pausing.pause(full.store, "crm.contacts", [], ["crm"], "eva", "maintenance")
    for n in range(6):
        full.shop.remove("customers", str(n))
        full.run()
    pausing.resume(full.store, "crm.contacts", "eva")
    full.run()
    assert len(full.crm.all("contacts")) == MANY


def _points(full: World) -> list[str]:
    seen: list[str] = []
    failpoints.install(seen.append)
    try:
        full.run()
    finally:
        failpoints.install(None)
    return seen


@pytest.mark.parametrize("what", ["removals", "changes"])
def test_a_kill_anywhere_sends_nothing_of_what_is_too_much(
    full: World, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BATCH", 2)  # the plan is written in several transactions
    cause = _leave if what == "removals" else _rename
    last = 0

    def strike(_name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    for nth in range(1, 200):
        left = nth
        if nth == 1:
            cause(full, 8)
        failpoints.install(strike)
        try:
            full.run()
            last = nth
        except Killed:
            pass
        finally:
            failpoints.install(None)
        full.clock.at += 61_000_000  # what the dead worker held is anybody's
        assert len(full.crm.all("contacts")) == MANY
        assert not any(person["lastname"] == "New" for person in full.crm.all("contacts"))
        if last:
            break
        if nth % 3 == 0:  # and from the start again
            _restart(full, what)
    assert last > 10
    assert full.run().state == "awaiting_approval"
    assert _asked(full).facts["waiting"] == full.states()["HELD"] == 8


@pytest.mark.parametrize("point", ["approval", "pause", "resume"])
@pytest.mark.parametrize("when", ["before_commit", "committed"])
def test_whoever_dies_deciding_has_decided_or_has_not(full: World, point: str, when: str) -> None:
    _leave(full, 8)
    full.run()
    question = _asked(full)
    deeds = {
        "approval": lambda: _release(full, question),
        "pause": lambda: pausing.pause(full.store, "crm.contacts", ["test"], ["crm", "shop"], "eva", "maintenance"),
        "resume": lambda: pausing.resume(full.store, "crm.contacts", "eva"),
    }
    if point == "resume":
        deeds["pause"]()
    open_before = _open(full)

    def strike(name: str) -> None:
        if name == f"{point}.{when}":
            raise Killed

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            deeds[point]()
    finally:
        failpoints.install(None)
    full.clock.at += 61_000_000
    decided = {"approval": -1, "pause": 1, "resume": -1}[point] if when == "committed" else 0
    assert _open(full) == open_before + decided
    deeds[point]()  # again, as whoever saw no answer does
    assert _open(full) == open_before + {"approval": -1, "pause": 1, "resume": -1}[point]


def _restart(full: World, what: str) -> None:
    """The same cause anew: what was held is superseded by what comes next."""
    if what == "changes":
        _rename(full, 8)
    with full.store.write() as conn:
        ours = tables.delivery.c.state.in_(("PLANNED", "HELD"))
        conn.execute(tables.delivery.update().where(ours).values(state="SUPERSEDED", gate=None))
        ids = [row.golden_id for row in full.rows("delivery") if row.state in ("PLANNED", "HELD", "SUPERSEDED")]
        trace = full.rows("golden")[0].trace_id
        for n, golden_id in enumerate(sorted(set(ids))):
            mark = {"golden_id": golden_id, "sync": "test", "entity": "contact", "reason": "link", "trace_id": trace}
            conn.execute(tables.dirty.delete().where(tables.dirty.c.golden_id == golden_id))
            conn.execute(tables.dirty.insert().values(**mark, token=f"{n:032x}"))


def test_a_record_written_over_and_over_is_held_and_the_others_are_not(full: World) -> None:
    full.routes = [route("contact", "crm.contacts", limits=replace(STRICT, record=4))]
    for n in range(9):
        _person(full, 0, last=f"Loop{n}")
        _person(full, 1 + n % 3, last=f"Fine{n}")
        full.run()
    question = _asked(full)
    assert (question.kind, question.facts["waiting"]) == ("writes_to_record", 1)
    writes = [body for _, _, _, body in full.crm.log if str(body.get("lastname", "")).startswith("Loop")]
    assert len(writes) == 3, "its creation was the first of four"
    _release(full, question)
    full.run()
    assert full.run().state == "completed"
    assert any(person["lastname"] == "Loop8" for person in full.crm.all("contacts"))


def test_a_held_record_stays_held_when_its_hour_is_over(full: World) -> None:
    full.routes = [route("contact", "crm.contacts", limits=replace(STRICT, record=2))]
    for n in range(4):
        _person(full, 0, last=f"Loop{n}")
        full.run()
    full.clock.at += 2 * 3600 * 1_000_000
    _person(full, 0, last="Later")
    assert full.run().state == "awaiting_approval"
    assert not any(person["lastname"] == "Later" for person in full.crm.all("contacts"))


def test_a_target_written_in_a_loop_is_held_as_a_whole(full: World) -> None:
    hour = Limit(20, 1.5)
    full.routes = [route("contact", "crm.contacts", limits=replace(STRICT, hour=hour))]
    for n in range(8):
        _rename(full, 3, last=f"Loop{n}")
        full.run()
    question = _asked(full)
    assert (question.kind, question.sync) == ("writes_to_target", None)
    assert MANY < len(full.crm.log) <= hour.count
    _person(full, 99)
    full.run()
    assert len(full.crm.all("contacts")) == MANY, "whatever is planned for it waits"
    _release(full, _asked(full))
    assert full.run().state == "completed"
    assert len(full.crm.all("contacts")) == MANY + 1


def test_an_hour_later_the_writes_of_before_do_not_count(full: World) -> None:
    full.routes = [route("contact", "crm.contacts", limits=replace(STRICT, hour=Limit(20, 1.5)))]
    for n in range(8):
        _rename(full, 3, last=f"Now{n}")
        full.clock.at += 1800 * 1_000_000
        assert full.run().state == "completed"


@pytest.mark.parametrize("left", [0, 3])
def test_after_a_complete_read_that_shrank_nothing_is_removed_before_a_person_says_so(full: World, left: int) -> None:
    full.shop.resources["orders"] = replace(full.shop.resources["orders"], incremental=False)
    for n in range(10):
        full.shop.put("orders", str(n), customer="1", total="5.00", currency="EUR")
    full.run()
    kept = dict(full.shop.objects["orders"])
    full.shop.objects["orders"] = dict(list(kept.items())[:left])
    _leave(full, 1)
    run = full.run()
    assert run.state == "awaiting_approval"
    assert len(full.crm.all("contacts")) == MANY
    kinds = {question.kind: question for question in run.waiting}
    assert set(kinds) == {"shrunken_read", "removals"}
    assert kinds["shrunken_read"].facts == {"read": left, "before": 10}
    _release(full, kinds["shrunken_read"])
    assert full.run().state == "completed"
    assert len(full.crm.all("contacts")) == MANY - 1


def test_a_read_that_is_whole_again_withdraws_the_question(full: World) -> None:
    full.shop.resources["orders"] = replace(full.shop.resources["orders"], incremental=False)
    for n in range(10):
        full.shop.put("orders", str(n), customer="1", total="5.00", currency="EUR")
    full.run()
    kept = full.shop.objects["orders"]
    full.shop.objects["orders"] = {}
    assert full.run().state == "awaiting_approval"
    question = _asked(full)
    full.shop.objects["orders"] = kept
    assert full.run().state == "completed"
    with pytest.raises(BadSetting, match="overtaken"):
        _release(full, question)


def test_a_paused_target_is_not_written_and_what_waits_is_not_lost(full: World) -> None:
    assert pausing.pause(full.store, "crm.contacts", ["test"], ["crm", "shop"], "eva", "maintenance")
    assert not pausing.pause(full.store, "crm.contacts", ["test"], ["crm", "shop"], "eva", "maintenance")
    _person(full, 0, last="Renamed")
    run = full.run()
    assert (run.state, run.counts.outbound.pending) == ("awaiting_approval", 1)
    assert pausing.resume(full.store, "crm.contacts", "eva")
    assert full.run().state == "completed"
    assert any(person["lastname"] == "Renamed" for person in full.crm.all("contacts"))


@pytest.mark.parametrize("name", ["test", "shop"])
def test_a_paused_sync_or_source_reads_nothing(full: World, name: str) -> None:
    pausing.pause(full.store, name, ["test"], ["crm", "shop"], "eva", "a migration")
    _person(full, 0, last="Renamed")
    run = full.run()
    assert (run.state, run.counts.inbound.read) == ("awaiting_approval", 0)
    pausing.resume(full.store, name, "eva")
    assert full.run().counts.inbound.read == 1


def test_what_is_not_there_cannot_be_paused_and_nobody_pauses_without_a_reason(full: World) -> None:
    with pytest.raises(BadSetting, match="no sync or connection"):
        pausing.pause(full.store, "nowhere", ["test"], ["crm"], "eva", "why not")
    with pytest.raises(BadSetting, match="--why"):
        pausing.pause(full.store, "test", ["test"], ["crm"], "eva", " ")


def _foreseen(world: World) -> list[Question]:
    """What would wait of what is read, before anything is planned."""
    ctx = world.context()
    sync = ctx.pins.syncs["test"]
    for stream in sync.streams:
        read_stream(ctx, stream, Counts())
    before = world.states()
    found = planning.preview(ctx, sync, 1000)
    assert world.states() == before, "a preview keeps nothing"
    assert _open(world) == 0
    return found.waiting


def _twice(world: World) -> None:
    """A rename that was planned and never sent, and a newer one that will take its place."""
    _rename(world, 4)
    ctx = world.context()
    sync = ctx.pins.syncs["test"]
    for stream in sync.streams:
        read_stream(ctx, stream, Counts())
    planning.plan_sync(ctx, sync)
    _rename(world, 5, last="Newer")


@pytest.mark.parametrize(
    ("happens", "limits"),
    [
        (lambda world: _leave(world, 3), STRICT),
        (lambda world: _leave(world, 6), STRICT),
        (lambda world: _rename(world, 5), STRICT),
        (lambda world: _rename(world, 8), STRICT),
        (_twice, STRICT),
        (lambda world: _rename(world, 3), replace(STRICT, record=1)),
        (lambda world: _rename(world, 3), replace(STRICT, hour=Limit(2, 1.1))),
        (lambda world: _rename(world, 3), replace(STRICT, hour=Limit(15, 1.1))),
        (lambda world: [_person(world, MANY + n) for n in range(MANY)], replace(STRICT, hour=Limit(2, 1.1))),
    ],
    ids=[
        "few leave",
        "many leave",
        "few change",
        "many change",
        "changed twice",
        "same again",
        "loop",
        "no loop",
        "filling",
    ],
)
def test_a_preview_says_what_the_next_run_asks(full: World, happens: Callable[[World], None], limits: Limits) -> None:
    full.routes = [route("contact", "crm.contacts", on_last_member_gone="delete", limits=limits)]
    happens(full)
    foreseen = [(each.kind, each.place, each.facts["waiting"], each.facts["limit"]) for each in _foreseen(full)]
    asked = full.run().waiting
    assert foreseen == [(each.kind, each.place, each.facts["waiting"], each.facts["limit"]) for each in asked]
