"""The remap flow: a stream's stored records mapped again with today's mapping, the vendor unasked."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.carrying import carry_out
from flows.parameters import RemapParameters
from flows.reporting import Report
from journey.interventions import replay
from journey.runs import Run


@flow(name="remap", flow_run_name="remap {what.stream}", persist_result=False)
def remap(what: RemapParameters) -> State[Any]:
    """Map what is stored again; the next syncs deliver what that changes."""
    return carry_out("remap", what.stream, partial(_map, what))


def _map(what: RemapParameters, run: Run, report: Report) -> None:
    stream = what.as_stream
    report.tag([stream])
    run.ctx.mapping(stream.connection, stream.resource)  # a wrong name is refused, not silently nothing
    replay.remap(run.ctx, stream, run.counts)
    report.stepped(f"mapped {run.counts.inbound.read} stored records of {stream} again")
