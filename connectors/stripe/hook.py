"""Opening Stripe's webhooks: an event, v1 snapshot or v2 thin, names the object to read again."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.stripe.resources import BY_OBJECT
from kernel.errors import Park
from kernel.records import Delivered, WebhookRequest


def opened(request: WebhookRequest, secrets: Sequence[str], now: int) -> Delivered:
    """Hints of a verified event; one about a type we do not read holds none."""
    event = admit("stripe", request, Keyring(secrets), now)
    try:
        about = event.told.get("related_object") or event.told["data"]["object"]
        resource, id = BY_OBJECT.get(str(about.get("object") or about.get("type"))), about.get("id")
        assert event.told["id"]
    except (AssertionError, KeyError, TypeError, AttributeError):
        raise Park("the webhook is signed but is no Stripe event", cause="bad_payload") from None
    return Delivered(hints=[(resource, str(id))] if resource and id else [], dedupe_key=event.dedupe_key)
