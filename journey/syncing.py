"""One sync, start to end: read its streams, plan what changed, deliver it. This is the whole story; the rest is detail."""

from __future__ import annotations

from dataclasses import dataclass, field

from journey import inbound, outbound, planning, runs
from journey.context import Context
from journey.counts import Inbound
from journey.runs import Run
from journey.syncs import Stream, Sync
from kernel.errors import ThroughlineError
from kernel.leases import Held


@dataclass(slots=True)
class Watcher:
    """What a caller wants to be told while a run goes on; every method may be replaced."""

    read: inbound.Progress = field(default=lambda stream, counts: None)
    delivered: outbound.Progress = field(default=lambda stream, done: None)


def run_sync(ctx: Context, sync: Sync, watcher: Watcher | None = None, flow_run: str = "") -> Run:
    """Run a sync once. A stream or a target that cannot go on stops alone; the others finish, and the run says Failed."""
    watch = watcher or Watcher()
    with runs.recorded(ctx, "sync", sync.name, flow_run) as run:
        for stream in sync.streams:
            read_one(run, stream, watch)
        plan_and_deliver(run, sync, watch)
    return run


def read_one(run: Run, stream: Stream, watch: Watcher) -> Inbound:
    """Read one stream into the run's counts."""
    try:
        inbound.read_stream(run.ctx, stream, run.counts, progress=watch.read)
    except Held:
        run.counts.warn(f"{stream} is being read by another worker")
    except ThroughlineError as error:
        run.stopped.append(error)
    return run.counts.inbound


def plan_and_deliver(run: Run, sync: Sync, watch: Watcher) -> None:
    """Plan what is dirty for the sync and deliver what is due."""
    planning.plan_sync(run.ctx, sync)
    run.stopped += outbound.deliver_sync(run.ctx, sync, watch.delivered)
