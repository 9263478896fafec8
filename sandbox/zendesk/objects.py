"""Zendesk's objects as the API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.state import SECOND, Json

SINGLE = {"users": "user", "organizations": "organization", "tickets": "ticket"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(instant: int) -> str:
    """An instant in Zendesk's format, whole seconds."""
    return (_EPOCH + timedelta(seconds=instant // SECOND)).isoformat().replace("+00:00", "Z")


def epoch(text: str | None) -> int:
    """A timestamp as epoch seconds; 0 when there is none."""
    return int(datetime.fromisoformat(text).timestamp()) if text else 0


def new(resource: str, id: int, base_url: str, now: str, fields: Mapping[str, Any]) -> Json:
    """An object with the defaults Zendesk gives; `fields` win."""
    head: Json = {"id": id, "url": f"{base_url}/api/v2/{resource}/{id}.json", "external_id": None}
    head |= {"created_at": now, "updated_at": now, "tags": []}
    return {**head, **_DEFAULTS[resource](fields), **fields}


def _user(fields: Mapping[str, Any]) -> Json:
    nulls = ("email", "phone", "shared_phone_number", "photo", "organization_id", "alias", "last_login_at")
    more = ("two_factor_auth_enabled", "signature", "details", "notes", "role_type", "custom_role_id")
    last = ("is_billing_admin", "default_group_id", "suspension_details")
    return {
        **dict.fromkeys((*nulls, *more, *last)),
        "name": "Customer",
        "time_zone": "Europe/Berlin",
        "iana_time_zone": "Europe/Berlin",
        "locale_id": 1,
        "locale": "en-US",
        "role": "end-user",
        "active": True,
        **dict.fromkeys(("verified", "shared", "shared_agent", "moderator", "only_private_comments"), False),
        **dict.fromkeys(("suspended", "report_csv"), False),
        "restricted_agent": True,
        "ticket_restriction": "requested",
        "user_fields": {},
    }


def _organization(fields: Mapping[str, Any]) -> Json:
    return {
        **dict.fromkeys(("details", "notes", "group_id", "deleted_at")),
        "name": "Organization",
        "shared_tickets": False,
        "shared_comments": False,
        "domain_names": [],
        "organization_fields": {},
    }


def _ticket(fields: Mapping[str, Any]) -> Json:
    nulls = ("type", "priority", "recipient", "assignee_id", "organization_id", "group_id", "forum_topic_id")
    lists = ("collaborator_ids", "follower_ids", "email_cc_ids", "sharing_agreement_ids", "followup_ids")
    return {
        **dict.fromkeys((*nulls, "problem_id", "due_at", "requester_id", "submitter_id")),
        **{name: [] for name in (*lists, "custom_fields", "fields")},
        "via": {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}},
        "generated_timestamp": 0,
        "subject": None,
        "raw_subject": fields.get("subject"),
        "description": None,
        "status": "new",
        "has_incidents": False,
        "is_public": True,
        "satisfaction_rating": {"score": "unoffered"},
        "custom_status_id": 1,
        "encoded_id": "SANDB-0XBOX",
        "ticket_form_id": 1,
        "brand_id": 1,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
        "support_type": "agent",
    }


def audit(ticket: Json) -> Json:
    """What a ticket's write answers beside the ticket."""
    head: Json = {"id": 1, "ticket_id": ticket["id"], "created_at": ticket["updated_at"], "author_id": 1, "events": []}
    to = {"name": "Customer", "address": None}
    via = {"channel": "api", "source": {"from": {}, "to": to, "rel": None}}
    return {**head, "metadata": {"system": {}, "custom": {}}, "via": via}


_DEFAULTS = {"users": _user, "organizations": _organization, "tickets": _ticket}
