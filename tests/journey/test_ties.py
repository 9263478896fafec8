"""A thousand versions with one time over page borders: whoever dies between two pages, none is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from journey.inbound import reading
from kernel import failpoints
from kernel.records import Cursor, Page
from tests.journey.conftest import World

MANY = 1000


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("nth", [1, 3, 7])
@pytest.mark.parametrize("point", ["land.before_commit", "land.committed"])
def test_a_thousand_equal_times_survive_a_kill_between_pages(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str, nth: int
) -> None:
    monkeypatch.setattr(reading, "BATCH", 100)
    world.shop.page_size = 50
    world.routes = []
    for n in range(MANY):
        world.shop.put("customers", f"{n:04}", email=f"p{n}@x.example", last="P")
    for each in world.shop.all("customers"):
        each["updated"] = 7_000_000
    left = nth

    def strike(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            raise Killed

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            world.run()
    finally:
        failpoints.install(None)
    run = world.run()
    assert len(world.golden()) == MANY
    assert len(world.rows("version")) == MANY
    assert run.counts.inbound.read < MANY or nth == 1


def test_a_vendors_job_is_kept_as_soon_as_it_is_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Cursor | None] = []

    def read(resource: str, since: Cursor | None, **_: Any) -> Iterator[Page]:
        if resource != "customers":
            yield Page([], {}, last=True)
            return
        asked.append(since)
        yield Page([], {"job": "j1"}, world.clock.now())
        if since is None:
            raise Killed
        yield Page([], {"done": 1}, world.clock.now(), last=True)

    monkeypatch.setattr(world.shop, "read", read)
    world.routes = []
    with pytest.raises(Killed):
        world.run()
    world.clock.at += 120_000_000  # the dead worker's lease ends
    world.run()
    assert asked == [None, {"job": "j1"}]
