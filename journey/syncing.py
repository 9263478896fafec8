"""One sync, start to end: read its streams, plan what changed, deliver it. This is the whole story; the rest is detail."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from journey import pausing, runs
from journey.context import Context
from journey.counts import Inbound
from journey.inbound import reading
from journey.outbound import delivering, planning
from journey.runs import Run
from journey.syncs import Stream, Sync
from kernel.errors import ThroughlineError
from kernel.leases import Held


@dataclass(slots=True)
class Watcher:
    """What a caller wants to be told while a run goes on; every method may be replaced."""

    read: reading.Progress = field(default=lambda stream, counts: None)
    delivered: delivering.Progress = field(default=lambda stream, done: None)


def run_sync(ctx: Context, sync: Sync, watcher: Watcher | None = None, flow_run: str = "") -> Run:
    """Run a sync once. A stream or a target that cannot go on stops alone; the others finish, and the run says Failed."""
    watch = watcher or Watcher()
    with runs.recorded(ctx, "sync", sync.name, flow_run) as run:
        if may_run(run, sync):
            for stream in sync.streams:
                read_one(run, stream, watch)
            plan_and_deliver(run, sync, watch)
    return run


def may_run(run: Run, sync: Sync) -> bool:
    """Whether nobody paused the sync; a run of one that is paused does nothing, and says so."""
    if pausing.paused(run.ctx.store).sync(sync.name):
        run.counts.warn(f"{sync.name} is paused")
        return False
    return True


def plan_and_deliver(run: Run, sync: Sync, watch: Watcher) -> None:
    """Plan what is dirty for the sync and deliver what is due."""
    planning.plan_sync(run.ctx, sync)
    deliver_rest(run, sync, watch)


def read_one(
    run: Run, stream: Stream, watch: Watcher, window: tuple[int, int] | None = None, *, whole: bool = False
) -> ThroughlineError | None:
    """Read one stream, a window of it, or the whole of it anew, into the run's counts; the error that stopped it, if one did."""

    def progress(stream: Stream, counts: Inbound) -> None:
        run.lease.renew()
        watch.read(stream, counts)

    if pausing.paused(run.ctx.store).reading(stream):
        run.counts.warn(f"{stream.connection} is paused: {stream} was not read")
        return None
    try:
        reading.read_stream(run.ctx, stream, run.counts, window=window, whole=whole, progress=progress)
    except Held:
        run.counts.warn(f"{stream} is being read by another worker")
    except ThroughlineError as error:
        run.stopped.append(error)
        return error
    return None


def deliver_one(run: Run, target: Stream, watch: Watcher) -> ThroughlineError | None:
    """Send once over what is due for one target; the error that stopped it, if one did."""
    try:
        error = delivering.deliver(run.ctx, target.connection, target.resource, _delivered(run, watch))
    except Held:
        run.counts.warn(f"{target} is being written by another worker")
        return None
    if error is not None:
        run.stopped.append(error)
    return error


def deliver_rest(run: Run, sync: Sync, watch: Watcher, without: Collection[str] = ()) -> None:
    """Deliver until nothing moves: parents release their children, short waits pass. `without`: connections that stopped."""
    run.stopped += delivering.deliver_sync(run.ctx, sync, _delivered(run, watch), without)


def _delivered(run: Run, watch: Watcher) -> delivering.Progress:
    def progress(target: Stream, done: int) -> None:
        run.lease.renew()
        watch.delivered(target, done)

    return progress
