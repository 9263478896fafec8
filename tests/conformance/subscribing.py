"""How a connector's tests subscribe to the whole kit in one line: `test_conformance = subscribe("hubspot")`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from console.conformance.checks import Case
from console.conformance.ground import Ground
from console.conformance.running import cases, run_case


def subscribe(system: str) -> Callable[..., None]:
    """A test of every case of a system; the simulator is started once for all of them (see `ground`)."""

    @pytest.mark.parametrize("case", cases(system), ids=str)
    def test_conformance(ground: Ground, case: Case) -> None:
        result = run_case(ground, case)
        if result.state == "not here":
            pytest.skip(result.told)
        assert result.state == "passed", result.told

    subscribed: Any = test_conformance
    subscribed.system = system
    return test_conformance
