"""Runs the benchmark: the vendor server, then both engines' jobs in turn, and writes what they cost."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import connectors
from benchmarks.measuring import Measured, measure
from benchmarks.report import Report

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/performance.md"
THEIR_PYTHON = ROOT / ".venv-bench/bin/python"
EVERY = 100  # one contact of so many is changed for (d)
MEMORY_SIZES = (200_000, 1_000_000)
_MEMORY_HEAD = "## Memory at a million\n"
console = Console(width=140)


class Bench:
    """One benchmark: where its data is, and what was measured so far."""

    def __init__(self, home: Path, url: str, report: Report, with_dlt: bool) -> None:
        self.home, self.url, self.report, self.with_dlt = home, url, report, with_dlt
        self.since = int(time.time() * 1000)

    def round(self, number: int) -> None:
        """Every job once by each engine, in turn, from empty databases."""
        ours, theirs = self.home / f"ours-{number}", self.home / f"dlt-{number}"
        for folder in (ours, theirs):
            folder.mkdir(parents=True)
        _our_job("prepare", ours, self.url)
        records = self.report.records
        for job in ("read", "reread", "push"):
            self._both(job, ours, theirs, records)
            self._sizes(job, ours, theirs)
        changed = ask(f"{self.url}/benchmark/touch?every={EVERY}", post=True)["changed"]
        self._both("changed", ours, theirs, changed)

    def _both(self, job: str, ours: Path, theirs: Path, records: int) -> None:
        measured = _our_job(job, ours, self.url)
        _conserved(job, json.loads(measured.output.splitlines()[-1]), records)
        self._note("throughline", job, records, measured)
        if self.with_dlt:
            self._note("dlt", job, records, self._their_job(job, theirs))

    def _their_job(self, job: str, home: Path) -> Measured:
        since_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.since / 1000))
        steps: list[tuple[str, ...]] = [("dlt_read", job)]
        if job == "push":
            steps = [("dlt_push",)]
        elif job == "changed":
            steps = [("dlt_read", job, "--since", str(self.since)), ("dlt_push", "--since", since_text)]
        runs = []
        for module, *options in steps:
            command = [
                str(THEIR_PYTHON),
                "-m",
                f"benchmarks.{module}",
                *options,
                "--home",
                str(home),
                "--url",
                self.url,
            ]
            runs.append(measure(command, ROOT, _environment()))
        cpu, wall, peak = sum(r.cpu_s for r in runs), sum(r.wall_s for r in runs), max(r.peak_mb for r in runs)
        return Measured(cpu, wall, peak, runs[0].load, "")

    def _note(self, engine: str, job: str, records: int, measured: Measured) -> None:
        self.report.add(engine, job, records, measured)
        cost = (
            f"{measured.cpu_s / records * 1e6:,.0f} µs CPU a record, {measured.wall_s:.1f} s, {measured.peak_mb:.0f} MB"
        )
        console.print(f"{job:8} {engine:12} {cost}", highlight=False)

    def _sizes(self, job: str, ours: Path, theirs: Path) -> None:
        if job == "reread":
            return
        for engine, folder, files in (("throughline", ours, "throughline.db*"), ("dlt", theirs, "dlt__hub.db*")):
            size = sum(path.stat().st_size for path in folder.glob(files))
            if size:
                self.report.bytes_per_record[f"{engine} after {job}"] = size / self.report.records


def _our_job(job: str, home: Path, url: str) -> Measured:
    command = [sys.executable, "-m", "benchmarks.ours", job, "--home", str(home), "--url", url]
    return measure(command, ROOT, _environment())


def _conserved(job: str, counts: dict[str, Any], records: int) -> None:
    """A job that did not do its work is no measurement."""
    expected = {"read": "landed", "reread": "unchanged", "changed": "landed"}.get(job)
    if expected and counts["inbound"][expected] != records:
        raise SystemExit(f"{job}: {counts['inbound']} where {records} {expected} were expected")
    if job in ("push", "changed") and counts["outbound"]["applied"] != records:
        raise SystemExit(f"{job}: {counts['outbound']} where {records} applied were expected")


@contextmanager
def serving(records: int) -> Iterator[str]:
    """The vendor's address while it serves so many contacts."""
    command = [sys.executable, "-m", "benchmarks.server", "--records", str(records)]
    server = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        _wait(f"{url}/benchmark/counts")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stdout.close()


