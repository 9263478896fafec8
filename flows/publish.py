"""The publish flow: the active dictionary as a page, written to HOME/published and shown as an artifact."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

import dictionary
from flows.carrying import carry_out
from flows.reporting import Report
from journey.runs import Run
from kernel.settings import Settings


@flow(name="publish", flow_run_name="publish dictionary", persist_result=False)
def publish() -> State[Any]:
    """Render the dictionary that runs are pinned to now."""
    return carry_out("publish", "", partial(_publish, Settings.from_environment().home))


def _publish(home: Path, run: Run, report: Report) -> None:
    page = dictionary.render_markdown(run.ctx.pins.dictionary)
    folder = home / "published"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"dictionary.{run.ctx.run_id}"
    scratch.write_text(page, encoding="utf-8")
    scratch.replace(folder / "dictionary.md")  # a reader sees the old page or the new one
    report.markdown("dictionary", page, f"The dictionary, revision {run.ctx.pins.dictionary.revision}")
    report.stepped("wrote published/dictionary.md")
