"""The figures of this folder, for the page of proofs: measured here and now."""

from __future__ import annotations

import tempfile
from pathlib import Path

from kernel.quota import Kind, Limit
from kernel.store import open_store, sqlite_url
from kernel.vault import Vault
from tests.quota.processes import run_paced, run_together
from tests.quota.room import saturate
from tests.quota.storms import storm

SATURATED: list[tuple[list[Limit], float]] = [
    ([Limit(25, 1.0)], 0.05),  # Stripe
    ([Limit(2, 1.0)], 0.05),  # Typeform
    ([Limit(100, 10.0)], 0.3),  # HubSpot
    ([Limit(190, 10.0), Limit(100_000, kind=Kind.DAY)], 0.3),
    ([Limit(400, 60.0)], 0.3),  # Zendesk
    ([Limit(750, 60.0, name="minute"), Limit(75, 1.0)], 0.05),  # Klaviyo
]
"""Vendors' limits, and the longest way (s) there or back."""


def figures(seeds: int = 5, processes: bool = True) -> dict[str, float]:
    """The most calls in any window as a share of the limit, the least used of it, and calls a record in storms of 429."""
    came = [saturate(limits, seed=seed, latency=way) for limits, way in SATURATED for seed in range(seeds)]
    came += [
        saturate(limits, seed=seed, latency=way, deaths=0.01) for limits, way in SATURATED for seed in range(seeds)
    ]
    over = [each.over for each in came]
    used = [each.used for each in came[: len(came) // 2]]
    if processes:
        with tempfile.TemporaryDirectory() as folder:
            over.append(run_together(_fresh(Path(folder) / "together.db")).over)
            used.append(run_paced(_fresh(Path(folder) / "paced.db")).used)  # its time is another
    storms = [storm(seed=seed, tells=tells) for seed in range(seeds) for tells in (True, False)]
    return {
        "quota_max_over_limit": round(max(over), 4),
        "quota_utilisation": round(min(used), 4),
        "calls_per_record_429": round(max(each.per_record for each in storms), 4),
    }


def _fresh(path: Path) -> str:
    open_store(sqlite_url(path), Vault([bytes(32)])).close()
    return sqlite_url(path)
