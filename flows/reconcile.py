"""The reconcile flow: lost answers settled, and both sides of every target counted; drift is reported, never repaired here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.parameters import ReconcileParameters
from flows.reporting import Report
from flows.sync import find_sync
from flows.tasks import Shared, Stopped, guarded, named
from journey.context import Context
from journey.outbound import drift
from journey.outbound.drift import Drift
from journey.runs import Run
from journey.syncs import Stream

MOST_TASKS = 40
"""Targets share tasks beyond this."""


@flow(name="reconcile", flow_run_name="reconcile targets", persist_result=False)
def reconcile(what: ReconcileParameters) -> State[Any]:
    """Compare what we believe with what the targets hold."""
    return carry_out("reconcile", "", partial(_compare, what))


def _compare(what: ReconcileParameters, run: Run, report: Report) -> None:
    targets = find_sync(run, what.sync).targets if what.sync else sorted_targets(run.ctx)
    looking = Looking(run, report)
    report.tag(targets)
    report.steps = len(targets)
    for start in range(0, len(targets), size := max(1, -(-len(targets) // MOST_TASKS))):
        group = targets[start : start + size]
        looking.go_on(named(compare, group)(looking, group, what.most))
    report.table("drift", [asdict(each) for each in looking.found], "Per target: what we believe, what is there.")


def sorted_targets(ctx: Context) -> Sequence[Stream]:
    """Every target that some sync writes."""
    return [Stream(connection, resource) for connection, resource in sorted(ctx.pins.targets)]


class Looking(Shared):
    """What the tasks found so far."""

    def __init__(self, run: Run, report: Report) -> None:
        """Made once a run."""
        super().__init__(run, report)
        self.found: list[Drift] = []


@task(name="compare", cache_policy=NO_CACHE, persist_result=False)
@guarded
def compare(looking: Looking, targets: Sequence[Stream], most: int) -> Stopped:
    """Count both sides of some targets."""
    run, report = looking.run, looking.report
    for target in targets:
        one = drift.compare(run.ctx, target, most)
        looking.found.append(one)
        run.lease.renew()
        if one.drifted or one.note:
            run.counts.warn(f"{target}: {one.drifted} records drifted{f' ({one.note})' if one.note else ''}")
        report.stepped(f"{target}: {one.bound} bound, {one.held} held, {one.drifted} drifted, {one.unknown} unknown")
    return ()
