"""The ground of a module's system: one simulator for all its cases, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.conformance.ground import Ground, grounds


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """The ground of the system that the module subscribed."""
    with grounds(request.module.test_conformance.system) as found:
        yield found