def _wait(url: str) -> None:
    for _ in range(100):
        try:
            ask(url)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the benchmark's server does not answer")


def ask(url: str, post: bool = False) -> Any:
    """The answer of the benchmark's server, parsed."""
    request = urllib.request.Request(url, method="POST" if post else "GET")  # noqa: S310  our own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "BENCHMARK_TOKEN": "not-a-secret"}


def bench(home: Path, records: int, rounds: int, with_dlt: bool, write: bool) -> None:
    """Run, show, and write the page."""
    report = Report(records, rounds)
    with serving(records) as url:
        work = Bench(home, url, report, with_dlt)
        for number in range(rounds):
            work.round(number)
    report.show(console)
    (home / "benchmark.json").write_text(json.dumps(report.as_json(), indent=1))
    if write:
        _write_page(report.markdown(_told(), _memory_part()))


def memory(home: Path, write: bool) -> None:
    """Our cold read and push at two sizes: memory must not grow with the number of records."""
    lines = ["| job | records | CPU µs/record | peak MB |", "|---|---:|---:|---:|"]
    for records in MEMORY_SIZES:
        folder = home / f"memory-{records}"
        folder.mkdir(parents=True)
        with serving(records) as url:
            _our_job("prepare", folder, url)
            for job in ("read", "push"):
                found = _our_job(job, folder, url)
                lines.append(f"| {job} | {records:,} | {found.cpu_s / records * 1e6:,.0f} | {found.peak_mb:,.0f} |")
                console.print(lines[-1], highlight=False)
        shutil.rmtree(folder)
    if write and PAGE.exists():
        page = PAGE.read_text().partition(_MEMORY_HEAD)[0]
        _write_page(
            f"{page}{_MEMORY_HEAD}\n{time.strftime('%Y-%m-%d')}, `make bench-memory`:\n\n" + "\n".join(lines) + "\n"
        )


def _told() -> str:
    """What the page says before its figures: written by people, kept."""
    return PAGE.read_text().partition("## The last run")[0].rstrip() + "\n" if PAGE.exists() else "# Performance\n"


def _memory_part() -> str:
    found = PAGE.read_text().partition(_MEMORY_HEAD) if PAGE.exists() else ("", "", "")
    return found[1] + found[2]


def _write_page(text: str) -> None:
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text.rstrip() + "\n")
    console.print(f"written to {PAGE.relative_to(ROOT)}")


def main() -> None:
    """Benchmark, or with --memory the memory check."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="only the memory check: 200,000 and 1,000,000 records")
    parser.add_argument("--connectors", action="store_true", help="only what each connector costs above bare HTTP")
    parser.add_argument("--without-dlt", action="store_true")
    parser.add_argument("--no-write", action="store_true", help="leave docs/explanation/performance.md as it is")
    parser.add_argument("--home", type=Path, default=None, help="default: THROUGHLINE_HOME/benchmark, emptied first")
    options = parser.parse_args()
    base = Path(os.environ.get("THROUGHLINE_HOME") or ROOT / ".throughline")
    home = (options.home or base / "benchmark").absolute()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with_dlt = not (options.without_dlt or options.memory or options.connectors)
    if with_dlt and not THEIR_PYTHON.exists():
        raise SystemExit("dlt has its own environment; run: make bench")
    if options.memory:
        memory(home, not options.no_write)
    elif options.connectors:
        connectors.run(home, options.records, write=not options.no_write)
    else:
        bench(home, options.records, options.rounds, with_dlt, not options.no_write)


if __name__ == "__main__":
    main()
