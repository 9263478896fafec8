"""`python -m tests.proof`: the promise, measured. Writes throughline-proof.json and the table in guarantees.md."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.proof.telling import KEYS, write_table

PROOF = ROOT / "throughline-proof.json"
ELSEWHERE = {
    "tests.quota.figures": ("quota_max_over_limit", "quota_utilisation", "calls_per_record_429"),
    "tests.canaries.figures": ("canary_hits",),
}
"""Modules with a `figures()` of their own, and the figures they measure."""
Json = dict[str, Any]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--simulation-seeds", type=int, default=200, help="a write class")
    parser.add_argument("--chaos-seeds", type=int, default=5, help="storms; five are one of each write class")
    parser.add_argument("--records", type=int, default=1000, help="a storm")
    parser.add_argument("--kills", type=int, default=8, help="a storm, at least")
    parser.add_argument("--start", type=int, default=0, help="the first seed of both")
    parser.add_argument("--without", default="", help="leave out: simulation,chaos,webhooks,mutants (comma-separated)")
    parser.add_argument("--keep", action="store_true", help="what is left out stands as the last proof measured it")
    parser.add_argument("--no-table", action="store_true", help="leave guarantees.md as it is")
    return parser.parse_args()


class Proof:
    """The figures while they are gathered."""

    def __init__(self, asked: argparse.Namespace) -> None:
        """Nothing is measured yet."""
        self.asked, self.without = asked, set(asked.without.split(","))
        self.parts: dict[str, Json] = {}
        self.missing: dict[str, str] = {}
        self.failed: list[str] = []

    def gather(self) -> Json:
        """Run everything; the content of the proof file."""
        began = time.monotonic()
        asked = self.asked
        if asked.keep and PROOF.exists():
            self.parts = {
                name: part for name, part in json.loads(PROOF.read_text())["parts"].items() if name in self.without
            }
        seeds, start = str(asked.simulation_seeds), str(asked.start)
        self._run(
            "simulation", "tests.simulation", "--mode", "all", "--seeds", seeds, "--start", start, "--every-point"
        )
        storms = ("--seeds", str(asked.chaos_seeds), "--start", start, "--records", str(asked.records))
        self._run("chaos", "tests.chaos", *storms, "--kills", str(asked.kills))
        self._run("mutants", "tests.mutants")
        self._ask(
            "webhooks", "tests.webhooks.tampering", ("webhook_cases", "false_accepts", "false_rejects", "uncaught")
        )
        for module, names in ELSEWHERE.items():
            self._ask(module.split(".")[1], module, names)
        figures = {name: self._figure(name) for name in KEYS}
        kept = {"kept": sorted(self.without & set(self.parts))}
        rest = {"not_measured": self.missing, **kept, "parts": self.parts}
        return {**figures, **_surroundings(time.monotonic() - began), **rest}

    def _run(self, part: str, module: str, *arguments: str) -> None:
        """A program of its own, its figures by --json."""
        if part in self.without:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "figures.json"
            environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", module, *arguments, "--json", str(file)]
            print(f"── {part}: {' '.join(command[1:-2])}", flush=True)  # noqa: T201
            if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
                self.failed.append(part)
            if file.exists():
                self.parts[part] = json.loads(file.read_text())

    def _ask(self, part: str, module: str, names: tuple[str, ...]) -> None:
        """A module's `figures()`; where there is none, the figures are not measured, which is not the same as none."""
        if part in self.without:
            return
        try:
            told = importlib.import_module(module).figures()
        except ModuleNotFoundError as error:
            self.missing |= dict.fromkeys(names, f"{error.name} is not there")
            return
        found: Mapping[str, Any] = told if isinstance(told, Mapping) else told.as_json()
        self.parts[part] = dict(found)

    def _figure(self, name: str) -> Any:
        simulated, real = self.parts.get("simulation", {}), self.parts.get("chaos", {})
        if name in ("seeds", "faults", "faults_after_apply", "lost", "doubled", "stale", "stuck"):
            told = [part[name] for part in (simulated, real) if name in part]
            return self._or_missing(name, sum(told) if told else None)
        places = {
            "kills": (real, "kills"),
            "crash_points_hit": (simulated, "crash_points_hit"),
            "crash_points_total": (simulated, "crash_points"),
            "mutants_caught": (self.parts.get("mutants", {}), "caught"),
            "mutants_total": (self.parts.get("mutants", {}), "mutants"),
        }
        part, key = places.get(name, ({}, name))
        found = part.get(key)
        if found is None:
            found = next((each[name] for each in self.parts.values() if name in each), None)
        return self._or_missing(name, found)

    def _or_missing(self, name: str, found: Any) -> Any:
        if found is None:
            self.missing.setdefault(name, "left out of this run" if self.without - {""} else "its part gave no figure")
        return found


def _surroundings(seconds: float) -> Json:
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}; load {os.getloadavg()[0]:.1f}",
        "versions": {
            "throughline": version("throughline"),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "sqlalchemy": version("sqlalchemy"),
        },
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
    }


def main() -> int:
    """Measure, write, and say by the exit code whether every part was well."""
    asked = _arguments()
    proof = Proof(asked)
    figures = proof.gather()
    PROOF.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if not asked.no_table:
        write_table(figures)
    print(json.dumps({name: figures[name] for name in KEYS}, indent=2))  # noqa: T201
    for name, why in figures["not_measured"].items():
        print(f"not measured: {name} ({why})")  # noqa: T201
    for part in proof.failed:
        print(f"FAILED: {part}")  # noqa: T201
    return int(bool(proof.failed))


if __name__ == "__main__":
    sys.exit(main())
