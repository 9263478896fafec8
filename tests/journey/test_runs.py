"""Runs beside each other: the sums hold whoever settles a delivery, and a run's lease outlives its long batches."""

from __future__ import annotations

import pytest

from journey import runs, syncing
from journey.outbound import planning
from journey.syncing import Watcher, run_sync
from journey.syncs import Stream
from kernel.clock import SECOND
from kernel.leases import TERM, Held, hold
from tests.journey.conftest import World


def _customers(world: World, n: int) -> None:
    for each in range(n):
        world.shop.put("customers", str(each), email=f"p{each}@x{each}.io", last="P")


def test_what_another_sync_delivers_for_us_is_counted_as_ours(world: World) -> None:
    _customers(world, 3)
    ctx, beside = world.context(), world.context()
    sync = ctx.pins.syncs["test"]
    with runs.recorded(ctx, "sync", "test") as run:
        syncing.read_one(run, sync.streams[0], Watcher())
        planning.plan_sync(ctx, sync)
        with runs.recorded(beside, "sync", "other") as other:  # writes the same target
            syncing.deliver_one(other, Stream("crm", "contacts"), Watcher())
        assert (other.state, other.counts.outbound.planned) == ("completed", 0)
    out = run.counts.outbound
    assert (run.state, out.planned, out.applied, out.pending) == ("completed", 3, 3, 0)


def test_what_a_run_beside_us_settled_before_we_began_is_not_ours(world: World) -> None:
    _customers(world, 3)
    first = world.context()
    with runs.recorded(first, "reconcile", None):
        assert world.run().counts.outbound.applied == 3
        with runs.recorded(world.context(), "other", "test") as run:
            pass
    assert (run.counts.outbound.planned, run.counts.outbound.applied) == (0, 0)


def test_a_target_that_another_worker_sends_to_is_left_to_it(world: World) -> None:
    _customers(world, 1)
    with hold(world.store, "deliver:crm.contacts"):
        run = world.run()
    assert (run.state, run.counts.outbound.pending) == ("completed", 1)
    assert world.run().counts.outbound.applied == 1


def test_a_run_that_takes_long_keeps_its_lease_while_it_moves(world: World) -> None:
    _customers(world, 2)
    ctx = world.context()

    def slow(*_: object) -> None:
        world.clock.at += TERM // 2

    run_sync(ctx, ctx.pins.syncs["test"], Watcher(read=slow, delivered=slow))
    with runs.recorded(world.context(), "sync", "test") as held:
        for _ in range(3):
            world.clock.at += TERM // 2
            held.lease.renew()
        with pytest.raises(Held), runs.recorded(world.context(), "sync", "test"):
            raise AssertionError("two runs of one sync")
        assert world.clock.at > SECOND


def test_a_lost_run_is_abandoned_by_the_next_of_its_kind_and_sync_only(world: World) -> None:
    for kind, sync in (("sync", "test"), ("sync", "other"), ("remap", None)):
        with runs.recorded(world.context(), kind, sync):
            pass
    with world.store.write() as conn:
        conn.exec_driver_sql("UPDATE run SET state = 'running', ended_at = NULL")
    world.run()
    states = sorted((row.kind, row.sync or "", row.state) for row in world.rows("run"))
    assert states == [
        ("remap", "", "running"),
        ("sync", "other", "running"),
        ("sync", "test", "abandoned"),
        ("sync", "test", "completed"),
    ]
