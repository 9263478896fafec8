"""Zendesk's three resources side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.shapes import flag, time_of
from kernel.clock import SECOND
from kernel.records import Json, SourceRecord


@dataclass(frozen=True, slots=True)
class Kind:
    """Names and paths of one resource."""

    plural: str
    single: str
    custom: str  # where custom fields are held
    fields_path: str
    references: Mapping[str, str]  # reference name -> the field that holds the id
    targets: Mapping[str, str]  # reference name -> resource
    read_only: frozenset[str] = frozenset()
    standard: Mapping[str, str] = field(default_factory=dict)  # field -> type

    @property
    def path(self) -> str:
        """The collection's path."""
        return f"api/v2/{self.plural}"


_ALWAYS = frozenset({"id", "url", "created_at", "updated_at"})

KINDS: Mapping[str, Kind] = {
    "users": Kind(
        plural="users",
        single="user",
        custom="user_fields",
        fields_path="api/v2/user_fields.json",
        references={"organization": "organization_id"},
        targets={"organization": "organizations"},
        read_only=_ALWAYS | {"active", "shared", "last_login_at", "iana_time_zone", "role_type"},
        standard={
            **dict.fromkeys(("name", "email", "phone", "alias", "details", "notes", "external_id", "locale"), "string"),
            **dict.fromkeys(("time_zone", "signature"), "string"),
            **dict.fromkeys(("active", "verified", "suspended", "shared"), "boolean"),
            "role": "picklist",
            "tags": "json",
            "organization_id": "reference",
            **dict.fromkeys(("created_at", "updated_at", "last_login_at"), "datetime"),
        },
    ),
    "organizations": Kind(
        plural="organizations",
        single="organization",
        custom="organization_fields",
        fields_path="api/v2/organization_fields.json",
        references={},
        targets={},
        read_only=_ALWAYS | {"deleted_at"},
        standard={
            **dict.fromkeys(("name", "details", "notes", "external_id"), "string"),
            **dict.fromkeys(("shared_tickets", "shared_comments"), "boolean"),
            **dict.fromkeys(("domain_names", "tags"), "json"),
            "group_id": "reference",
            **dict.fromkeys(("created_at", "updated_at", "deleted_at"), "datetime"),
        },
    ),
    "tickets": Kind(
        plural="tickets",
        single="ticket",
        custom="custom_fields",
        fields_path="api/v2/ticket_fields.json",
        references={"requester": "requester_id", "organization": "organization_id", "assignee": "assignee_id"},
        targets={"requester": "users", "organization": "organizations", "assignee": "users"},
        read_only=_ALWAYS | {"generated_timestamp", "raw_subject", "via", "satisfaction_rating", "has_incidents"},
        standard={
            **dict.fromkeys(("subject", "description", "external_id", "recipient"), "string"),
            **dict.fromkeys(("status", "priority", "type"), "picklist"),
            **dict.fromkeys(
                ("requester_id", "submitter_id", "assignee_id", "organization_id", "group_id"), "reference"
            ),
            **dict.fromkeys(("created_at", "updated_at", "due_at"), "datetime"),
            "tags": "json",
        },
    ),
}
PICKLISTS: Mapping[str, tuple[str, ...]] = {
    "role": ("end-user", "agent", "admin"),
    "status": ("new", "open", "pending", "hold", "solved", "closed"),
    "priority": ("low", "normal", "high", "urgent"),
    "type": ("problem", "incident", "question", "task"),
}


def record_of(resource: str, raw: Json) -> SourceRecord:
    """One record, a tombstone where Zendesk marks it: status deleted, active false, deleted_at set."""
    times = [time_of(raw.get("updated_at"))]
    if isinstance(generated := raw.get("generated_timestamp"), int) and generated > 0:
        times.append(generated * SECOND)  # system changes move it and leave updated_at alone
    match resource:
        case "users":
            gone = raw.get("active") is False or flag(raw.get("permanently_deleted"))
        case "tickets":
            gone = raw.get("status") == "deleted"
        case _:
            told = raw.get("deleted_at")
            gone = bool(told) if isinstance(told, str) else flag(told)
    return SourceRecord(
        id=str(raw["id"]),
        raw=raw,
        updated_at=max((time for time in times if time is not None), default=None),
        deleted=gone,
    )
