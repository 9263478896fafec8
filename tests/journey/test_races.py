"""Several workers at once: the same new e-mail makes one golden record, one stream has one reader, one target one sender."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import orjson
import pytest

from connectors.base import WriteClass
from dead_letter import deciding, inspecting
from journey.counts import Counts
from journey.inbound import reading
from journey.inbound.receiving import accept, process
from journey.interventions import aftermath
from journey.outbound import delivering
from journey.syncs import Stream
from kernel.clock import SECOND, SystemClock
from kernel.errors import Park, Stop
from kernel.leases import Held, hold
from kernel.records import Page, SourceRecord, WebhookRequest
from kernel.store import Store
from tests.journey.conftest import World, route
from tests.journey.memory import resource

PEOPLE = 200


def _people(prefix: str, many: int = PEOPLE) -> list[SourceRecord]:
    return [
        SourceRecord(
            f"{prefix}{n}",
            {"id": f"{prefix}{n}", "email": f"p{n}@x.example", "last": "P", "company": f"C{n % 7}"},
            1_000 + n,
        )
        for n in range(many)
    ]


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_meet_the_same_new_people_make_one_record_each(world: World, workers: int) -> None:
    _land_together(world, workers, PEOPLE, 50)


@pytest.mark.postgresql
def test_four_workers_with_the_same_thousand_new_addresses_make_a_thousand_records(world: World) -> None:
    if world.store.sqlite:
        pytest.skip("SQLite has one writer at a time; two hundred are enough there")
    _land_together(world, 4, 1000, 250)


def _land_together(world: World, workers: int, many: int, batch: int) -> None:
    world.store.clock = SystemClock()
    start = Barrier(workers)

    def land(worker: int) -> None:
        records = _people(f"w{worker}-", many)
        records = records[worker::workers] + [
            r for n, r in enumerate(records) if n % workers != worker
        ]  # everyone in another order
        start.wait()
        for at in range(0, many, batch):
            counts = Counts()
            reading.land_records(
                world.context(), Stream("shop", "customers"), records[at : at + batch], counts, started_at=0
            )
            assert counts.inbound.landed == batch

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(land, n) for n in range(workers)]:
            done.result()
    assert len(world.golden()) == many
    members = [row for row in world.rows("member") if row.entity == "contact"]
    assert len(members) == many * workers
    assert len({row.golden_id for row in members}) == many


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


HOUR = 3600 * SECOND
CLASSES = [WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.CONFLICT, WriteClass.SEARCH_FIRST]


class Ahead:
    """The clock of a machine that goes ten minutes wrong."""

    def __init__(self, world: World, minutes: int) -> None:
        self.world, self.by = world, minutes * 60 * SECOND

    def now(self) -> int:
        return self.world.clock.now() + self.by

    def sleep(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)


def _take_over(world: World, store: Store) -> None:
    """Another worker delivers, by its own clock."""
    ctx = world.context()
    ctx.store = store
    delivering.deliver(ctx, "crm", "contacts")


@pytest.mark.parametrize("minutes", [0, 10], ids=["", "whose clock is ahead"])
@pytest.mark.parametrize("write_class", CLASSES)
def test_a_worker_stopped_past_its_lease_and_resumed_writes_nothing_with_its_old_fence(
    world: World, write_class: WriteClass, minutes: int
) -> None:
    """It stops after its request left; another one takes over, and then the first one's answer comes."""
    world.crm.resources["contacts"] = resource("contacts", write_class, company="companies")
    world.shop.put("customers", "1", email="ann@acme.io", last="Archer")
    other = Store(world.store.engine, world.store.vault, Ahead(world, minutes))
    fences: list[int] = []

    def stopped(_resource: str, _batch: object) -> None:
        world.crm.after_write = None
        fences.extend(row.fence for row in world.rows("delivery"))
        world.clock.at += 0 if minutes else 90 * SECOND
        _take_over(world, other)
        world.clock.at += 30 * SECOND

    world.crm.after_write = stopped
    with contextlib.suppress(Held):  # it finds out that its lease is gone
        world.run()
    assert fences == [1]
    world.clock.at += HOUR
    for _ in range(3):
        world.run()
        world.clock.at += HOUR
    assert len(world.crm.all("contacts")) == 1
    (delivery,) = world.rows("delivery")
    assert (delivery.state, delivery.fence > 1) == ("APPLIED", True)


def test_a_run_a_webhook_and_a_replay_of_one_record_at_once_have_one_effect(world: World) -> None:
    world.store.clock = SystemClock()
    world.crm.refuse = lambda _resource, _item: Park("not today", cause="refused_by_target")
    now = world.store.clock.now()
    world.shop.now = world.store.clock.now
    world.shop.put("customers", "1", email="ann@acme.io", last="Archer")
    world.run()
    world.crm.refuse = None
    letters = inspecting.ids(world.store, inspecting.Filter())
    assert deciding.request_replay(world.store, letters, deciding.Mode.REMAP, by="eva") == 1
    world.shop.put("customers", "1", title="Chair")
    told = {"resource": "customers", "id": "1", "raw": world.shop.get("customers", "1"), "hint": False, "key": "k1"}
    request = WebhookRequest("POST", "https://hooks.example/shop", {}, orjson.dumps(told), now)
    start = Barrier(4)

    def hook() -> None:
        accept(world.store, world, "shop", request)
        process(world.context(), Counts())
        aftermath.carry_out(world.context)

    works = [world.run, hook, lambda: aftermath.carry_out(world.context), world.run]

    def begin(work: Callable[[], object]) -> None:
        start.wait()
        with contextlib.suppress(Held):
            work()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(begin, work) for work in works]:
            done.result()
    world.run()
    (person,) = world.crm.all("contacts")
    assert (person["lastname"], person["jobtitle"]) == ("Archer", "Chair")
    versions = [row.golden_version for row in sorted(world.rows("delivery"), key=lambda row: row.planned_at)]
    assert versions == sorted(versions)
    bodies = [str(sorted(body.items())) for _, action, _, body in world.crm.log]
    assert len(bodies) == len(set(bodies)) <= 2, "nothing was written twice"
    assert {row.state for row in world.rows("delivery")} <= {"APPLIED", "SUPERSEDED", "DEAD"}


def test_a_read_that_breaks_off_removes_nothing_and_the_next_one_goes_on(world: World) -> None:
    world.routes = [route("contact", "crm.contacts", on_last_member_gone="delete", on_source_delete="delete")]
    for n in range(9):
        world.shop.put("customers", str(n), email=f"p{n}@x{n}.io", last="P")
    world.run()
    for n in range(9):
        world.shop.put("customers", str(n), title="Chair")
    read = world.shop.read

    def broken(name: str, since: Any, **options: Any) -> Iterator[Page]:
        for n, page in enumerate(read(name, since, **options)):
            if n == 1:
                raise Stop("the connection broke")
            yield page

    world.shop.read = broken  # type: ignore[method-assign]
    assert world.run().state == "failed"
    assert len(world.crm.all("contacts")) == 9
    world.shop.read = read  # type: ignore[method-assign]
    assert world.run().state == "completed"
    assert [person["jobtitle"] for person in world.crm.all("contacts")] == ["Chair"] * 9
