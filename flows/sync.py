"""The sync flow: one task per stream read, one that plans, one per target, and one for what had to wait.

Its tasks are the steps of `journey.syncing.run_sync`, in the same order; a task that stopped does not end the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from flows import surroundings
from flows.carrying import carry_out
from flows.parameters import SyncParameters
from flows.reporting import Report
from flows.tasks import Shared, Stopped, guarded, named
from journey import syncing
from journey.counts import Inbound
from journey.outbound import planning
from journey.runs import Run
from journey.syncing import Watcher
from journey.syncs import Stream, Sync
from kernel.errors import BadSetting

MOST_TASKS = 48
"""Streams and targets share tasks beyond this; Prefect's server records more of them too slowly to be of use."""


@flow(name="sync", flow_run_name="sync {what.sync}", persist_result=False)
def sync(what: SyncParameters) -> State[Any]:
    """Read a sync's streams, plan what changed, deliver it."""
    return carry_out("sync", what.sync, partial(_journey, what.sync))


def _journey(name: str, run: Run, report: Report) -> None:
    chosen = find_sync(run, name)
    steps = Steps(run, report, chosen)
    reads, targets = _groups(chosen.streams), _groups(chosen.targets)
    report.tag((*chosen.streams, *chosen.targets))
    report.steps = len(reads) + len(targets) + 2
    if not syncing.may_run(run, chosen):
        return
    for streams in reads:
        steps.go_on(named(read, streams)(steps, streams))
    steps.go_on(plan(steps, return_state=True))
    for group in targets:
        steps.go_on(named(deliver, group)(steps, group))
    steps.go_on(deliver_rest(steps, return_state=True))


def find_sync(run: Run, name: str) -> Sync:
    """The active sync of a name."""
    found = run.ctx.pins.syncs.get(name)
    if found is None:
        known = ", ".join(sorted(run.ctx.pins.syncs))
        raise BadSetting(f"no active sync '{name}'; there are: {known}", field="sync")
    return found


class Steps(Shared):
    """What the tasks of one sync share."""

    def __init__(self, run: Run, report: Report, sync: Sync) -> None:
        """Made once a run."""
        super().__init__(run, report)
        self.sync = sync
        self.halted: set[str] = set()  # connections that cannot be written in this run
        self._told = surroundings.watcher()
        self.watcher = Watcher(read=self._read, delivered=self._delivered)

    def _read(self, stream: Stream, counts: Inbound) -> None:
        self._told.read(stream, counts)
        self.report.working(f"reading {stream}: {counts.read} in this run")

    def _delivered(self, target: Stream, done: int) -> None:
        self._told.delivered(target, done)
        self.report.working(f"delivering to {target}: {done}")


@task(name="read", cache_policy=NO_CACHE, persist_result=False)
@guarded
def read(steps: Steps, streams: Sequence[Stream]) -> Stopped:
    """Read streams to their ends."""
    before = steps.run.counts.inbound.read
    errors = [syncing.read_one(steps.run, stream, steps.watcher) for stream in streams]
    read_now = steps.run.counts.inbound.read - before
    steps.report.stepped(f"read {', '.join(map(str, streams))}: {read_now} records")
    return [error for error in errors if error is not None]


@task(name="plan", task_run_name="plan", cache_policy=NO_CACHE, persist_result=False)
@guarded
def plan(steps: Steps) -> Stopped:
    """Compare what changed with what the targets hold."""
    planned = planning.plan_sync(steps.run.ctx, steps.sync)
    steps.report.stepped(f"planned {planned.planned} writes, {planned.superseded} superseded")
    return ()


@task(name="deliver", cache_policy=NO_CACHE, persist_result=False)
@guarded
def deliver(steps: Steps, targets: Sequence[Stream]) -> Stopped:
    """Send what is due for targets; a connection that refuses us is left alone for the rest of the run."""
    errors = []
    for target in targets:
        error = None
        if target.connection not in steps.halted:
            error = syncing.deliver_one(steps.run, target, steps.watcher)
        if error is not None:
            steps.halted.add(target.connection)
            errors.append(error)
    steps.report.stepped(f"delivered to {', '.join(map(str, targets))}")
    return errors


@task(name="deliver the rest", task_run_name="deliver the rest", cache_policy=NO_CACHE, persist_result=False)
@guarded
def deliver_rest(steps: Steps) -> Stopped:
    """Children whose parents arrived meanwhile, and what was told to wait a little."""
    syncing.deliver_rest(steps.run, steps.sync, steps.watcher, steps.halted)
    steps.report.stepped("nothing moves any more")
    return ()


def _groups(streams: Sequence[Stream]) -> list[Sequence[Stream]]:
    """One each while they are few; shared evenly where they are too many for a task each."""
    size = max(1, -(-len(streams) // (MOST_TASKS // 2)))
    return [streams[start : start + size] for start in range(0, len(streams), size)]
