"""The snapshot flow: the embedded warehouse is replaced by one of today's golden records and their history."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.reporting import Report
from journey.runs import Run
from journey.warehouse.snapshot import snapshot as taken
from kernel.settings import Settings


@flow(name="snapshot", flow_run_name="warehouse snapshot", persist_result=False)
def snapshot() -> State[Any]:
    """Make a new warehouse beside the former one and put it in its place; may be stopped anywhere."""
    return carry_out("snapshot", "", partial(_snapshot, Settings.from_environment()))


def _snapshot(settings: Settings, run: Run, report: Report) -> None:
    def progress(what: str, done: int) -> None:
        run.lease.renew()
        report.working(f"{what}: {done}")

    ctx = run.ctx
    done = taken(ctx.store, ctx.pins.dictionary, settings.warehouse, settings.warehouse_personal, ctx.run_id, progress)
    rows = [{"entity": name, "records": n, "versions": done.versions[name]} for name, n in done.records.items()]
    report.table("warehouse", rows, "What the warehouse holds.")
    report.stepped(f"{sum(done.records.values())} records, {sum(done.versions.values())} versions")
