"""`python -m tests.drift [mutants] [seed]`: what became of so many mutants of each connector's answers."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import REAL
from tests.drift.figures import SYSTEMS, system_tried


def main(mutants: int, seed: int) -> int:
    """One line a connector; 1 when a promise is broken."""
    worst = 0
    for system in SYSTEMS:
        sources: list[Path | None] = [None]
        if system not in ("csv", "typeform") and (REAL / system).is_dir():
            sources.append(REAL)
        for recorded in sources:
            verdicts, broken = system_tried(system, seed, mutants, recorded)
            told = ", ".join(f"{name} {count}" for name, count in sorted(verdicts.items()))
            print(f"{system:11} {'recorded' if recorded else 'simulated':9} {verdicts.total():4}: {told}", flush=True)  # noqa: T201
            print("".join(f"  {line}\n" for line in broken), end="")  # noqa: T201
            worst = max(worst, int(bool(broken)))
    return worst


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in (*sys.argv[1:], *("500", "1")[len(sys.argv) - 1 :]))))
