"""Practising with a WooCommerce shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.practice import Post, Practice, Written
from sandbox.state import Json


class WoocommercePractice(Practice):
    """Customers both ways; orders and products to read. Pages are as small as the connection asks."""

    system = "woocommerce"
    main = "orders"
    page = 20
    credential = "consumer_secret"
    besides: ClassVar[Mapping[str, Any]] = {"consumer_key": "ck_sandbox"}
    dated = False
    writing = ("POST", r"/v3/RESOURCE/batch$")
    reading = ("GET", r"/v3/orders$")
    spoils = ("partial", "wrong_length")
    edit: ClassVar[Mapping[str, str]] = {"customers": "first_name", "orders": "customer_note", "products": "name"}
    written: ClassVar[Mapping[str, Written]] = {
        "customers": Written(
            {"email": "made{n}@example.com", "first_name": "Ada", "last_name": "Lovelace", "billing.phone": "+12125550100"},
            {"first_name": "Grace"}, "billing.phone", {"email": "no-address-of-{n}"}, taken="email", adopts=True),
    }  # fmt: skip
    large = False

    def settings(self) -> Json:
        """Small pages, unless large ones are wanted."""
        return {**super().settings(), **self.besides, "page_size": 100 if self.large else self.page}

    def paged(self, *, large: bool) -> None:
        """The connection asks for them; the vendor gives what is asked for."""
        self.large = large

    def fresh(self, resource: str, n: int) -> Json:
        """An order of a guest with one line; a product with a price."""
        line = {
            "id": n,
            "name": "Mug &amp; saucer",
            "quantity": 2,
            "subtotal": "20.00",
            "total": "18.00",
            "sku": f"MUG-{n}",
        }
        buyer = {"first_name": "Ann", "last_name": "Lee", "email": f"guest{n}@example.com", "country": "US"}
        usual: dict[str, Json] = {
            "customers": {"first_name": "Ann", "last_name": "Lee"},
            "orders": {"line_items": [line], "total": "18.00", "billing": buyer},
            "products": {"name": f"Mug {n}", "sku": f"MUG-{n}", "price": "10.00", "regular_price": "10.00"},
        }
        return usual[resource]

    def key_of(self, resource: str, obj: Json) -> Any:
        """Our key, in the object's meta data."""
        return next((one["value"] for one in obj["meta_data"] if one["key"] == "throughline_key"), None)

    def handshake(self) -> tuple[str, Post]:
        """The ping on saving a webhook: a form, not signed."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return "POST", ("https://hub.example/hooks/x", b"webhook_id=7", headers)
