"""Practising with a HubSpot account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sandbox.practice import SECRET, Practice, Written
from sandbox.state import Json

_TEXT = "x" * 65_537
_COMPANY = ("company", "companies")
_PLACE = {"address": "1 Main Street", "city": "Boston", "state": "MA", "zip": "02101", "country": "United States"}
_PERSON = {"firstname": "Ann", "lastname": "Lee", "phone": "+12125550100", "lifecyclestage": "customer"}


class HubSpotPractice(Practice):
    """Every object type both ways, owners to read."""

    system = "hubspot"
    main = "contacts"
    page = 200
    page_calls = 3
    cap = 10_000
    volume = 6_000
    credential = "access_token"
    secret = "client_secret"
    rotates = False
    keyed = "properties.throughline_key"
    links: ClassVar[Mapping[str, str]] = {"owner": "hubspot_owner_id", "product": "hs_product_id"}
    writing = ("POST", r"/batch/upsert$")
    reading = ("*", r"/objects/contacts(/search)?$")
    spoils = ("partial", "wrong_length")
    token_path = "/oauth/v1/token"
    edit: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("companies", "products", "line_items"), "name"),
        "contacts": "firstname",
        "deals": "dealname",
        "tickets": "subject",
    }
    written: ClassVar[Mapping[str, Written]] = {
        "contacts": Written(
            {"email": "p{n}@example.com", **_PERSON, **_PLACE}, {"firstname": "Eve"}, "phone", {"email": "no-address-{n}"},
            {"firstname": _TEXT}, {"lifecyclestage": "no-such-stage"}, "email", adopts=True, parent=_COMPANY),
        "companies": Written(
            {"name": "Company {n}", "domain": "c{n}.example", "industry": "BANKING", **_PLACE}, {"name": "Other"}, "city",
            {"annualrevenue": "a-lot-of-money"}, {"name": _TEXT}, {"industry": "NO_SUCH_INDUSTRY"}),
        "deals": Written(
            {"dealname": "Deal {n}", "amount": "12.50", "deal_currency_code": "EUR", "dealstage": "closedwon"}, {"amount": "13.00"},
            "amount", {"amount": "a-lot-of-money"}, {"dealname": _TEXT}, {"dealstage": "no-such-stage"}, parent=_COMPANY),
        "tickets": Written(
            {"subject": "Ticket {n}", "content": "It broke", "hs_pipeline_stage": "2", "hs_ticket_priority": "HIGH"},
            {"subject": "Other"}, "content", {"closed_date": "not-a-moment"}, {"subject": _TEXT},
            {"hs_ticket_priority": "NO_SUCH_PRIORITY"}, parent=("contact", "contacts")),
        "products": Written(
            {"name": "Product {n}", "hs_sku": "S-{n}", "price": "9.90"}, {"price": "8.90"}, "hs_sku",
            {"price": "a-lot-of-money"}, {"name": _TEXT}, {"hs_product_type": "no-such-type"}),
        "line_items": Written(
            {"name": "Line {n}", "quantity": "2"}, {"quantity": "3"}, "quantity", {"quantity": "a-lot-of-it"}, {"name": _TEXT},
            parent=("deal", "deals")),
    }  # fmt: skip

    def settings(self) -> Json:
        """A private app."""
        return {**super().settings(), "client_secret": SECRET}

    def oauth(self) -> Json:
        """An OAuth app."""
        app = {"client_id": "app", "client_secret": SECRET, "refresh_token": self.sim.refresh_token}
        return {"base_url": self.sim.base_url, **app}

    def prepare(self, connector: Any) -> None:
        """Our unique property on every object type."""
        for resource in self.written:
            connector.ensure_key(resource)

    def deny(self, resource: str) -> None:
        """A scope that was not granted."""
        self.sim.missing_scopes.add(resource)

    def spend(self) -> None:
        """A 429 that names the daily policy."""
        self.sim.faults.add("429", times=None, message="You have reached your daily limit.")

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A drop-down property."""
        if resource == "owners":
            return "", "", ()
        options = [{"value": one, "label": one} for one in ("small", "large")]
        self.sim.store.add_property(resource, {"name": "size", "type": "enumeration", "options": options})
        return "size", "picklist", ("small", "large")

    def gone(self, resource: str, obj: Json) -> bool:
        """In the recycle bin."""
        return bool(obj["archived"])

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """A property."""
        return obj["properties"].get(name)

    def linked(self, resource: str, id: str, reference: str) -> str | None:
        """An association, or a property."""
        if reference in self.links:
            return str((self.get(resource, id) or {})["properties"].get(self.links[reference]) or "") or None
        other = {"company": "companies"}.get(reference, f"{reference}s")
        return next(iter(self.sim.store.associated(resource, id, other)), None)
