"""Four real processes stay below one limit together, and use it."""

from __future__ import annotations

import pytest

from kernel.store import open_store
from kernel.vault import Vault
from tests.conftest import KEY
from tests.quota.processes import run_paced, run_together


@pytest.mark.parametrize("kill", [False, True], ids=["all live", "one is killed"])
def test_four_processes_stay_below_one_limit(database_url: str, kill: bool) -> None:
    """One of them is ten minutes ahead, one behind; each runs when the machine lets it."""
    open_store(database_url, Vault([KEY])).close()
    came = run_together(database_url, kill=kill)
    print(came)  # noqa: T201 - shown by -rP
    assert came.over <= 1.0
    assert came.refused == 0
    assert came.workers == 4


@pytest.mark.parametrize("kill", [False, True], ids=["all live", "one is killed"])
def test_four_processes_use_what_one_limit_allows(database_url: str, kill: bool) -> None:
    """Whatever else the machine is busy with; what the killed one had leased is lost for a window, and no longer."""
    open_store(database_url, Vault([KEY])).close()
    came = run_paced(database_url, kill=kill)
    print(came)  # noqa: T201 - shown by -rP
    assert came.over <= 1.0
    assert came.refused == 0
    assert came.workers == 4
    assert came.used >= 0.85
