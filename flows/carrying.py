"""How every flow carries out its work: surroundings opened, a run recorded, the work done, its end told and named.

The row in `run` is the truth; the Prefect run points to it and is pointed to. An error's text reaches Prefect only when it
is one of ours, for those hold no record's values.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows import events, limits, states, surroundings
from flows.reporting import Report
from journey import runs
from journey.context import Context
from journey.runs import Run
from kernel.errors import ThroughlineError
from kernel.leases import Held
from kernel.log import get

log = get(__name__)
Work = Callable[[Run, Report], None]


def carry_out(kind: str, name: str, work: Work, steps: int = 1) -> State[Any]:
    """Do one flow run's work inside a recorded run; returns the final state. `name` is the sync, the stream, or ''."""
    try:
        with _slot(), surroundings.opened() as ctx:
            return _recorded(ctx, kind, name, work, steps)
    except ThroughlineError as error:
        return states.failed(str(error))


def _slot() -> AbstractContextManager[None]:
    """Workers' runs wait for a slot; who runs a flow in his own process, waits for nobody."""
    return nullcontext() if surroundings.by_hand() else limits.slot()


def _recorded(ctx: Context, kind: str, name: str, work: Work, steps: int) -> State[Any]:
    report = Report(kind, name, steps)
    run: Run | None = None
    failure = ""
    try:
        with runs.recorded(ctx, kind, name or None, flow_run=str(flow_run.id or "")) as run:
            work(run, report)
    except Held as held:
        if run is None:
            return states.already_running(str(held))
        failure = str(held)
    except ThroughlineError as error:
        failure = str(error)
    except Exception as crash:  # its text may hold a record's values: our own log redacts, Prefect's does not
        log.exception("a flow crashed", run=ctx.run_id, kind=kind)
        failure = f"{type(crash).__name__}; see the log of the process that ran it (run {ctx.run_id})"
    if run is None:
        return states.failed(failure)
    report.finish(run)
    events.tell(run)
    return states.failed(f"{failure} · {states.summary(run)}") if failure else states.final(run)
