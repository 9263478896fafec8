"""What each connector costs above bare HTTP: CPU of the client's process, the same requests sent with and without it.

A simulator is read (or written) once through a recorder; then a server that only replays answers the connector, and the
bare requests, each in a process of its own. "Bare" sends the recorded requests with httpx and reads the bytes: it parses
nothing, retries nothing and counts nothing. Where the vendor takes one record a request (Stripe, webhooks) or two (Pipedrive:
looked for, then written), what stands above is the price of our side of those requests, not of a record: URL, limits, retry
and verdict, and at Stripe its SDK; and a busy machine moves such a figure by a hundred µs and more.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from rich.console import Console

from benchmarks.measuring import JobFailed
from benchmarks.replay import AGAIN, Recorder, Recording
from connectors import connector_for, open_connector
from connectors.base import Connector, WriteClass
from console.conformance.ground import Ground, grounds
from kernel.clock import SECOND
from kernel.records import WriteItem
from sandbox.practice import find_practices
from sandbox.server import find_simulators

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/performance.md"
TARGET = 60  # µs CPU a record above bare HTTP
HEAD = "## What a connector costs\n"
_ONE_BY_ONE = 10  # where each record is a request, a tenth of the records is enough
_AT_ONCE = 20  # records that fit into the shortest limit
WRITES = ("write", "bulk write")
_COLUMNS = ("connector", "records", "requests", "bare µs", "ours µs", "above", "target")


class StillClock:
    """A clock that never waits: what is measured is CPU."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        """The instant the recording was made, and what was slept since."""
        return self._at

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self._at += int(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table; µs CPU a record."""

    system: str
    job: str
    records: int
    requests: int
    bare: float
    ours: float

    def row(self) -> list[str]:
        """As the table shows it."""
        above = self.ours - self.bare
        told = [f"{self.system} {self.job}", f"{self.records:,}", f"{self.requests:,}"]
        return [*told, f"{self.bare:,.1f}", f"{self.ours:,.1f}", f"{above:,.1f}", f"≤ {TARGET}"]


def jobs() -> list[tuple[str, str]]:
    """(system, job) of every system that is reached over HTTP: read, write, and both by its bulk road."""
    found = []
    for system, practice in find_practices().items():
        if system not in find_simulators():
            continue
        main = connector_for(system).resources.get(practice.main)
        if main is not None and main.readable:
            found += [(system, "read")] + ([(system, "bulk read")] if main.bulk else [])
        if main is not None and main.write is not None:
            found += [(system, "write")] + ([(system, "bulk write")] if main.write.bulk else [])
    return found


def record(system: str, job: str, records: int, into: Path) -> None:
    """Do a job once against the simulator and keep what passed."""
    recorder = Recorder()
    with grounds(system, transport=recorder) as g:
        g.practice.paged(large=True)
        resource = g.practice.main
        if job in WRITES:
            spec = g.spec(resource)
            alone = spec.batch_size == 1 or spec.write_class is WriteClass.SEARCH_FIRST
            count = records // _ONE_BY_ONE if alone else records
        else:
            count = records
            for _ in range(0, records, 1000):
                g.make(resource, 1000)
            g.quiet(resource)
        connector = g.ready()
        settings = dict(g.practice.settings()) | (dict([g.practice.bulk]) if job == "bulk read" else {})
        connector.close()
        connector = g.open(settings)
        kept = Recording(_plain(settings), g.clock.now())
        items = _items(system, resource, count) if job in WRITES else []
        recorder.exchanges.clear()
        kept.records = _do(connector, job, resource, items)
        assert kept.records >= count, f"{system} {job}: {kept.records} of {count}"
        kept.exchanges = recorder.exchanges
    recorder.end()
    kept.save(into)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return orjson.loads(orjson.dumps(settings))  # type: ignore[no-any-return]


def _do(connector: Connector, job: str, resource: str, items: Sequence[WriteItem]) -> int:
    """The job; how many records it was of."""
    if job not in WRITES:
        return sum(len(page.records) for page in connector.read(resource, None))
    spec = connector.resources[resource].write
    assert spec is not None
    if job == "bulk write":
        assert spec.bulk is not None
        return sum(
            _write_job(connector, resource, part)
            for part in (items[at : at + spec.bulk.batch_size] for at in range(0, len(items), spec.bulk.batch_size))
        )
    done = 0
    for start in range(0, len(items), spec.batch_size):
        if start % _AT_ONCE < spec.batch_size:
            connector.http.clock.sleep(86_400)  # no limit of ours holds it back
        for outcome in connector.write(resource, items[start : start + spec.batch_size]):
            assert outcome.error is None, f"{connector.system}: {outcome.error}"
            done += 1
    return done


