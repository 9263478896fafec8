"""web_form, held to the kit."""

from tests.conformance.subscribing import subscribe

test_conformance = subscribe("web_form")
