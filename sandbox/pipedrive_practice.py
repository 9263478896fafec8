"""Practising with a Pipedrive account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sandbox.practice import Practice, Written
from sandbox.state import Json

_TEXT = "x" * 256
_NOBODY = {"owner_id": "nobody-{n}-at-all"}
_COMPANY = ("organization", "organizations")


class PipedrivePractice(Practice):
    """Organizations, persons and deals both ways; products, activities, leads and users to read."""

    system = "pipedrive"
    main = "persons"
    page = 20
    credential = "api_token"
    keyed = ""
    dated = False
    whole: ClassVar[tuple[str, ...]] = ("users",)
    links: ClassVar[Mapping[str, str]] = {"organization": "org_id", "person": "person_id"}
    writing = ("POST", r"/v2/RESOURCE$")
    reading = ("GET", r"/v2/persons$")
    token_path = "/oauth/token"
    edit: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("organizations", "persons", "products", "users"), "name"),
        **dict.fromkeys(("deals", "leads"), "title"),
        "activities": "subject",
    }
    written: ClassVar[Mapping[str, Written]] = {
        "organizations": Written(
            {"name": "Company {n}", "address.value": "1 Main Street"}, {"name": "Other"}, "address.value", _NOBODY,
            {"name": _TEXT}, calls=90, alone=True),
        "persons": Written(
            {"name": "Ann Lee", "emails.0.value": "p{n}@example.com", "phones.0.value": "+12125550100"}, {"name": "Eve Lee"},
            "phones.0.value", _NOBODY, {"name": _TEXT}, parent=_COMPANY, calls=90, alone=True),
        "deals": Written(
            {"title": "Deal {n}", "value": 12.5, "currency": "EUR", "stage": "2", "expected_close_date": "2026-12-31"},
            {"value": 13}, "expected_close_date", {"value": "a-lot-of-money"}, {"title": _TEXT}, {"currency": "no-such-money" * 20},
            parent=_COMPANY, calls=90, alone=True),
    }  # fmt: skip

    def oauth(self) -> Json:
        """An OAuth app."""
        app = {"client_id": "app", "client_secret": "app-secret", "refresh_token": self.sim.refresh_token}
        return {"base_url": self.sim.base_url, "oauth_url": self.sim.base_url, **app}

    def paged(self, *, large: bool) -> None:
        """Shorter pages than were asked for."""
        self.sim.page = 500 if large else self.page

    def prepare(self, connector: Any) -> None:
        """The field that holds our key."""
        for resource in self.written:
            connector.ensure_key(resource)

    def spend(self) -> None:
        """The company's tokens of the day are used up."""
        self.sim.left = 0

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A field with choices, which go by their ids."""
        if resource in ("leads", "users"):
            return "", "", ()
        made = self.sim.define(resource, "Size", "enum", ("small", "large"))
        return f"custom_fields.{made['field_code']}", "picklist", [str(one["id"]) for one in made["options"]]

    def gone(self, resource: str, obj: Json) -> bool:
        """Deleted objects are kept for thirty days."""
        return bool(obj.get("is_deleted"))

    def archived(self, resource: str, obj: Json | None) -> bool:
        """Only deals have an archive."""
        return bool(obj and obj.get("is_archived"))

    def key_of(self, resource: str, obj: Json) -> Any:
        """Our key, in the field of that name."""
        ours = (code for code, one in self.sim.custom(resource).items() if one["field_name"] == "Throughline key")
        return obj.get("custom_fields", {}).get(next(ours, ""))

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """A field by its dotted name; a deal's stage is what the connector calls so."""
        if name == "stage":
            return obj["status"] if obj["status"] in ("won", "lost") else str(obj["stage_id"])
        return super().value(resource, obj, name)