def _write_job(connector: Connector, resource: str, items: Sequence[WriteItem]) -> int:
    told = [outcome for step in connector.write_job(resource, items) for _, outcome in step.outcomes]
    assert all(outcome.error is None for outcome in told)
    return len(told)


def _items(system: str, resource: str, count: int) -> list[WriteItem]:
    maker = Ground.__new__(Ground)  # only its way of filling a practised item, without an account
    maker.practice = find_practices()[system].__new__(find_practices()[system])
    return [maker.item(resource, n=n) for n in range(1, count + 1)]


def measure(system: str, job: str, recording: Path, *, bare: bool) -> float:
    """µs CPU of this process for the job, in all."""
    told = Recording.load(recording)
    base = told.settings[find_practices()[system].address]
    httpx.get(base.rstrip("/") + AGAIN, trust_env=False)
    if bare:
        return _bare(base, told)
    resource = find_practices()[system].main
    connector = open_connector(connector_for(system), told.settings, connection="bench", clock=StillClock(told.at))
    items = _items(system, resource, told.records) if job in WRITES else []
    told.exchanges.clear()
    gc.collect()
    began = time.process_time()
    done = _do(connector, job, resource, items)
    spent = time.process_time() - began
    connector.close()
    assert done == told.records, f"{done} of {told.records}"
    return spent * 1e6


def _bare(base: str, told: Recording) -> float:
    split = urlsplit(base)
    origin = f"{split.scheme}://{split.netloc}"
    began = time.process_time()  # like a connector's, the client is opened in time that counts
    with httpx.Client(trust_env=False, timeout=60.0) as client:
        for one in told.exchanges:
            client.request(one.method, origin + one.path, headers=one.headers, content=one.body).read()
        return (time.process_time() - began) * 1e6


@contextmanager
def _serving(recording: Path) -> Iterator[None]:
    port = urlsplit(_base(Recording.load(recording))).port
    command = [sys.executable, "-m", "benchmarks.replay", str(recording), str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        server.stdout.readline()
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)
        server.stdout.close()


def _base(told: Recording) -> str:
    return next(value for value in told.settings.values() if str(value).startswith("http://127.0.0.1"))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def _child(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.connectors", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise JobFailed(f"{' '.join(arguments)}: {done.stderr[-1500:]}")
    return done.stdout.strip()


def cost(system: str, job: str, records: int, home: Path) -> Cost:
    """Record, replay, measure."""
    recording = home / f"{system}-{job.replace(' ', '-')}.recording"
    _child("record", system, job, str(recording), "--records", str(records))
    told = Recording.load(recording)
    with _serving(recording):
        bare, ours = (float(_child(how, system, job, str(recording))) for how in ("bare", "ours"))
    recording.unlink()
    return Cost(system, job, told.records, len(told.exchanges), bare / told.records, ours / told.records)


def run(home: Path, records: int, *, write: bool, only: str = "") -> None:
    """Measure every connector, show the table, and put it into the page."""
    console, lines = Console(width=140), []
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" + "|---:" * (len(_COLUMNS) - 1) + "|"]
    home.mkdir(parents=True, exist_ok=True)
    for system, job in jobs():
        if only in f"{system} {job}":
            try:
                row = cost(system, job, records, home).row()
            except JobFailed as error:
                console.print(str(error), highlight=False, markup=False)
                row = [f"{system} {job}", "not measured", *[""] * (len(_COLUMNS) - 2)]
            lines.append("| " + " | ".join(row) + " |")
            console.print(lines[-1], highlight=False)
    if write:
        _into_page("\n".join(lines))


def _into_page(table: str) -> None:
    before, _, rest = PAGE.read_text().partition(HEAD)
    after = rest[rest.index("\n## ") :] if "\n## " in rest else ""
    if not rest:
        before, mark, after = before.partition("## The last run")
        after = "\n" + mark + after
    told = " ".join((__doc__ or "").split("\n\n")[1].split())
    note = f"{time.strftime('%Y-%m-%d')}, `make bench ARGS=--connectors`; load {os.getloadavg()[0]:.1f}."
    PAGE.write_text(f"{before}{HEAD}\n{told}\n\n{note}\n\n{table}\n{after}")


def main() -> None:
    """One job of the benchmark, in a process of its own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("what", choices=["record", "bare", "ours"])
    parser.add_argument("system")
    parser.add_argument("job")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--records", type=int, default=0)
    options = parser.parse_args()
    if options.what == "record":
        record(options.system, options.job, options.records, options.recording)
    else:
        print(measure(options.system, options.job, options.recording, bare=options.what == "bare"))


if __name__ == "__main__":
    main()
