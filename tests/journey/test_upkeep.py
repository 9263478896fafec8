"""Pruning and drift, on both databases: what goes and what stays, and what differs between us and a target."""

from __future__ import annotations

from journey import pruning
from journey.counts import Counts
from journey.interventions import replay
from journey.outbound import drift
from journey.pruning import Retention
from journey.syncs import Stream
from kernel.clock import SECOND
from kernel.errors import Park, Unknown
from tests.journey.conftest import World

DAY = 86_400 * SECOND
CONTACTS = Stream("crm", "contacts")


def _customers(world: World, n: int, **more: str) -> None:
    for each in range(n):
        world.shop.put("customers", str(each), **({"email": f"p{each}@x{each}.io", "last": "P"} | more))


def test_nothing_goes_before_its_time(world: World) -> None:
    _customers(world, 2)
    world.run()
    _customers(world, 2, last="Q")
    world.run()
    assert not any(pruning.prune(world.store, Retention()).values())


def test_old_payloads_go_and_what_is_current_stays(world: World) -> None:
    _customers(world, 2)
    world.run()
    _customers(world, 2, last="Q")
    world.run()
    world.clock.at += 31 * DAY
    told: list[str] = []
    done = pruning.prune(world.store, Retention(), lambda what, rows: told.append(what))
    assert {what: rows for what, rows in done.items() if rows} == {"raw": 2, "bodies": 4}
    assert told == ["raw", "bodies"]
    assert sorted(bool(row.raw) for row in world.rows("version")) == [False, False, True, True]
    assert all(row.op_key and row.body is None for row in world.rows("delivery"))
    replay.remap(world.context(), Stream("shop", "customers"), Counts())
    assert world.run().counts.outbound.planned == 0  # planned writes are known by their keys still


def test_old_rows_go_unless_the_story_of_something_current_needs_them(world: World) -> None:
    _customers(world, 1)
    for last in "QRS":
        world.run()
        _customers(world, 1, last=last)
    world.run()
    world.clock.at += 401 * DAY
    done = pruning.prune(world.store, Retention())
    assert (done["versions"], done["runs"], done["attempts"]) == (3, 4, 4)
    (left,) = world.rows("version")
    assert left.raw is not None
    assert not any(pruning.prune(world.store, Retention()).values())


def test_a_dead_delivery_keeps_its_body_while_its_letter_is_open(world: World) -> None:
    _customers(world, 1)
    world.crm.refuse = lambda resource, item: Park("no", cause="refused")
    world.run()
    world.clock.at += 31 * DAY
    assert pruning.prune(world.store, Retention())["bodies"] == 0
    with world.store.write() as conn:
        conn.exec_driver_sql("UPDATE dead_letter SET state = 'discarded'")
    done = pruning.prune(world.store, Retention())
    assert (done["bodies"], done["letter payloads"], done["letters"]) == (1, 1, 0)


def test_both_sides_of_a_target_are_counted(world: World) -> None:
    _customers(world, 5)
    world.run()
    held = {row["email"]: row["id"] for row in world.crm.all("contacts")}
    world.crm.put("contacts", held["p1@x1.io"], lastname="Else")
    world.crm.remove("contacts", held["p2@x2.io"])
    key = world.crm.get("contacts", held["p3@x3.io"])["ext"]
    world.crm.put("contacts", "copy", ext=key, email="p3@x3.io")
    world.crm.objects["contacts"]["moved"] = world.crm.objects["contacts"].pop(held["p4@x4.io"]) | {"id": "moved"}
    found = drift.compare(world.context(), CONTACTS)
    assert (found.bound, found.held, found.differing) == (5, 2, 1)
    assert (found.missing, found.doubled, found.elsewhere, found.drifted) == (1, 1, 1, 4)
    assert drift.compare(world.context(), CONTACTS, most=2).bound == 2


def test_a_target_that_cannot_be_asked_says_why(world: World) -> None:
    _customers(world, 1)
    world.run()

    def cannot(*_: object) -> None:
        raise Unknown("no answer")

    world.crm.find = cannot  # type: ignore[assignment,method-assign]
    found = drift.compare(world.context(), CONTACTS)
    assert (found.bound, found.note) == (0, "no answer")
