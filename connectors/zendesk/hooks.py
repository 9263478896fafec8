"""Zendesk's webhooks.

Facts (developer.zendesk.com, verifying webhooks): `X-Zendesk-Webhook-Signature` is base64 HMAC-SHA256 of the timestamp
followed by the raw body, which may be empty; the timestamp is ISO 8601 in `X-Zendesk-Webhook-Signature-Timestamp`. An
event names its object in `subject` ("zen:user:123"); what a trigger sends is a template of the account's own, of which
`ticket_id`, `user_id` and `organization_id` are understood.
"""

from __future__ import annotations

from typing import Any

from connectors.shapes import time_of
from connectors.signatures import Opened
from kernel.records import Delivered, SourceRecord

_RESOURCES = {"user": "users", "organization": "organizations", "ticket": "tickets"}
_GONE = ("deleted", "soft_deleted", "permanently_deleted")


def delivered(proven: Opened) -> Delivered:
    """What a verified webhook says."""
    found = Delivered(dedupe_key=proven.dedupe_key)
    if isinstance(proven.told, dict):
        _open(proven.told, found)
    return found


def _open(body: dict[str, Any], found: Delivered) -> None:
    _, _, what = str(body.get("type") or "").rpartition(":")
    noun, _, event = what.partition(".")
    subject = str(body.get("subject") or "").split(":")
    if noun in _RESOURCES and len(subject) == 3:
        if event in _GONE:
            when = time_of(body.get("time"))
            gone = SourceRecord(subject[2], {"id": subject[2]}, updated_at=when, deleted=True)
            found.records.append((_RESOURCES[noun], gone))
        else:
            found.hints.append((_RESOURCES[noun], subject[2]))
        told = body.get("event") if event == "merged" else None
        other = told.get("user") if isinstance(told, dict) else None
        if isinstance(other, dict) and other.get("id"):
            found.hints.append(("users", str(other["id"])))
        return
    for name, resource in _RESOURCES.items():
        if body.get(f"{name}_id"):
            found.hints.append((resource, str(body[f"{name}_id"])))
