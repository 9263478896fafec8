"""The prune flow: payloads and old rows go when their time is over."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.parameters import PruneParameters
from flows.reporting import Report
from journey import pruning
from journey.runs import Run


@flow(name="prune", flow_run_name="prune", persist_result=False)
def prune(what: PruneParameters) -> State[Any]:
    """Apply the retention, in short transactions; may be stopped anywhere."""
    return carry_out("prune", "", partial(_prune, what))


def _prune(what: PruneParameters, run: Run, report: Report) -> None:
    def progress(kind: str, rows: int) -> None:
        run.lease.renew()
        report.working(f"{kind}: {rows}")

    done = pruning.prune(run.ctx.store, what.retention, progress)
    report.table("pruned", [{"what": kind, "rows": rows} for kind, rows in done.items()], "What went.")
    report.stepped(", ".join(f"{rows} {kind}" for kind, rows in done.items() if rows) or "nothing was due")
