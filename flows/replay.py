"""The replay flow: dead letters that people asked for, carried out; or asked for here, by filter, and carried out at once."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from dead_letter import deciding, inspecting
from dead_letter.inspecting import Filter
from flows.carrying import carry_out
from flows.parameters import ReplayParameters
from flows.reporting import Report
from journey.interventions import replay as replaying
from journey.runs import Run


@flow(name="replay", flow_run_name="replay dead letters", persist_result=False)
def replay(what: ReplayParameters) -> State[Any]:
    """Land versions and reopen deliveries; the next syncs deliver them. What was superseded writes nothing and says so."""
    return carry_out("replay", "", partial(_replay, what))


def _replay(what: ReplayParameters, run: Run, report: Report) -> None:
    store = run.ctx.store
    if what.filtered:
        wanted = Filter(cause=what.cause, connection=what.connection, resource=what.resource)
        letters = [inspecting.find(store, each)["id"] for each in what.letters] or inspecting.ids(store, wanted)
        asked = deciding.request_replay(store, letters, what.mode, what.by, what.why)
        report.log(f"{asked} letters marked for replay ({what.mode})")
    done = replaying.replay_letters(run.ctx, run.counts)
    report.stepped(
        f"replayed {done.versions} versions, {done.deliveries} deliveries; {done.superseded} were superseded"
    )
