"""Several workers at once: the same new e-mail makes one golden record, one stream has one reader, one target one sender."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from journey.counts import Counts
from journey.inbound import reading
from journey.syncs import Stream
from kernel.clock import SystemClock
from kernel.leases import Held, hold
from kernel.records import SourceRecord
from tests.journey.conftest import World

PEOPLE = 200


def _people(prefix: str) -> list[SourceRecord]:
    return [
        SourceRecord(
            f"{prefix}{n}",
            {"id": f"{prefix}{n}", "email": f"p{n}@x.example", "last": "P", "company": f"C{n % 7}"},
            1_000 + n,
        )
        for n in range(PEOPLE)
    ]


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_meet_the_same_new_people_make_one_record_each(world: World, workers: int) -> None:
    world.store.clock = SystemClock()
    start = Barrier(workers)

    def land(worker: int) -> None:
        records = _people(f"w{worker}-")
        records = records[worker::workers] + [
            r for n, r in enumerate(records) if n % workers != worker
        ]  # everyone in another order
        start.wait()
        for at in range(0, PEOPLE, 50):
            counts = Counts()
            reading.land_records(
                world.context(), Stream("shop", "customers"), records[at : at + 50], counts, started_at=0
            )
            assert counts.inbound.landed == 50

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(land, n) for n in range(workers)]:
            done.result()
    assert len(world.golden()) == PEOPLE
    members = [row for row in world.rows("member") if row.entity == "contact"]
    assert len(members) == PEOPLE * workers
    assert len({row.golden_id for row in members}) == PEOPLE


def test_workers_that_land_the_same_objects_land_each_version_once(world: World) -> None:
    world.store.clock = SystemClock()
    start, counts = Barrier(3), [Counts() for _ in range(3)]

    def land(worker: int) -> None:
        start.wait()
        reading.land_records(
            world.context(), Stream("shop", "customers"), _people("same"), counts[worker], started_at=0
        )

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(land, n) for n in range(3)]:
            done.result()
    assert sum(each.inbound.landed for each in counts) == PEOPLE
    assert sum(each.inbound.unchanged for each in counts) == 2 * PEOPLE
    assert len(world.rows("version")) == PEOPLE


def test_a_held_lease_is_refused_and_a_lost_one_noticed(world: World) -> None:
    with hold(world.store, "stream:x") as mine:
        with pytest.raises(Held), hold(world.store, "stream:x"):
            pass
        world.clock.at += 61_000_000
        with hold(world.store, "stream:x") as theirs:
            assert theirs.fence == mine.fence + 1
            with pytest.raises(Held):
                mine.renew()


def test_two_connections_of_one_system_with_equal_ids_never_mix(world: World) -> None:
    world.systems["shop_us"] = world.systems["shop"].__class__("shop", world.shop.resources, world.clock.now)
    ctx = world.context()
    ctx.connections = _Two(world)
    for connection, email in (("shop", "a@a.example"), ("shop_us", "b@b.example")):
        record = SourceRecord("1", {"id": "1", "email": email, "last": "X"}, 5)
        reading.land_records(ctx, Stream(connection, "customers"), [record], Counts(), started_at=0)
    assert {golden["email"] for golden in world.golden()} == {"a@a.example", "b@b.example"}


class _Two:
    def __init__(self, world: World) -> None:
        self.world = world

    def open(self, name: str) -> object:
        return self.world.systems[name]

    def system(self, name: str) -> str:
        return "shop"
