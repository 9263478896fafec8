"""Two events that automations may act on: a run that failed, and a run with unusually many dead letters. Ids and counts only."""

from __future__ import annotations

from prefect.events import emit_event

from journey.runs import Run

RUN_FAILED = "throughline.run.failed"
DEAD_LETTERS = "throughline.dead-letters.spike"

SPIKE_LETTERS, SPIKE_SHARE = 10, 0.05
"""A spike: at least this many letters, and at least this share of what the run handled."""


def is_spike(letters: int, handled: int) -> bool:
    """Whether so many letters of so many versions and writes are worth waking somebody."""
    return letters >= SPIKE_LETTERS and letters >= handled * SPIKE_SHARE


def tell(run: Run) -> None:
    """Emit what this run gives reason for."""
    handled = run.counts.inbound.read + run.counts.outbound.planned
    if run.state == "failed":
        _emit(RUN_FAILED, run, reasons=sorted({error.cause for error in run.stopped}) or ["error"])
    if is_spike(run.dead_letters, handled):
        _emit(DEAD_LETTERS, run, dead_letters=run.dead_letters, handled=handled)


def _emit(event: str, run: Run, **facts: object) -> None:
    name = run.sync or run.kind
    resource = {
        "prefect.resource.id": f"throughline.{run.kind}.{name}",
        "prefect.resource.name": name,
        "throughline.run": run.ctx.run_id,
    }
    emit_event(event, resource=resource, payload={"run": run.ctx.run_id, "kind": run.kind, "sync": name, **facts})
