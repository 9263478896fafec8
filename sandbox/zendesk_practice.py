"""Practising with a Zendesk account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sandbox.practice import SECRET, Practice, Written
from sandbox.state import Json
from sandbox.zendesk.objects import stamp

_ORGANIZATION = ("organization", "organizations")


class ZendeskPractice(Practice):
    """Users, organizations and tickets, both ways."""

    system = "zendesk"
    main = "users"
    page = 20
    credential = "oauth_token"
    secret = "webhook_secrets"
    keyed = "external_id"
    links: ClassVar[Mapping[str, str]] = {"organization": "organization_id", "requester": "requester_id"}
    writing = ("POST", r"^/api/v2/RESOURCE")
    reading = ("GET", r"/incremental/users/cursor")
    edit: ClassVar[Mapping[str, str]] = {"users": "name", "organizations": "name", "tickets": "subject"}
    written: ClassVar[Mapping[str, Written]] = {
        "users": Written(
            {"name": "Ann Lee", "email": "p{n}@example.com", "phone": "+12125550100", "notes": "A note"}, {"name": "Eve Lee"}, "notes",
            {"email": "no-address-{n}"}, {}, {"role": "no-such-role"}, "email", parent=_ORGANIZATION, calls=6),
        "organizations": Written(
            {"name": "Company {n}", "details": "A detail", "domain_names": ["c{n}.example"]}, {"details": "Other"}, "details",
            {"name": ""}, {}, {}, "name", calls=6),
        "tickets": Written(
            {"subject": "Ticket {n}", "description": "It broke", "priority": "high", "status": "open"}, {"subject": "Other"}, "priority",
            {"type": "no-such-type"}, {}, {"priority": "no-such-priority"}, parent=_ORGANIZATION, calls=20, alone=True),
    }  # fmt: skip

    def settings(self) -> Json:
        """An OAuth token."""
        return {**super().settings(), self.secret: [SECRET, "whsec_b2xk"]}

    def paged(self, *, large: bool) -> None:
        """Pages of the exports."""
        self.sim.page_size = 1000 if large else self.page

    def make(self, resource: str, n: int) -> str:
        """Made now: the simulator's own verb makes it an hour ago."""
        now = stamp(self.now())
        names = {} if resource == "tickets" else {"name": f"Made {n}"}
        return str(self.sim.make(resource, created_at=now, updated_at=now, **names)["id"])

    def deny(self, resource: str) -> None:
        """A scope that was not granted."""
        self.sim.faults.add(403, path=f"/api/v2/(incremental/)?{resource}(?!/me)", times=None)

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """A drop-down field."""
        made = self.sim.define(resource, "size", "dropdown", ["small", "large"])
        group = {"users": "user_fields", "organizations": "organization_fields"}.get(resource, "custom_fields")
        return f"{group}.{made.get('key') or made['id']}", "picklist", ("small", "large")

    def native(self, id: str) -> Any:
        """Ids are numbers."""
        return int(id)

    def gone(self, resource: str, obj: Json) -> bool:
        """Deleted objects are kept for a while."""
        return obj.get("active") is False or obj.get("status") == "deleted" or bool(obj.get("deleted_at"))

    def archived(self, resource: str, obj: Json | None) -> bool:
        """Users are suspended, tickets solved."""
        return obj is not None and (obj.get("suspended") is True or obj.get("status") == "solved")

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """A field."""
        return obj.get(name)
