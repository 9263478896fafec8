"""Schema drift in figures: so many mutants of each connector's answers, and what became of each."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import REAL
from tests.drift.local import MAKERS, local_rigs
from tests.drift.mutants import KINDS
from tests.drift.rig import PAGES, Rig, judged, rigs

SYSTEMS = (*PAGES, *MAKERS)
GOOD = frozenset({"reported", "parked", "stopped", "passed", "harmless"})
"""Verdicts that keep the promise; the others are silent, lost and crashed."""

NO_END: dict[str, str] = {
    "hubspot paging gone": "HubSpot's list says nothing at its end: without `paging` a page is the last",
    "hubspot paging renamed": "likewise",
    "hubspot paging null": "likewise",
}
"""What no reader can tell from an end, with the reason (docs/explanation/guarantees.md says so)."""


def tried(
    rigs: Iterable[Rig], seed: int, how_many: int, kinds: frozenset[str] | None = None
) -> tuple[Counter[str], list[str]]:
    """Verdicts of so many mutants of each stream, and the broken promises in words."""
    verdicts: Counter[str] = Counter()
    broken: list[str] = []
    for rig in rigs:
        for mutant in rig.mutants(seed, how_many):
            if kinds is not None and mutant.kind not in kinds:
                continue
            verdict, why = judged(rig, mutant)
            if verdict == "lost" and f"{rig.system} {'.'.join(mutant.path)} {mutant.how}" in NO_END:
                verdict = "no end"
            verdicts[verdict] += 1
            if verdict not in GOOD | {"no end"}:
                broken.append(f"{rig.system} {rig.resource} {mutant} of seed {seed}: {verdict}: {why}")
    return verdicts, broken


def system_tried(system: str, seed: int, mutants: int, recorded: Path | None = None) -> tuple[Counter[str], list[str]]:
    """`mutants` of one connector: nine of ten over all its streams, the others where a list has several pages."""
    with tempfile.TemporaryDirectory(prefix="throughline-drift-") as folder:
        if system in MAKERS:
            with local_rigs(system, Path(folder)) as local:
                return tried(local, seed, -(-mutants // len(local)))
        with rigs(system, Path(folder), recorded) as found:
            verdicts, broken = tried(found, seed, -(-mutants * 9 // (10 * len(found))))
    if recorded is None and system != "typeform":  # a page of Typeform's is a thousand records
        with (
            tempfile.TemporaryDirectory(prefix="throughline-drift-") as folder,
            rigs(system, Path(folder), paged=True) as paged,
        ):
            more, worse = tried(paged, seed + 1, len(KINDS) * (mutants // (10 * len(paged))), frozenset({"paging"}))
        verdicts, broken = verdicts + more, broken + worse
    return verdicts, broken


def recordings_of(system: str) -> Path | None:
    """Where the recordings of a system are; None where there are none, or none that a list of records was made of."""
    return REAL if system not in (*MAKERS, "typeform") and (REAL / system).is_dir() else None


def figures(mutants: int = 500, seed: int = 1) -> dict[str, int]:
    """Mutants tried over simulated and, where there are some, recorded answers; how many were silent, lost or crashed."""
    total: Counter[str] = Counter()
    for system in SYSTEMS:
        total += system_tried(system, seed, mutants)[0]
        if recordings_of(system) is not None:
            total += system_tried(system, seed, mutants, REAL)[0]
    bad = {name: total[name] for name in ("silent", "lost", "crashed")}
    return {"drift_mutants": total.total(), **{f"drift_{name}": count for name, count in bad.items()}}
