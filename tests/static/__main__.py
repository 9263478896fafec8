"""`python -m tests.static [--accept]`: bandit, detect-secrets and pip-audit. A check that could not look is SKIPPED, never green."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.static.checks import BASELINE, Verdict, accepted, audited, secrets, weaknesses

ROOT = Path(__file__).resolve().parents[2]


def main(accept: bool) -> int:
    """One line a check; 1 when one failed, 0 otherwise. `accept`: what detect-secrets finds now is no secret."""
    if accept:
        (ROOT / BASELINE).write_text(accepted(ROOT), encoding="utf-8")
        print(f"{BASELINE} is as the tree now")  # noqa: T201
    results = [("bandit", weaknesses(ROOT)), ("detect-secrets", secrets(ROOT)), ("pip-audit", audited(ROOT))]
    for name, result in results:
        print(f"{name:15} {result.verdict:8} {result.why}")  # noqa: T201
        for line in result.lines:
            print(f"  {line}")  # noqa: T201
    skipped = [name for name, result in results if result.verdict is Verdict.SKIPPED]
    if skipped:
        print(f"SKIPPED, so nothing is known: {', '.join(skipped)}")  # noqa: T201
    return int(any(result.verdict is Verdict.FAILED for _, result in results))


if __name__ == "__main__":
    sys.exit(main("--accept" in sys.argv[1:]))
