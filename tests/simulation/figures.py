"""Sums over many seeds, and the table that tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.points import POINTS
from tests.simulation.seeds import Outcome

COLUMNS = ("seeds", "bad", "writes", "crashes", "stalls", "faults", "after apply", "lost", "doubled", "stale", "stuck")


@dataclass
class Figures:
    """One mode's sums."""

    mode: str
    seeds: int = 0
    bad: int = 0
    writes: int = 0
    crashes: int = 0
    stalls: int = 0
    faults: int = 0
    after_apply: int = 0
    lost: int = 0
    doubled: int = 0
    stale: int = 0
    stuck: int = 0
    broken: int = 0
    repeated: int = 0
    letters: int = 0
    kinds: Counter[str] = field(default_factory=Counter)  # of faults
    struck: Counter[str] = field(default_factory=Counter)  # crash point -> crashes
    troubles: Counter[str] = field(default_factory=Counter)  # errors that ended a run

    def add(self, outcome: Outcome) -> None:
        """One seed more."""
        verdict = outcome.verdict
        self.seeds += 1
        self.bad += bool(verdict.bad)
        self.writes += outcome.writes
        self.crashes += len(outcome.crashed)
        self.stalls += outcome.stalls
        self.faults += outcome.faults.total()
        self.after_apply += outcome.after_apply
        for name in ("lost", "doubled", "stale", "stuck", "broken", "repeated"):
            setattr(self, name, getattr(self, name) + len(getattr(verdict, name)))
        self.letters += outcome.letters
        self.kinds += outcome.faults
        self.struck.update(outcome.crashed)
        self.troubles += outcome.troubles

    def row(self) -> list[Any]:
        """For the table."""
        return [
            self.seeds,
            self.bad,
            self.writes,
            self.crashes,
            self.stalls,
            self.faults,
            self.after_apply,
            self.lost,
            f"{self.doubled} (+{self.repeated} as promised)" if self.repeated else self.doubled,
            self.stale,
            self.stuck,
        ]


def not_struck(every: Iterable[Figures]) -> list[str]:
    """Crash points at which no process died."""
    struck = sum((each.struck for each in every), Counter[str]())
    return [point for point in POINTS if not struck[point]]


def table(every: list[Figures]) -> str:
    """For a person."""
    lines = [["class", *COLUMNS], *([each.mode, *map(str, each.row())] for each in every)]
    widths = [max(len(str(line[n])) for line in lines) for n in range(len(lines[0]))]
    told = ["  ".join(str(cell).rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    left = not_struck(every)
    kinds = len(sum((each.kinds for each in every), Counter[str]()))
    told.append(f"{kinds} kinds of faults; crash points hit {len(POINTS) - len(left)}/{len(POINTS)}")
    told += [f"not hit: {', '.join(left)}"] if left else []
    if broken := sum(each.broken for each in every):
        told.append(f"{broken} invariants broken")
    troubles = sum((each.troubles for each in every), Counter[str]())
    told += [f"runs ended by {name}: {times}" for name, times in troubles.most_common(8)]
    return "\n".join(told)


def as_json(every: list[Figures]) -> dict[str, Any]:
    """For the proof file."""
    names = ("seeds", "crashes", "stalls", "faults", "after_apply", "lost", "doubled", "stale", "stuck", "broken")
    sums = {name: sum(getattr(each, name) for each in every) for name in names}
    sums["faults_after_apply"] = sums.pop("after_apply")
    left = not_struck(every)
    per_class = {each.mode: {name: getattr(each, name) for name in (*names, "repeated")} for each in every}
    sums["fault_kinds"] = len(sum((each.kinds for each in every), Counter[str]()))
    return {**sums, "crash_points_hit": len(POINTS) - len(left), "crash_points": len(POINTS), "classes": per_class}
