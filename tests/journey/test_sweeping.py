"""Objects that a complete read no longer shows are deleted, and no other ones: the worst a sync can do is delete what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Deletes
from journey import runs, syncing
from journey.counts import Counts
from journey.inbound import reading, sweeping
from journey.inbound.classifying import Arrival
from journey.interventions import approving
from journey.limits import Limit, Limits
from journey.runs import Run
from journey.stories import finding, tracing
from journey.syncing import Watcher
from journey.syncs import Stream
from kernel import approvals, failpoints
from kernel.approvals import Kind, Question
from kernel.errors import BadSetting, Retry
from kernel.records import Cursor, Page, SourceRecord
from tests.journey.conftest import World, route

MANY = 40
CUSTOMERS = Stream("shop", "customers")
FREE = Limits(removals=Limit(10**6, 1.0), shrunken=0.0)


class Killed(BaseException):
    """The process dies here."""


@pytest.fixture
def listed(world: World) -> World:
    """Forty people in a shop that never says who left, and in the CRM, from which they are removed then."""
    _declare(world, incremental=False)
    world.routes = [route("contact", "crm.contacts", on_last_member_gone="delete")]
    world.streams = ["shop.customers"]
    for n in range(MANY):
        _person(world, n)
    assert world.run().state == "completed"
    assert len(world.crm.all("contacts")) == MANY
    return world


def _declare(world: World, *, incremental: bool, deletes: Deletes = Deletes.SWEEP) -> None:
    known = world.shop.resources["customers"]
    world.shop.resources["customers"] = replace(known, incremental=incremental, deletes=deletes)


def _person(world: World, n: int, **more: str) -> None:
    world.shop.put("customers", str(n), **({"email": f"p{n}@x{n}.io", "first": "P", "last": f"Q{n}"} | more))


def _vanish(world: World, *numbers: int) -> dict[str, dict[str, Any]]:
    """Gone without a word; returns what they were."""
    return {str(n): world.shop.objects["customers"].pop(str(n)) for n in numbers}


def _hidden(world: World, *numbers: int) -> Callable[[], None]:
    """Lists do not show these, for they move while they are read; by id they are there. Returns what ends it."""
    usual = world.shop.read

    def read(resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        for page in usual(resource, since, window=window):
            page.records = [each for each in page.records if each.id not in set(map(str, numbers))]
            yield page

    world.shop.read = read  # type: ignore[method-assign]
    return lambda: setattr(world.shop, "read", usual)


def _pages(world: World, change: Callable[[Iterator[Page]], Iterator[Page]]) -> None:
    usual = world.shop.read
    world.shop.read = lambda resource, since, *, window=None: change(usual(resource, since, window=window))  # type: ignore[method-assign]


def _deleted(world: World) -> set[str]:
    return {row.vendor_id for row in world.rows("object") if row.connection == "shop" and row.deleted}


def _asked(world: World) -> Question | None:
    with world.store.read() as conn:
        found = approvals.open_questions(conn, Kind.SHRUNKEN_READ)
    assert len(found) <= 1
    return found[0] if found else None


def _push(world: World, n: int) -> None:
    """A webhook tells the object as it is now."""
    held = world.shop.objects["customers"][str(n)]
    record = SourceRecord(str(n), dict(held), held["updated"])
    ctx = world.context()
    reading.land_records(ctx, CUSTOMERS, [record], Counts(), started_at=world.clock.now(), how=Arrival.PUSHED)


def _backfill(world: World, window: tuple[int, int] | None = None) -> Run:
    with runs.recorded(world.context(), "backfill", str(CUSTOMERS)) as run:
        syncing.read_one(run, CUSTOMERS, Watcher(), window=window, whole=window is None)
    return run


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH", 3)
    monkeypatch.setattr(sweeping, "BATCH", 4)


# what is deleted --------------------------------------------------------------------------------------------------------
def test_what_a_complete_read_no_longer_shows_goes_the_road_of_every_delete(listed: World) -> None:
    _vanish(listed, 7, 8)
    run = listed.run()
    assert (run.state, _deleted(listed)) == ("completed", {"7", "8"})
    counts = run.counts.inbound  # what a read tells by its silence is a version of its object like any other
    assert (counts.read, counts.landed, counts.unchanged) == (MANY, 2, MANY - 2)
    assert run.counts.warnings == {"shop.customers: no longer shown by a complete read, and deleted": 2}
    assert len(listed.golden()) == len(listed.crm.all("contacts")) == MANY - 2
    assert listed.run().counts.inbound.landed == 0


def test_the_story_says_how_it_is_known(listed: World) -> None:
    _vanish(listed, 7)
    listed.run()
    (gone,) = [row for row in listed.rows("object") if row.deleted]
    found = finding.find(listed.store, None, gone.version)
    (told,) = tracing.tell(listed.store, found).objects
    newest = told["versions"][-1]
    assert (newest["state"], newest["deleted"], newest["rule"]) == ("landed", True, sweeping.UNSHOWN)


def test_what_is_shown_again_comes_back_to_life(listed: World) -> None:
    was = _vanish(listed, 7)
    listed.run()
    listed.shop.objects["customers"] |= was  # with the time of its last change: it is not newer than its deletion
    run = listed.run()
    assert (run.counts.inbound.landed, run.counts.inbound.stale, _deleted(listed)) == (1, 0, set())
    assert len(listed.golden()) == len(listed.crm.all("contacts")) == MANY


def test_a_webhook_brings_one_back_as_well(listed: World) -> None:
    was = _vanish(listed, 7)
    listed.run()
    listed.shop.objects["customers"] |= was
    _person(listed, 7, last="Back")
    _push(listed, 7)
    assert _deleted(listed) == set()


def test_a_stream_that_is_read_by_change_is_swept_by_a_whole_backfill(listed: World) -> None:
    _declare(listed, incremental=True)
    listed.run()
    _vanish(listed, 7)
    assert listed.run().counts.inbound.landed == 0
    assert _backfill(listed, (0, listed.clock.now())).counts.inbound.landed == 0
    assert _deleted(listed) == set()
    run = _backfill(listed)
    assert (run.state, _deleted(listed)) == ("completed", {"7"})
    assert (run.counts.inbound.read, run.counts.inbound.landed) == (MANY, 1)
    listed.run()
    assert len(listed.crm.all("contacts")) == MANY - 1
    _vanish(listed, 8)  # and the next one begins at the beginning
    assert (_backfill(listed).counts.inbound.read, _deleted(listed)) == (MANY - 1, {"7", "8"})


# what is not ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("deletes", [Deletes.NONE, Deletes.IN_STREAM])
def test_only_where_nothing_else_tells(listed: World, deletes: Deletes) -> None:
    _declare(listed, incremental=False, deletes=deletes)
    _vanish(listed, 7)
    listed.run()
    assert _deleted(listed) == set()
    assert listed.rows("sighting") == []


def _stops(pages: Iterator[Page]) -> Iterator[Page]:
    yield next(pages)
    raise Retry("gone for lunch")


def _ends_early(pages: Iterator[Page]) -> Iterator[Page]:
    for page in pages:
        page.last = False
        yield page


def _has_a_bad_row(pages: Iterator[Page]) -> Iterator[Page]:
    for page in pages:
        page.records += [SourceRecord("row-x", {"cells": ["7", "?"]}, fault="two cells")] if page.last else []
        yield page


def _shows_nothing(pages: Iterator[Page]) -> Iterator[Page]:
    yield Page([], {}, 1, last=True)


@pytest.mark.parametrize(
    "change", [_stops, _ends_early, _has_a_bad_row, _shows_nothing], ids=lambda each: each.__name__
)
def test_a_partial_doubtful_or_empty_read_deletes_nothing(
    listed: World, change: Callable[[Iterator[Page]], Iterator[Page]]
) -> None:
    usual = listed.shop.read
    _vanish(listed, 7)
    _pages(listed, change)
    listed.run()
    assert _deleted(listed) == set()
    if change is _shows_nothing:  # nor when a person says that nothing is right
        question = _asked(listed)
        assert question is not None
        approving.release(listed.context(), question.id, "eva", "all gone")
        listed.run()
        assert _deleted(listed) == set()
    listed.shop.read = usual  # type: ignore[method-assign]
    _person(listed, 98)
    listed.run()
    assert _deleted(listed) == {"7"}


def test_what_lists_miss_and_the_vendor_has_stays(listed: World) -> None:
    end = _hidden(listed, 7, 8)
    _vanish(listed, 9)
    run = listed.run()
    assert _deleted(listed) == {"9"}
    assert (
        run.counts.warnings["shop.customers: not shown by a complete read, and there all the same when asked for by id"]
        == 2
    )
    end()
    assert listed.run().state == "completed"


def test_a_vendor_that_cannot_be_asked_deletes_nothing(listed: World) -> None:
    usual = listed.shop.fetch

    def refuse(resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        raise Retry("down")

    _vanish(listed, 7)
    listed.shop.fetch = refuse  # type: ignore[method-assign]
    assert listed.run().state == "failed"
    assert _deleted(listed) == set()
    listed.shop.fetch = usual  # type: ignore[method-assign]
    listed.run()
    assert _deleted(listed) == {"7"}


def test_a_read_that_may_hold_objects_back_deletes_nothing(listed: World) -> None:
    listed.shop.holds_back = lambda resource: "old orders need another scope"  # type: ignore[method-assign]
    _vanish(listed, 7)
    run = listed.run()
    assert _deleted(listed) == set()
    assert any("another scope; nothing was deleted" in each for each in run.counts.warnings)


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
def test_a_webhook_beside_the_read_proves_an_object_there(listed: World, changed: bool) -> None:
    """The read began without it, for its list moved; then it was gone when asked for by id, for the vendor was confused."""

    def pushed(pages: Iterator[Page]) -> Iterator[Page]:
        for n, page in enumerate(pages):
            if n == 1:
                _person(listed, 7, **({"last": "New"} if changed else {}))
                _push(listed, 7)
            page.records = [each for each in page.records if each.id != "7"]
            yield page

    _pages(listed, pushed)
    listed.shop.fetch = lambda resource, ids: [SourceRecord(id, {"id": id}, deleted=True) for id in ids]  # type: ignore[method-assign]
    listed.run()
    assert _deleted(listed) == set()


def test_what_lands_while_the_vendor_is_asked_stays(listed: World) -> None:
    def ask(resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        listed.shop.objects["customers"] |= was
        _person(listed, 7, last="Quick")
        _push(listed, 7)
        return [SourceRecord(id, {"id": id}, deleted=True) for id in ids]

    was = _vanish(listed, 7, 8)
    listed.shop.fetch = ask  # type: ignore[method-assign]
    listed.run()
    assert _deleted(listed) == {"8"}


def test_what_lands_at_the_very_moment_of_its_deletion_stays(listed: World) -> None:
    was = _vanish(listed, 7)
    struck: list[str] = []

    def strike(point: str) -> None:
        if point == "run.start.committed" or struck:
            return
        if point == "shrinking.committed":
            struck.append(point)
            listed.shop.objects["customers"] |= was
            _person(listed, 7, last="Quick")
            _push(listed, 7)

    failpoints.install(strike)
    try:
        listed.run()
    finally:
        failpoints.install(None)
    assert struck
    assert _deleted(listed) == set()


def test_a_row_that_was_only_ever_parked_waits_for_its_person(listed: World) -> None:
    usual = listed.shop.read
    _pages(listed, _has_a_bad_row)
    assert listed.run().counts.inbound.parked == 1
    listed.shop.read = usual  # type: ignore[method-assign]
    _vanish(listed, 7)
    listed.run()
    assert _deleted(listed) == {"7"}
    assert [row.state for row in listed.rows("dead_letter")] == ["open"]


# too many at once -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("limits", [Limits(removals=Limit(3, 0.1)), Limits(removals=Limit(100, 1.0), shrunken=0.9)])
def test_too_many_wait_and_exactly_what_was_shown_is_released(listed: World, limits: Limits) -> None:
    listed.limits = limits
    _vanish(listed, 1, 2, 3, 4, 5)
    run = listed.run()
    question = _asked(listed)
    assert (run.state, _deleted(listed)) == ("awaiting_approval", set())
    assert question is not None
    assert question.facts == {"read": MANY - 5, "before": MANY, "missing": 5, "known": MANY}
    same = listed.run()
    assert [each.id for each in same.waiting] == [question.id]  # the same set is asked about once
    approving.release(listed.context(), question.id, "eva", "they left")
    assert _deleted(listed) == set()  # a release sends nothing itself
    _vanish(listed, 6)
    run = listed.run()
    assert _deleted(listed) == {"1", "2", "3", "4", "5", "6"}  # and one more is few enough by itself
    assert len(listed.crm.all("contacts")) == MANY - 6
    assert run.counts.inbound.read == MANY
    assert listed.rows("sighting") == []


def test_a_release_is_good_for_what_was_shown_and_for_no_more(listed: World) -> None:
    listed.limits = Limits(removals=Limit(3, 0.1))
    gone = _vanish(listed, 1, 2, 3, 4, 5)
    listed.run()
    question = _asked(listed)
    assert question is not None
    approving.release(listed.context(), question.id, "eva", "they left")
    listed.shop.objects["customers"]["1"] = gone["1"]  # one of them is back
    _vanish(listed, 10, 11, 12, 13, 14)
    run = listed.run()
    assert run.state == "awaiting_approval"
    assert _deleted(listed) == {"2", "3", "4", "5"}
    other = _asked(listed)
    assert other is not None
    assert (other.facts["missing"], other.id != question.id) == (5, True)


def test_another_set_overtakes_the_question(listed: World) -> None:
    listed.limits = Limits(removals=Limit(3, 0.1))
    _vanish(listed, 1, 2, 3, 4, 5)
    listed.run()
    question = _asked(listed)
    assert question is not None
    _vanish(listed, 6)
    listed.run()
    with pytest.raises(BadSetting, match="overtaken"):
        approving.release(listed.context(), question.id, "eva", "they left")
    listed.run()
    assert _deleted(listed) == set()
    newer = _asked(listed)
    assert newer is not None
    assert newer.facts["missing"] == 6
    assert {row.read for row in listed.rows("sighting")} == {newer.id}


def test_a_read_that_is_whole_again_ends_the_question(listed: World) -> None:
    listed.limits = Limits(removals=Limit(3, 0.1))
    was = _vanish(listed, 1, 2, 3, 4, 5)
    listed.run()
    listed.shop.objects["customers"] |= was
    assert listed.run().state == "completed"
    assert (_asked(listed), _deleted(listed)) == (None, set())
    listed.run()
    assert listed.rows("sighting") == []


def test_what_a_person_refused_stays_and_is_not_asked_again(listed: World) -> None:
    listed.limits = Limits(removals=Limit(3, 0.1))
    _vanish(listed, 1, 2, 3, 4, 5)
    listed.run()
    question = _asked(listed)
    assert question is not None
    approving.refuse(listed.context(), question.id, "eva", "the export was wrong")
    for _ in range(2):
        assert listed.run().state == "completed"
        assert (_asked(listed), _deleted(listed)) == (None, set())
    assert listed.rows("sighting") == []
    _vanish(listed, 6)
    assert listed.run().state == "awaiting_approval"


def test_as_many_new_ids_do_not_hide_that_all_old_ones_are_gone(listed: World) -> None:
    """A vendor that numbers its objects anew brings as many records as before."""
    for n in range(MANY):
        held = listed.shop.objects["customers"].pop(str(n))
        listed.shop.put("customers", f"n-{n}", **{name: held[name] for name in ("email", "first", "last")})
    assert listed.run().state == "awaiting_approval"
    assert _deleted(listed) == set()
    assert len(listed.crm.all("contacts")) == MANY


# killed and gone on with --------------------------------------------------------------------------------------------------
def _killed_at(world: World, point: str, nth: int) -> bool:
    """Run, and die at the nth time the point is met; whether it was met so often."""
    left = [nth]

    def strike(name: str) -> None:
        if name == point:
            left[0] -= 1
            if not left[0]:
                raise Killed

    failpoints.install(strike)
    try:
        world.run()
    except Killed:
        world.clock.at += 120_000_000  # its leases are over
        return True
    finally:
        failpoints.install(None)
    return False


POINTS = ("land.before_commit", "land.committed", "shrinking.before_commit", "shrinking.committed", "swept.committed")


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("nth", [1, 2, 9])
def test_killed_anywhere_nothing_is_forgotten_and_nothing_too_many_deleted(listed: World, point: str, nth: int) -> None:
    _vanish(listed, 3, 20, 21, 22, 23, 38)
    _killed_at(listed, point, nth)
    assert _deleted(listed) <= {"3", "20", "21", "22", "23", "38"}
    listed.run()
    listed.run()
    assert _deleted(listed) == {"3", "20", "21", "22", "23", "38"}
    assert len(listed.crm.all("contacts")) == MANY - 6


@pytest.mark.usefixtures("_small_batches")
def test_a_read_that_goes_on_counts_as_complete_with_all_its_pages(listed: World) -> None:
    _vanish(listed, 3, 30)
    assert _killed_at(listed, "land.committed", 5)
    run = listed.run()
    assert run.counts.inbound.read < MANY  # it went on in the middle
    assert _deleted(listed) == {"3", "30"}


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("lost", ["DELETE FROM sighting WHERE n = 2", "UPDATE checkpoint SET seen = NULL"])
def test_a_read_that_goes_on_with_a_doubt_deletes_nothing(listed: World, lost: str) -> None:
    """A page of it landed under another release, which did not take note of what it showed."""
    _vanish(listed, 30)
    assert _killed_at(listed, "land.committed", 5)
    with listed.store.write() as conn:
        conn.exec_driver_sql(lost)
    run = listed.run()
    assert _deleted(listed) == set()
    assert any("not looked for" in each for each in run.counts.warnings)
    listed.run()
    assert _deleted(listed) == {"30"}


STEP = st.one_of(
    st.tuples(st.sampled_from(["put", "vanish", "back", "push"]), st.integers(0, 11)),
    st.tuples(st.sampled_from(["kill", "kill between"]), st.integers(1, 6)),
    st.tuples(st.just("read"), st.just(0)),
)


@pytest.mark.usefixtures("_small_batches")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
def test_nothing_that_is_there_is_ever_deleted(world: World, steps: list[tuple[str, int]]) -> None:
    """Whatever people do, webhooks tell and kills stop between: no object that its vendor has is deleted, all others in the end."""
    _declare(world, incremental=False)
    world.streams, world.routes, world.limits = ["shop.customers"], [], FREE
    held = world.shop.objects["customers"] = {}
    away: dict[str, dict[str, Any]] = {}
    for what, n in steps:
        id, gone = str(n), _deleted(world)
        if what == "put":
            away.pop(id, None)
            _person(world, n)
        elif what == "vanish" and id in held:
            away[id] = held.pop(id)
        elif what == "back" and id in away:
            held[id] = away.pop(id)
        elif what == "push" and id in held:
            _push(world, n)
        elif what.startswith("kill"):
            _killed_at(world, "land.committed" if what == "kill" else "land.before_commit", n)
        elif what == "read":
            world.run()
        assert not (_deleted(world) - gone) & held.keys()
    _person(world, 99)
    for _ in range(2):
        world.run()
    known = {row.vendor_id for row in world.rows("object") if not row.deleted}
    assert known == held.keys()
