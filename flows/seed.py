"""The seed flow: a sync's golden records marked for planning, so that a new route fills itself."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.parameters import SeedParameters
from flows.reporting import Report
from flows.sync import find_sync
from journey.interventions import replay
from journey.runs import Run


@flow(name="seed", flow_run_name="seed {what.sync}", persist_result=False)
def seed(what: SeedParameters) -> State[Any]:
    """Mark what a sync sends; its next run writes what the targets lack."""
    return carry_out("seed", what.sync, partial(_mark, what))


def _mark(what: SeedParameters, run: Run, report: Report) -> None:
    marked = replay.seed(run.ctx, find_sync(run, what.sync), what.entity)
    report.stepped(f"marked {marked} golden records for the next run of {what.sync}")
