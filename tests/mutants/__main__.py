"""`python -m tests.mutants`: every mutant, and whether the named test noticed it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.patching import ROOT, mutated

MOST = 1200
"""Seconds a command may take; one that does not end noticed nothing."""


def caught(mutant: Mutant) -> tuple[bool, str]:
    """Whether the command failed with the mutant in place, and its last word."""
    mutated(mutant.file, mutant.edits)  # tells at once where the words are gone
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.mutants.mutated", mutant.name, *mutant.caught_by]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=MOST)
    except subprocess.TimeoutExpired:
        return False, "did not end"
    told = [line for line in done.stdout.splitlines() if line.startswith(("BAD", "FAILED", "ERROR"))]
    return done.returncode == 1 and bool(told), (told or done.stderr.splitlines() or ["nothing"])[-1]


def main() -> int:
    """Print the table; fail where one survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    asked = parser.parse_args()
    found: dict[str, bool] = {}
    for mutant in MUTANTS:
        if asked.names and mutant.name not in asked.names:
            continue
        began = time.monotonic()
        found[mutant.name], told = caught(mutant)
        how = "caught  " if found[mutant.name] else "SURVIVED"
        by = " ".join(mutant.caught_by[:3])
        line = f"{mutant.name:4} {how} {time.monotonic() - began:5.0f} s  {mutant.says}\n     by {by}: {told[:150]}"
        print(line, flush=True)  # noqa: T201
    print(f"{sum(found.values())} of {len(found)} caught")  # noqa: T201
    if asked.json:
        asked.json.write_text(json.dumps({"mutants": len(found), "caught": sum(found.values()), "each": found}) + "\n")
    return int(not all(found.values()))


if __name__ == "__main__":
    sys.exit(main())
