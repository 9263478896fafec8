"""Every place where a process can die, read from the engine's own source: a new one cannot be forgotten."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ("journey", "kernel", "dead_letter")
OURS = (
    "read.page",
    "find.asked",
    "send.leaving",
    "send.waiting",
    "send.applied",
    "job.asked",
    "job.uploaded",
    "job.closed",
)
"""Around requests, in the simulation's connectors."""
APART = {
    "activate": "a steward's step, before any run",
    "prune": "housekeeping, tested by itself",
    "seed": "a person's wish",
    "approval": "a person's decision, killed in tests/journey/test_gates.py",
    "pause": "the same",
    "resume": "the same",
    "gates.close": "killed in tests/journey/test_gates.py, where plans are held",
    "shrinking": "killed in tests/journey/test_sweeping.py, where reads are complete",
    "swept": "the same",
    "credential.write": "killed in tests/connectors/test_oauth.py, where tokens rotate",
    "warehouse.read": "the warehouse is a file: killed in tests/journey/test_warehouse.py",
    "warehouse.loaded": "the same",
    "warehouse.built": "the same",
    "warehouse.replaced": "the same",
}
"""Points that no worker of the simulation passes, and who kills there instead."""


def _points() -> list[str]:
    found: set[str] = set(OURS)
    for path in sorted(file for room in ENGINE for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            last = node.args[-1]
            if not (isinstance(last, ast.Constant) and isinstance(last.value, str)):
                continue
            if name in ("write", "transact") and last.value not in APART:
                found |= {f"{last.value}.before_commit", f"{last.value}.committed"}
            elif name == "failpoint" and last.value not in APART:
                found.add(last.value)
    return sorted(found)


POINTS = _points()
