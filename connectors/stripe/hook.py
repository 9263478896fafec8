"""Opening Stripe's webhooks: `Stripe-Signature: t=…,v1=hex[,v1=…]`, HMAC-SHA256 of "t.body" with the whole secret."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from connectors.stripe.resources import BY_OBJECT
from connectors.webhook import matches_any, require, require_fresh, signature_hex
from kernel.errors import Park
from kernel.records import Delivered, WebhookRequest


def opened(request: WebhookRequest, secrets: Sequence[str]) -> Delivered:
    """Hints of a verified event (v1 snapshot or v2 thin); an event about a type we do not read holds none."""
    pairs = [part.strip().partition("=") for part in request.headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in pairs if name == "t"), "")
    given = [value for name, _, value in pairs if name == "v1"]
    require(stamp.isdecimal() and bool(given), "it has no Stripe-Signature")
    signed = stamp.encode() + b"." + request.body
    require(matches_any(given, [signature_hex(secret, signed) for secret in secrets]), "its signature does not match")
    require_fresh(int(stamp), request.received_at)
    try:
        event = orjson.loads(request.body)
        about = event.get("related_object") or event["data"]["object"]
        resource, id = BY_OBJECT.get(str(about.get("object") or about.get("type"))), about.get("id")
        key = str(event["id"])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise Park("the webhook is signed but is no Stripe event", cause="bad_payload") from None
    return Delivered(hints=[(resource, str(id))] if resource and id else [], dedupe_key=key)
