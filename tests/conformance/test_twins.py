"""Every check bites: with its twin, a connector broken on purpose, it fails; and by its own words, not by a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from console.conformance.checks import CHECKS
from console.conformance.ground import Ground, grounds
from console.conformance.running import cases, run_case
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


UNBREAKABLE = {
    ("csv", "secret.settings"): "a folder has no secret; its settings are refused before there is a connector to break",
}
"""What a twin cannot be made of, and why."""


@pytest.mark.parametrize("system", ["csv", "sql"])
def test_every_check_that_looks_at_something_without_a_vendor_has_its_twin_there(
    ground_of: Callable[[str], Ground], system: str
) -> None:
    looked = {case.check for case in cases(system) if run_case(ground_of(system), case).state != "not here"}
    bitten = {twin.case.check for twin in TWINS if twin.case.system == system}
    assert looked - bitten == {check for name, check in UNBREAKABLE if name == system}
    assert bitten - looked == set()


@pytest.mark.parametrize(
    "twin", TWINS, ids=lambda twin: f"{twin.case.system}-{twin.case}-{twin.about}".replace(" ", "_")
)
def test_a_broken_connector_fails(ground_of: Callable[[str], Ground], twin: Twin) -> None:
    ground = ground_of(twin.case.system)
    ground.broken = twin.broken
    result = run_case(ground, twin.case)
    ground.broken = None
    assert result.state == "failed", f"a connector that {twin.about} passes"
    assert not result.told.startswith(("TypeError", "AttributeError", "KeyError", "NameError", "IndexError")), (
        result.told
    )
