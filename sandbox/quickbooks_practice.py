"""Practising with a QuickBooks company."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.practice import Practice, Written
from sandbox.quickbooks.shapes import REALM
from sandbox.state import Json

_PLACE = {
    "Line1": "1 Main Street",
    "City": "Boston",
    "CountrySubDivisionCode": "MA",
    "PostalCode": "02101",
    "Country": "US",
}


class QuickbooksPractice(Practice):
    """Customers are written; items and transactions are read."""

    system = "quickbooks"
    main = "customers"
    page = 20
    volume = 5_000
    id = "Id"
    credential = "access_token"
    besides: ClassVar[Mapping[str, Any]] = {"realm_id": REALM}
    writing = ("POST", r"/batch$")
    reading = ("GET", r"/query$")
    spoils = ("partial", "wrong_length")
    token_path = "/oauth2/v1/tokens/bearer"
    dated = False
    scopes = False
    edit: ClassVar[Mapping[str, str]] = {
        "customers": "CompanyName",
        "items": "Description",
        **dict.fromkeys(("invoices", "payments", "credit_memos", "refund_receipts"), "PrivateNote"),
    }
    written: ClassVar[Mapping[str, Written]] = {
        "customers": Written(
            fields={
                "DisplayName": "Ada Lovelace {n}",
                "GivenName": "Ada",
                "FamilyName": "Lovelace",
                "CompanyName": "Engines {n}",
                "PrimaryEmailAddr.Address": "p{n}@example.com",
                "PrimaryPhone.FreeFormNumber": "+12125550100",
                "PreferredDeliveryMethod": "Email",
            }
            | {f"BillAddr.{name}": value for name, value in _PLACE.items()},
            change={"GivenName": "Grace", "BillAddr.City": "Paris"},
            clear="PrimaryPhone.FreeFormNumber",
            refused={"PrimaryEmailAddr.Address": "no-address-{n}"},
            too_long={"GivenName": "x" * 101},
            unknown_choice={"PreferredDeliveryMethod": "Pigeon"},
            taken="DisplayName",
        )
    }
    size = 20

    def settings(self) -> Json:
        """The company's id besides."""
        return {**super().settings(), **self.besides, "page_size": self.size}

    def paged(self, *, large: bool) -> None:
        """Pages are as large as they are asked for."""
        self.size = 1000 if large else self.page

    def oauth(self) -> Json:
        """An app's keys and the first refresh token."""
        client, secret = self.sim.client
        told = {"client_id": client, "client_secret": secret, "refresh_token": self.sim.first_refresh}
        kept = {name: value for name, value in self.settings().items() if name != "access_token"}
        return {**kept, **told, "auth_url": self.sim.base_url}

    def key_of(self, resource: str, obj: Json) -> Any:
        """Our key stands in the Notes, among what people write there."""
        found = re.search(r"\[throughline ([\w-]+)\]", str(obj.get("Notes") or ""))
        return found[1] if found else None

    def archived(self, resource: str, obj: Json | None) -> bool:
        """Inactive."""
        return obj is not None and obj.get("Active") is False
