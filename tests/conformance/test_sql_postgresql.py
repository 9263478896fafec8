"""sql, held to the kit on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.conformance.ground import Ground, grounds
from sandbox.sql_practice import SqlPractice
from tests.conformance.subscribing import subscribe

pytestmark = pytest.mark.postgresql

test_conformance = subscribe("sql")


@pytest.fixture(scope="module")
def ground(postgres_server: str) -> Iterator[Ground]:
    """The ground, its database on the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THROUGHLINE_PRACTICE_SQL", postgres_server)
        with grounds("sql") as found:
            yield found
    SqlPractice.servers.pop(postgres_server).close()
