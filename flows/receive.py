"""The receive flow: stored webhooks processed; records land, hints are read again from the vendor."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.parameters import ReceiveParameters
from flows.reporting import Report
from journey.inbound import receiving
from journey.runs import Run


@flow(name="receive", flow_run_name="receive webhooks", persist_result=False)
def receive(what: ReceiveParameters) -> State[Any]:
    """Process what was received; what cannot be processed now waits for the next run."""
    return carry_out("receive", "", partial(_process, what))


def _process(what: ReceiveParameters, run: Run, report: Report) -> None:
    done = receiving.process(run.ctx, run.counts, what.most)
    report.stepped(f"receipts: {done.processed} processed, {done.waiting} waiting")
