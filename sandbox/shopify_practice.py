"""Practising with a Shopify shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sandbox.practice import SECRET, Practice, Written, at
from sandbox.state import Json


class ShopifyPractice(Practice):
    """Customers and products both ways, orders to read."""

    system = "shopify"
    main = "customers"
    page = 20
    volume = 1_200
    secret = "webhook_secrets"
    dated = False
    bulk = ("bulk_from", 50)
    writing = ("POST", r"graphql")
    reading = ("POST", r"graphql")
    spoils = ("partial",)
    edit: ClassVar[Mapping[str, str]] = {"customers": "firstName", "products": "title", "orders": "note"}
    written: ClassVar[Mapping[str, Written]] = {
        "customers": Written(
            {"email": "p{n}@example.com", "firstName": "Ann", "lastName": "Lee", "note": "A note", "tags": ["vip"]},
            {"firstName": "Eve"}, "note", {"email": "no-address-{n}"}, {"firstName": "x" * 256}, taken="email"),
        "products": Written(
            {"title": "Chair {n}", "handle": "chair-{n}", "vendor": "Acme", "productType": "seat", "status": "ACTIVE", "tags": ["a"]},
            {"title": "Stool"}, "productType", {"title": ""}, {}, {"status": "NO_SUCH_STATUS"}, taken="handle"),
    }  # fmt: skip

    def settings(self) -> Json:
        """A shop whose pages are small."""
        return {**super().settings(), self.secret: [SECRET, "whsec_b2xk"], "page_size": self.page}

    def jobs(self) -> int:
        """Bulk operations."""
        return len(self.sim.operations.begun)

    def lose_jobs(self) -> None:
        """As after seven days."""
        self.sim.operations.drop()

    def deny(self, resource: str) -> None:
        """A scope that was not granted."""
        held = {"orders": ("read_orders", "read_all_orders")}.get(resource, (f"write_{resource}",))
        self.sim.scopes = tuple(scope for scope in self.sim.scopes if scope not in held)

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A metafield definition with choices."""
        owner = resource.removesuffix("s").upper()
        self.sim.define(owner, "shop", "size", "single_line_text_field", ["small", "large"])
        return "metafields.shop.size", "picklist", ("small", "large")

    def key_of(self, resource: str, obj: Json) -> Any:
        """Our metafield."""
        held = (
            one["value"] for one in obj["metafields"] if (one["namespace"], one["key"]) == ("throughline", "ext_key")
        )
        return next(held, None)

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """Written names differ from read ones where Shopify nests."""
        read = {"email": "defaultEmailAddress.emailAddress", "phone": "defaultPhoneNumber.phoneNumber"}
        return at(obj, read.get(name, name))

    def archived(self, resource: str, obj: Json | None) -> bool:
        """A state of products."""
        return obj is not None and obj["status"] == "ARCHIVED"

    def fresh(self, resource: str, n: int) -> Json:
        """Customers with an address, products with a handle of their own."""
        return {"customers": {"email": f"made{n}@example.com"}, "products": {"handle": f"made-{n}"}}.get(resource, {})

    def sign(self, url: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
        """The topic travels in a header."""
        return {**super().sign(url, body, secret), "X-Shopify-Topic": "customers/update"}
