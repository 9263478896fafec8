"""HubSpot's webhooks: signature v3 (HMAC-SHA256, base64, five minutes both ways), then ids to read again.

The URI is signed as HubSpot decodes it: the escapes of `_DECODED` and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from connectors.hubspot.schema import RESOURCE_OF
from connectors.webhook import matches_any, require, require_fresh, signature_base64
from kernel.errors import Park
from kernel.ids import derived_id
from kernel.records import Delivered, WebhookRequest

_DECODED = {f"{ord(sign):02X}": sign for sign in ":/?@!$'()*,;"}
_ESCAPES = re.compile(f"%({'|'.join(_DECODED)})", re.IGNORECASE)


def verify(request: WebhookRequest, secret: str, now: int) -> None:
    """Raise Park(cause='bad_signature') unless the app that holds `secret` sent this, within five minutes of `now`."""
    stamp, given = (
        request.headers.get("x-hubspot-request-timestamp", ""),
        request.headers.get("x-hubspot-signature-v3", ""),
    )
    require(bool(given) and stamp.isascii() and stamp.isdigit(), "no v3 signature or timestamp")
    uri = _ESCAPES.sub(lambda found: _DECODED[found[1].upper()], request.url)
    signed = f"{request.method.upper()}{uri}".encode() + request.body + stamp.encode()
    require(matches_any([given], [signature_base64(secret, signed)]), "the v3 signature does not match")
    require_fresh(int(stamp) / 1000, request.received_at or now)


def delivered(body: bytes) -> Delivered:
    """The objects a batch of events speaks of; each is to be read again (a deleted one then shows as a tombstone)."""
    try:
        events = orjson.loads(body)
    except orjson.JSONDecodeError:
        events = None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise Park("a webhook that is no list of events", cause="bad_payload")
    hints = dict.fromkeys(hint for event in events for hint in _objects(event))
    return Delivered(hints=list(hints), dedupe_key=derived_id("hubspot", *(_identity(event) for event in events)))


def _objects(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = str(event.get("subscriptionType", "")).split(".")[0]
    if event.get("associationType"):
        ends = str(event["associationType"]).lower().split("_to_")
        named = zip(ends, (event.get("fromObjectId"), event.get("toObjectId")), strict=False)
    else:
        kind = str(event.get("objectTypeId", kind)) if kind == "object" else kind
        ids = [
            event.get("objectId"),
            event.get("newObjectId"),
            event.get("primaryObjectId"),
            *event.get("mergedObjectIds", []),
        ]
        named = zip([kind] * len(ids), ids, strict=True)
    for name, one in named:
        if name in RESOURCE_OF and one is not None:
            yield RESOURCE_OF[name], str(one)


def _identity(event: Mapping[str, Any]) -> str:
    """What tells two events apart: eventId is not promised to be unique."""
    names = (
        "subscriptionId",
        "subscriptionType",
        "objectId",
        "fromObjectId",
        "toObjectId",
        "occurredAt",
        "propertyName",
    )
    return "/".join(str(event.get(name, "")) for name in names)
