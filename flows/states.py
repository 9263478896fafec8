"""How a flow run ends, by name: Completed, WithDeadLetters, AwaitingApproval, Partial, Failed; and AlreadyRunning, which did nothing."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from journey.runs import Run
from kernel.clock import iso

WITH_DEAD_LETTERS = "WithDeadLetters"
AWAITING_APPROVAL = "AwaitingApproval"
PARTIAL = "Partial"
ALREADY_RUNNING = "AlreadyRunning"


def final(run: Run) -> State[Any]:
    """The state of a recorded run; its message holds counts only."""
    told = summary(run)
    if run.state == "failed":
        reasons = "; ".join(dict.fromkeys(str(error) for error in run.stopped))
        return Failed(message=f"{reasons} · {told}" if reasons else told)
    if run.state == "partial" and run.goes_on_at is not None:  # nothing is held: the next run goes on at the checkpoint
        reasons = "; ".join(dict.fromkeys(str(error) for error in run.stopped))
        return Completed(name=PARTIAL, message=f"goes on at {iso(run.goes_on_at)}: {reasons} · {told}")
    if run.state == "with_dead_letters":
        return Completed(name=WITH_DEAD_LETTERS, message=f"{run.dead_letters} dead letters · {told}")
    if run.state == "awaiting_approval":  # the approval is a row: nothing is held while a person thinks
        return Completed(name=AWAITING_APPROVAL, message=f"waiting for a person: {len(run.waiting)} · {told}")
    return Completed(message=told)


def failed(message: str) -> State[Any]:
    """A run that ended with an error of ours."""
    return Failed(message=message)


def already_running(message: str) -> State[Any]:
    """Another worker has the lease of this sync."""
    return Cancelled(name=ALREADY_RUNNING, message=message)


def summary(run: Run) -> str:
    """Both rows, without the zeros."""
    rows = (("read", run.counts.inbound), ("planned", run.counts.outbound))
    return "; ".join(_row(first, row) for first, row in rows)


def _row(first: str, row: Any) -> str:
    counts = {name: getattr(row, name) for name in row.__slots__}
    rest = [f"{name} {n}" for name, n in counts.items() if n and name != first]
    return ", ".join([f"{first} {counts[first]}", *rest])
