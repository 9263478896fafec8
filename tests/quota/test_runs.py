"""Runs that meet a spent day or a vendor that is down: what was read stays read, what is to be written waits, nothing is given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flows import states
from journey.connecting import shared_budget
from journey.stories.budgets import budgets, forecasts, told_time
from journey.stories.overview import overview
from kernel.clock import SECOND, iso
from kernel.errors import Retry, ThroughlineError, Unknown
from kernel.quota import Kind, Limit
from kernel.records import Page, WriteItem
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import Vault
from tests.conftest import KEY
from tests.journey.conftest import World, world

__all__ = ["world"]
DAY = "2026-09-22T00:01:00Z"
"""The midnight after the world's beginning, and the minute by which the vendor's clock may be behind ours."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(sqlite_url(tmp_path / "store.db"), Vault([KEY]))
    yield opened
    opened.close()


def people(world: World, many: int) -> None:
    for n in range(many):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.example", last="P")


def test_a_spent_day_parks_the_read_at_its_checkpoint_and_says_when_it_goes_on(world: World) -> None:
    people(world, 30)  # ten pages
    budget = shared_budget(world.store, "shop", [Limit(4, kind=Kind.DAY, zone="UTC")])
    read = world.shop.read

    def limited(*given: Any, **options: Any) -> Iterator[Page]:
        for page in read(*given, **options):
            budget.take()
            yield page
            budget.done()

    world.shop.read = limited  # type: ignore[method-assign]
    world.streams = ["shop.customers"]
    run = world.run()
    assert (run.state, run.counts.inbound.landed, run.dead_letters) == ("partial", 12, 0)
    assert [error.cause for error in run.stopped] == ["daily_budget"]
    assert run.goes_on_at is not None
    assert iso(run.goes_on_at)[:19] == DAY[:19]
    final = states.final(run)
    assert (final.name, final.type.value) == ("Partial", "COMPLETED")
    assert (final.message or "").startswith(f"goes on at {DAY[:19]}")

    again = world.run()  # before the day is over: nothing is called
    assert (again.state, again.counts.inbound.read) == ("partial", 0)
    told = {each["connection"]: each for each in budgets(world.store)}["shop"]
    assert (told["limit"], told["used"], told["left"]) == (4, 4, 0)

    landed = [12]
    while again.state == "partial":
        assert again.goes_on_at is not None
        world.clock.at = again.goes_on_at
        again = world.run()
        landed.append(again.counts.inbound.landed)
    assert (again.state, sum(landed), landed[1]) == ("completed", 30, 12)


def test_a_spent_day_lets_deliveries_wait_until_it_is_over(world: World) -> None:
    people(world, 30)
    budget = shared_budget(world.store, "crm", [Limit(2, kind=Kind.DAY, zone="UTC")])

    def limited(_: str, __: Sequence[WriteItem]) -> None:
        budget.take()
        budget.done()

    world.crm.before_write = limited
    run = world.run()
    assert (run.state, run.counts.outbound.dead) == ("partial", 0)
    assert run.counts.outbound.pending > 0
    waiting = [row for row in world.rows("delivery") if row.state == "PLANNED"]
    assert {row.attempts for row in waiting} == {0}
    assert any(iso(row.not_before)[:19] == DAY[:19] for row in waiting)
    while run.state == "partial":
        assert run.goes_on_at is not None
        world.clock.at = run.goes_on_at
        run = world.run()
    assert run.state == "completed"
    assert set(world.states()) == {"APPLIED"}
    assert len(world.crm.all("contacts")) == 30


@pytest.mark.parametrize("kind", [Unknown, Retry])
def test_a_vendor_that_is_down_for_hours_makes_no_dead_letter(world: World, kind: type[ThroughlineError]) -> None:
    people(world, 12)
    budget = shared_budget(world.store, "crm", [Limit(1000, 10.0)])
    down = [True]

    def limited(_: str, __: Sequence[WriteItem]) -> None:
        budget.take()
        error = kind("the vendor answered 503", cause="server_error")
        error.outage = budget.done(down[0])
        if down[0]:
            raise error

    world.crm.before_write = limited
    until = world.clock.at + 6 * 3600 * SECOND
    while world.clock.at < until:
        run = world.run()
        assert run.counts.outbound.dead == 0
        world.clock.at += 900 * SECOND
    assert world.rows("dead_letter") == []
    assert overview(world.store)["circuits"][0]["state"] in ("open", "half_open")
    down[0] = False
    for _ in range(6):
        world.clock.at += 900 * SECOND
        world.run()
    assert set(world.states()) == {"APPLIED"}
    assert len(world.crm.all("contacts")) == 12
    assert overview(world.store)["circuits"] == []


class Systems:
    """Connections by name."""

    def system(self, name: str) -> str:
        """A HubSpot account."""
        return "hubspot"


def test_work_to_do_is_told_in_records_calls_and_hours(world: World) -> None:
    people(world, 9)
    world.streams = ["shop.customers"]
    world.crm.before_write = lambda *_: (_ for _ in ()).throw(Retry("busy", after=600.0))
    world.run()
    account = shared_budget(world.store, "crm", [Limit(1, 3000.0)])
    account.take()
    account.done()
    told = {each["work"]: each for each in forecasts(world.store, Systems(), {})}
    found = told["deliver to crm.contacts"]
    assert (found["records"], found["calls"]) == (9, 1)
    assert 2900 <= found["seconds"] <= 3100
    assert [told_time(seconds) for seconds in (0.2, 59, 61, 11_520, 200_000)] == [
        "1 s",
        "59 s",
        "2 min",
        "3.2 h",
        "2.3 d",
    ]
