"""Canaries in figures: how many were planted, and in how many places one was seen again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.canaries.firm import Firm, by_command_line, by_prefect, firms
from tests.canaries.looking import files, hits


def found(firm: Firm) -> list[str]:
    """Every place where a canary is told: what was shown, and all files below the firm's home."""
    firm.backups()
    seen = [f"shown: {hit}" for text in firm.shown for hit in hits(text)]
    return seen + [f"{path}: {hit}" for path, hit in files([firm.home])]


def figures(seed: int = 1, people: int = 60) -> dict[str, int]:
    """`canaries` planted in credentials, headers, URLs, payloads, errors and exceptions, and `canary_hits` of them."""
    with tempfile.TemporaryDirectory(prefix="throughline-canaries-") as folder, firms(Path(folder), seed) as firm:
        firm.customers(people)
        firm.people(20)
        firm.file(30)
        by_command_line(firm)
        by_prefect(firm)
        return {"canaries": len(set(firm.canaries.planted)), "canary_hits": len(found(firm))}
