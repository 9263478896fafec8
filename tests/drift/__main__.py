"""`python -m tests.drift [mutants] [seed]`: what became of so many mutants of each connector's answers."""

from __future__ import annotations

import sys

from tests.drift.figures import SYSTEMS, recordings_of, system_tried


def main(mutants: int, seed: int) -> int:
    """One line a connector; 1 when a promise is broken."""
    worst = 0
    for system in SYSTEMS:
        for source in (None, *filter(None, [recordings_of(system)])):
            verdicts, broken = system_tried(system, seed, mutants, source)
            told = ", ".join(f"{name} {count}" for name, count in sorted(verdicts.items()))
            print(f"{system:11} {'recorded' if source else 'simulated':9} {verdicts.total():4}: {told}", flush=True)  # noqa: T201
            print("".join(f"  {line}\n" for line in broken), end="")  # noqa: T201
            worst = max(worst, int(bool(broken)))
    return worst


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in (*sys.argv[1:], *("500", "1")[len(sys.argv) - 1 :]))))
