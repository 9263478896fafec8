"""Zendesk's webhooks.

Facts (developer.zendesk.com, verifying webhooks): `X-Zendesk-Webhook-Signature` is base64 HMAC-SHA256 of the timestamp
followed by the raw body, which may be empty; the timestamp is ISO 8601 in `X-Zendesk-Webhook-Signature-Timestamp`. An
event names its object in `subject` ("zen:user:123"); what a trigger sends is a template of the account's own, of which
`ticket_id`, `user_id` and `organization_id` are understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import SecretStr

from connectors.webhook import matches_any, require, require_fresh, signature_base64
from connectors.zendesk.kinds import parse_time
from kernel.clock import SECOND
from kernel.ids import content_hash
from kernel.records import Delivered, SourceRecord, WebhookRequest

_RESOURCES = {"user": "users", "organization": "organizations", "ticket": "tickets"}
_GONE = ("deleted", "soft_deleted", "permanently_deleted")


def delivered(request: WebhookRequest, secrets: Sequence[SecretStr]) -> Delivered:
    """What a webhook says, its signature and time checked first."""
    require(bool(secrets), "no webhook secret is set")
    stamp = request.headers.get("x-zendesk-webhook-signature-timestamp", "")
    signed = stamp.encode("latin-1", "replace") + request.body
    expected = [signature_base64(secret.get_secret_value(), signed) for secret in secrets]
    require(
        matches_any([request.headers.get("x-zendesk-webhook-signature", "")], expected), "the signature does not match"
    )
    when = parse_time(stamp)
    require(when is not None, "its timestamp cannot be read")
    require_fresh((when or 0) / SECOND, request.received_at)
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        body = {}
    body = body if isinstance(body, dict) else {}
    own = request.headers.get("x-zendesk-webhook-invocation-id") or body.get("id")
    found = Delivered(dedupe_key=str(own or content_hash([stamp, request.body.decode("utf-8", "replace")])))
    _open(body, found)
    return found


def _open(body: dict[str, Any], found: Delivered) -> None:
    _, _, what = str(body.get("type") or "").rpartition(":")
    noun, _, event = what.partition(".")
    subject = str(body.get("subject") or "").split(":")
    if noun in _RESOURCES and len(subject) == 3:
        if event in _GONE:
            when = parse_time(body.get("time"))
            gone = SourceRecord(subject[2], {"id": subject[2]}, updated_at=when, deleted=True)
            found.records.append((_RESOURCES[noun], gone))
        else:
            found.hints.append((_RESOURCES[noun], subject[2]))
        other = (body.get("event") or {}).get("user") if event == "merged" else None
        if isinstance(other, dict) and other.get("id"):
            found.hints.append(("users", str(other["id"])))
        return
    for name, resource in _RESOURCES.items():
        if body.get(f"{name}_id"):
            found.hints.append((resource, str(body[f"{name}_id"])))
