"""Practising with a Typeform account."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.practice import Practice
from sandbox.state import Json


class TypeformPractice(Practice):
    """Responses are read; they never change."""

    system = "typeform"
    main = "responses"
    page = 1000
    volume = 8_000
    id = "token"
    reading = ("GET", r"/responses$")
    dated = False

    def fresh(self, resource: str, n: int) -> Json:
        """A response with an address, now."""
        return {"answers": {"email": f"made{n}@example.com", "name": f"Person {n}"}, "hidden": {"customer_id": str(n)}}

    def lag(self, seconds: float) -> None:
        """The list trails the webhooks."""
        self.sim.api_lag = seconds

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A form with one more question."""
        self.sim.make("forms", questions=[("size", "dropdown", "How many are you?")])
        return "answers.size", "picklist", ("Pricing", "A demo", "Support")

    def deny(self, resource: str) -> None:
        """The token may list forms and not read responses."""
        self.sim.faults.add(403, path="/responses$", times=None)

    def prepare(self, connector: object) -> None:
        """A form to answer."""
        self.sim.make("forms")
