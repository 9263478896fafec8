"""The figures in the words of a reader, as a table between two marks of guarantees.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

PAGE = ROOT / "docs/explanation/guarantees.md"
BEGIN, END = "<!-- proof: written by make proof -->", "<!-- proof: end -->"

KEYS: Mapping[str, str] = {
    "seeds": "seeds, simulated and real",
    "kills": "real processes killed (SIGKILL)",
    "faults": "faults met",
    "faults_after_apply": "… after the vendor had applied the write",
    "lost": "records lost",
    "doubled": "records doubled (classes A to D)",
    "stale": "values stale",
    "stuck": "deliveries, letters or runs stuck",
    "crash_points_hit": "crash points hit",
    "crash_points_total": "… of",
    "webhook_cases": "webhook cases, genuine and forged",
    "false_accepts": "forged ones accepted",
    "false_rejects": "genuine ones refused",
    "uncaught": "errors not caught",
    "quota_max_over_limit": "most calls in any window, by the limit",
    "quota_utilisation": "share of the limit used",
    "calls_per_record_429": "calls a record in a storm of 429",
    "canary_hits": "secrets and personal data found where they must not be",
    "mutants_caught": "defects put in on purpose, noticed",
    "mutants_total": "… of",
}
"""Every figure of the proof file, in its order."""


def table(figures: Mapping[str, Any]) -> str:
    """The Markdown between the marks."""
    rows = [f"| {words} | {_shown(figures[name])} |" for name, words in KEYS.items()]
    told = f"{figures['date']}, {figures['machine']}; {figures['seconds']} seconds, Python {figures['versions']['python']}."
    told += f" {', '.join(kept)} as measured before." if (kept := figures.get("kept")) else ""
    return "\n".join([told, "", "| figure | measured |", "|---|---:|", *rows])


def _shown(value: Any) -> str:
    if value is None:
        return "not measured yet"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_table(figures: Mapping[str, Any], page: Path = PAGE) -> None:
    """Replace what stands between the marks."""
    text = page.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise LookupError(f"{page.name} has no marks for the table")
    page.write_text(f"{head}{begin}\n{table(figures)}\n{end}{tail}", encoding="utf-8")
