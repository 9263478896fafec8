"""`python -m tests.simulation --mode A --seeds 10000`: what became of everything, in one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

REGRESSIONS = Path(__file__).with_name("regressions.txt")
MODES = "ABCDE"
CHUNK = 20
Case = tuple[str, int, int]
"""(write class, seed, workers)"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--mode", default="all", choices=[*MODES, "all"], help="write class")
    parser.add_argument("--seeds", type=int, default=100, help="how many a mode")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2, help="at most so many in a seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--regressions", action="store_true", help="the seeds that were bad once, instead")
    parser.add_argument("--until-bad", action="store_true", help="stop at the first bad seed")
    parser.add_argument("--every-point", action="store_true", help="fail where a crash point was never hit")
    parser.add_argument("--no-record", action="store_true", help="do not keep bad seeds as regressions")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def _cases(asked: argparse.Namespace) -> list[Case]:
    modes = MODES if asked.mode == "all" else asked.mode
    if asked.regressions:
        told = [line.split() for line in REGRESSIONS.read_text().splitlines() if line and not line.startswith("#")]
        return [(mode, int(seed), int(workers)) for mode, seed, workers, *_ in told if mode in modes]
    seeds = range(asked.start, asked.start + asked.seeds)
    return [(mode, seed, asked.workers) for mode in modes for seed in seeds]


def main() -> int:
    """Run, print, and say by the exit code whether all was well."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a seed
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606 - ourselves
    from tests.simulation import figures, many  # once the hash seed is set

    asked = _arguments()
    cases = _cases(asked)
    began = time.monotonic()
    every: dict[str, figures.Figures] = {}
    chunks = [cases[start : start + CHUNK] for start in range(0, len(cases), CHUNK)]
    for outcome in many.outcomes(chunks, asked.jobs):
        every.setdefault(outcome.mode, figures.Figures(outcome.mode)).add(outcome)
        if outcome.verdict.bad:
            workers = next(case[2] for case in cases if case[:2] == (outcome.mode, outcome.seed))
            _tell(outcome, workers, keep=not (asked.no_record or asked.regressions))
            if asked.until_bad:
                break
    sums = [every[mode] for mode in sorted(every)]
    print(figures.table(sums))  # noqa: T201
    print(f"{len(cases) / max(0.001, time.monotonic() - began):.1f} seeds a second, {asked.jobs} processes")  # noqa: T201
    if asked.json:
        asked.json.write_text(json.dumps(figures.as_json(sums), indent=2) + "\n")
    return int(any(each.bad for each in sums) or (asked.every_point and bool(figures.not_struck(sums))))


def _tell(outcome: object, workers: int, keep: bool) -> None:
    mode, seed, verdict = outcome.mode, outcome.seed, outcome.verdict  # type: ignore[attr-defined]
    again = f"python -m tests.simulation --mode {mode} --start {seed} --seeds 1 --workers {workers}"
    more = f" (+{len(verdict.bad) - 2})" if len(verdict.bad) > 2 else ""
    print(f"BAD {'; '.join(verdict.bad[:2])}{more} · repeat: {again}", flush=True)  # noqa: T201
    if keep:
        with REGRESSIONS.open("a") as file:
            file.write(f"{mode} {seed} {workers}\n")


if __name__ == "__main__":
    sys.exit(main())
