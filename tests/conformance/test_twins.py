"""Every check bites: with its twin, a connector broken on purpose, it fails; and by its own words, not by a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from console.conformance.checks import CHECKS
from console.conformance.ground import Ground, grounds
from console.conformance.running import run_case
from console.conformance.twins import TWINS, Twin


@pytest.fixture(scope="module")
def ground_of() -> Iterator[Callable[[str], Ground]]:
    """The ground of each system, started when it is first asked for."""
    with ExitStack() as stack:
        found: dict[str, Ground] = {}

        def of(system: str) -> Ground:
            if system not in found:
                found[system] = stack.enter_context(grounds(system))
            return found[system]

        yield of


def test_every_check_has_its_twin() -> None:
    assert set(CHECKS) - {twin.case.check for twin in TWINS} == set()
    assert {twin.case.check for twin in TWINS} - set(CHECKS) == set()


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: f"{twin.case}-{twin.about}".replace(" ", "_"))
def test_a_broken_connector_fails(ground_of: Callable[[str], Ground], twin: Twin) -> None:
    ground = ground_of(twin.case.system)
    ground.broken = twin.broken
    result = run_case(ground, twin.case)
    ground.broken = None
    assert result.state == "failed", f"a connector that {twin.about} passes"
    assert not result.told.startswith(("TypeError", "AttributeError", "KeyError", "NameError", "IndexError")), (
        result.told
    )
