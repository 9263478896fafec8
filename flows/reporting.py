"""What a flow run shows of itself in Prefect: progress while it works, then both rows, its dead letters by cause, a summary.

Ids, names and counts only. A report that cannot be written is logged and never stops the work it is about.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from dead_letter import inspecting
from dead_letter.inspecting import Filter
from flows import states
from journey import waiting
from journey.runs import Run
from journey.syncs import Stream
from kernel.approvals import Question
from kernel.log import get

MOST_ROWS = 50
"""Rows of a dead-letter table; the command line and the store hold the rest."""

_MOST_TOLD = 20  # log lines and warnings
_EVERY = 2.0  # seconds between updates of the progress artifact
log = get(__name__)
Row = dict[str, Any]


class Report:
    """One run's report. `steps` is how many steps make it complete."""

    def __init__(self, kind: str, name: str, steps: int) -> None:
        """`name`: the sync or stream; with `kind` it makes the artifacts' keys, the same from run to run."""
        self.kind, self.name, self.steps, self.done = kind, name or kind, max(steps, 1), 0
        self._logger = get_run_logger()
        self._progress: UUID | None = None
        self._updated = time.monotonic()
        with _unharmed():
            made = create_progress_artifact(0.0, self.key("progress"), f"{kind} {self.name}")
            self._progress = made if isinstance(made, UUID) else None  # a coroutine only where a loop runs

    def key(self, what: str) -> str:
        """An artifact's key: lower-case letters, digits and dashes."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.kind}-{self.name}-{what}".lower()).strip("-")

    def log(self, line: str) -> None:
        """A line in the flow run's log."""
        self._logger.info(line)

    def tag(self, about: Sequence[Stream]) -> None:
        """Tag the flow run with connections and resources, to find it by them."""
        tags = {name for each in about for name in (str(each), each.connection)}
        with _unharmed(), get_client(sync_client=True) as client:
            client.update_flow_run(UUID(str(flow_run.id)), tags=sorted({*flow_run.tags, *tags}))

    def stepped(self, text: str) -> None:
        """One more step is done."""
        self.done += 1
        self.log(text)
        self.working(text)

    def working(self, text: str) -> None:
        """Something moves; shown at most every other second."""
        if time.monotonic() - self._updated >= _EVERY:
            self._show(text)

    def table(self, what: str, rows: Sequence[Row], description: str) -> None:
        """A table artifact."""
        with _unharmed():
            create_table_artifact(list(rows), self.key(what), description)

    def markdown(self, what: str, text: str, description: str) -> None:
        """A page as an artifact."""
        with _unharmed():
            create_markdown_artifact(text, self.key(what), description)

    def finish(self, run: Run) -> None:
        """Both rows, the letters of this run, and a summary."""
        self.done = self.steps
        self._show(states.summary(run))
        self.table("counts", conservation(run), "Both rows; each sums exactly.")
        letters = inspecting.grouped(run.ctx.store, Filter(run_id=run.ctx.run_id))
        if letters:
            self.table("dead-letters", [asdict(each) for each in letters[:MOST_ROWS]], _capped(len(letters)))
            self._tell_letters(run)
        self.markdown("summary", page(run, letters), f"{run.kind} {self.name}: {run.state}")

    def _tell_letters(self, run: Run) -> None:
        for letter in inspecting.listed(run.ctx.store, Filter(run_id=run.ctx.run_id), limit=_MOST_TOLD):
            place = f"{letter['connection']}.{letter['resource']}"
            self._logger.warning(
                f"dead letter {letter['id']}: {letter['cause']} at {place} (trace {letter['trace_id']})"
            )

    def _show(self, text: str) -> None:
        self._updated = time.monotonic()
        if self._progress is not None:
            with _unharmed():
                update_progress_artifact(self._progress, 100.0 * self.done / self.steps, text)


def conservation(run: Run) -> list[Row]:
    """Inbound and outbound as table rows: what came in, what became of it."""
    rows = ("inbound", run.counts.inbound), ("outbound", run.counts.outbound)
    return [{"row": side, "state": name, "count": n} for side, row in rows for name, n in asdict(row).items()]


def page(run: Run, letters: Sequence[inspecting.Group]) -> str:
    """The summary as Markdown."""
    told = [f"# {run.kind} {run.sync or ''}".rstrip(), "", f"**{run.state}** · run `{run.ctx.run_id}`", ""]
    told += [states.summary(run), ""]
    told += [f"* stopped: {error}" for error in run.stopped]
    if run.waiting:
        told += ["", "## Waits for a person", "", "| what | where | why | release it |", "|---|---|---|---|"]
        told += [_waiting_row(each) for each in run.waiting[:MOST_ROWS]]
    if letters:
        told += ["", "| letters | cause | where | usual fix |", "|---|---|---|---|"]
        told += [_letter_row(each) for each in letters[:MOST_ROWS]]
        told += ["", f"Each of them: `throughline dead-letters list --run {run.ctx.run_id}`"]
    if run.counts.warnings:
        told += ["", "## Warnings", ""]
        most = sorted(run.counts.warnings.items(), key=lambda item: -item[1])
        told += [f"* {times} × {what}" for what, times in most[:_MOST_TOLD]]
        told += [f"* … and {len(most) - _MOST_TOLD} other kinds"] if len(most) > _MOST_TOLD else []
    return "\n".join(told) + "\n"


def _waiting_row(question: Question) -> str:
    place = f"{question.sync} → {question.place}" if question.sync and question.connection else question.place
    return f"| {question.kind} | {place} | {waiting.because(question)} | `{waiting.command(question)}` |"


def _letter_row(group: inspecting.Group) -> str:
    field = f" `{group.field}`" if group.field else ""
    return f"| {group.letters} | {group.cause}{field} | {group.connection}.{group.resource} | {group.fix} |"


def _capped(rows: int) -> str:
    return "By cause." if rows <= MOST_ROWS else f"By cause, the {MOST_ROWS} largest of {rows} groups."


@contextmanager
def _unharmed() -> Iterator[None]:
    """The Prefect server may be away; the journey needs it not."""
    try:
        yield
    except Exception as error:  # whatever its client raises
        log.warning("a report could not be written", error=type(error).__name__)
