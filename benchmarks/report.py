"""The benchmark's result as a table on screen and as docs/explanation/performance.md."""

from __future__ import annotations

import os
import platform
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Measured

JOBS = {
    "read": "(a) read → hub, cold",
    "reread": "(b) read again, nothing changed",
    "push": "(c) plan + push hub → API",
    "changed": "(d) 1 % changed: read, plan, push",
}
TARGETS = {"read": 200, "reread": 60, "push": 150}
ENGINES = ("throughline", "dlt")
_COLUMNS = ("job", "engine", "records", "CPU µs/record", "target", "wall s", "records/s", "peak MB", "dlt CPU ÷ ours")


@dataclass(slots=True)
class Result:
    """One engine's runs of one job."""

    engine: str
    job: str
    records: int
    runs: list[Measured] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU a record in µs, the interpreter's start included; the median of the runs."""
        return median(run.cpu_s for run in self.runs) / self.records * 1e6

    @property
    def wall_s(self) -> float:
        """Seconds; the median of the runs."""
        return median(run.wall_s for run in self.runs)

    @property
    def peak_mb(self) -> float:
        """The greatest of all runs."""
        return max(run.peak_mb for run in self.runs)


@dataclass(slots=True)
class Report:
    """All results of one benchmark."""

    records: int
    rounds: int
    results: dict[tuple[str, str], Result] = field(default_factory=dict)  # (engine, job)
    bytes_per_record: dict[str, float] = field(default_factory=dict)  # "throughline after read" -> bytes
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, engine: str, job: str, records: int, run: Measured) -> None:
        """Note one run of one job."""
        self.results.setdefault((engine, job), Result(engine, job, records)).runs.append(run)

    def ratio(self, job: str) -> float | None:
        """dlt's CPU over ours."""
        ours, theirs = (self.results.get((engine, job)) for engine in ENGINES)
        return theirs.cpu_us / ours.cpu_us if ours and theirs else None

    def rows(self) -> list[tuple[str, ...]]:
        """One row a job and engine, as text."""
        return [
            self._row(self.results[engine, job]) for job in JOBS for engine in ENGINES if (engine, job) in self.results
        ]

    def _row(self, result: Result) -> tuple[str, ...]:
        ours = result.engine == ENGINES[0]
        ratio = self.ratio(result.job) if ours else None
        return (
            JOBS[result.job],
            result.engine,
            f"{result.records:,}",
            f"{result.cpu_us:,.0f}",
            f"≤ {TARGETS[result.job]}" if ours and result.job in TARGETS else "",
            f"{result.wall_s:.1f}",
            f"{result.records / result.wall_s:,.0f}",
            f"{result.peak_mb:,.0f}",
            f"{ratio:.2f}" if ratio else "",
        )

    def show(self, console: Console) -> None:
        """The table on screen."""
        table = Table(title=f"{self.records:,} contacts, {machine()}", title_justify="left")
        for place, name in enumerate(_COLUMNS):
            table.add_column(name, justify="left" if place < 2 else "right")
        for row in self.rows():
            table.add_row(*row)
        console.print(table)
        for name, size in self.bytes_per_record.items():
            console.print(f"{name}: {size:,.0f} bytes on disk a record")

    def as_json(self) -> dict[str, Any]:
        """Every figure, for machines."""
        return {
            "at": self.at.isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": versions(),
            "records": self.records,
            "bytes_per_record": self.bytes_per_record,
            "jobs": [
                {
                    "engine": result.engine,
                    "job": result.job,
                    "records": result.records,
                    "cpu_s": [run.cpu_s for run in result.runs],
                    "wall_s": [run.wall_s for run in result.runs],
                    "peak_mb": [run.peak_mb for run in result.runs],
                    "load": [run.load for run in result.runs],
                }
                for result in self.results.values()
            ],
        }

    def markdown(self, told: str, memory: str) -> str:
        """The page. `told`: what was measured, in words; `memory`: the last memory check, as it stands in the page."""
        line = "| " + " | ".join(_COLUMNS) + " |"
        rule = "|" + "|".join("---" if place < 2 else "---:" for place in range(len(_COLUMNS))) + "|"
        body = "\n".join("| " + " | ".join(row) + " |" for row in self.rows())
        sizes = "\n".join(f"* {name}: {size:,.0f} bytes a record" for name, size in self.bytes_per_record.items())
        loads = [run.load for result in self.results.values() for run in result.runs]
        facts = (
            f"{self.at:%Y-%m-%d}, {machine()}; load {min(loads):.1f} to {max(loads):.1f}; {self.rounds} round(s), medians. "
            f"{', '.join(f'{name} {number}' for name, number in versions().items())}."
        )
        return f"{told}\n## The last run\n\n{facts}\n\n{line}\n{rule}\n{body}\n\nOn disk:\n\n{sizes}\n\n{memory}"


def machine() -> str:
    """Processor, cores, memory."""
    cpu = next(
        (text.partition(":")[2].strip() for text in _lines("/proc/cpuinfo") if text.startswith("model name")), ""
    )
    memory = next((int(text.split()[1]) for text in _lines("/proc/meminfo") if text.startswith("MemTotal")), 0)
    return f"{os.cpu_count()} cores {cpu or platform.machine()}, {memory / 2**20:.0f} GiB"


def versions() -> dict[str, str]:
    """What was measured with."""
    return {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version, "SQLAlchemy": version("sqlalchemy")}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
