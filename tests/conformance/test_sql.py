"""sql, held to the kit."""

from tests.conformance.subscribing import subscribe

test_conformance = subscribe("sql")
