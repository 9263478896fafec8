"""Practising with a Stripe account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sandbox.practice import Practice, Written
from sandbox.state import Json

_PEOPLE = {"line1": "1 High Street", "city": "London", "postal_code": "N1 9GU", "country": "GB"}


class StripePractice(Practice):
    """Customers are written; everything is read."""

    system = "stripe"
    main = "customers"
    volume = 5_000
    credential = "api_key"
    keyed = "metadata.throughline_key"
    writing = ("*", r"^/v1/customers")
    reading = ("GET", r"^/v1/customers$")
    edit: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("customers", "prices", "invoices", "charges", "subscriptions", "refunds"), "metadata"),
        "products": "name",
        "payment_intents": "status",
    }
    written: ClassVar[Mapping[str, Written]] = {
        "customers": Written(
            fields={
                "email": "p{n}@example.com",
                "name": "Ada Lovelace",
                "phone": "+442079460000",
                "metadata.tier": "gold",
            }
            | {f"address.{name}": value for name, value in _PEOPLE.items()},
            change={"name": "Ada King", "address.city": "Paris"},
            clear="phone",
            refused={"email": "no-address-{n}"},
            too_long={"metadata.tier": "x" * 501},
            alone=True,
        )
    }

    def change(self, resource: str, id: str, n: int) -> None:
        """Stripe tells of a payment intent's changes by its state only; metadata are pairs."""
        name = self.edit[resource]
        value: object = {"metadata": {"changed": str(n)}, "status": "succeeded"}.get(name, f"Changed {n}")
        self.sim.change(resource, id, **{name: value})

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """Metadata that nobody used before."""
        self.sim.make(resource, metadata={"size": "small"})
        return "metadata.size", "string", ()

    def fresh(self, resource: str, n: int) -> Json:
        """Customers with an address."""
        return {"email": f"made{n}@example.com"} if resource == "customers" else {}
