"""The two rows of a run, as tables: where every version read and every write planned ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from rich.table import Table

from console.exits import Exit
from console.rendering import table
from journey import waiting
from journey.counts import Inbound, Outbound
from journey.runs import Run

INBOUND = tuple(item.name for item in fields(Inbound))
OUTBOUND = tuple(item.name for item in fields(Outbound))


def told(run: Run) -> dict[str, Any]:
    """One finished run as data."""
    return {
        "name": run.sync or run.kind,
        "run": run.ctx.run_id,
        "state": run.state,
        "inbound": asdict(run.counts.inbound),
        "outbound": asdict(run.counts.outbound),
        "warnings": dict(run.counts.warnings),
        "errors": [str(error) for error in run.stopped],
        "waiting": [waiting.told(question) for question in run.waiting],
    }


def tables(runs: Iterable[dict[str, Any]]) -> list[Table]:
    """Inbound and outbound, a line per run."""
    listed = list(runs)
    return [_table("read", INBOUND, "inbound", listed), _table("written", OUTBOUND, "outbound", listed)]


def _table(title: str, names: Sequence[str], side: str, runs: Sequence[dict[str, Any]]) -> Table:
    rows = [[run["name"], run["state"], *(run[side].get(name, 0) for name in names)] for run in runs]
    return table(["sync", "state", *(name.replace("_", " ") for name in names)], rows, title)


def exit_code(states: Iterable[str]) -> Exit:
    """What the ends of some runs mean to a script."""
    ended = set(states)
    if ended & {"partial", "failed", "abandoned", "already_running"}:
        return Exit.STOPPED
    return Exit.FINDINGS if ended & {"with_dead_letters", "awaiting_approval"} else Exit.OK
