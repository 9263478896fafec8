"""Every vendor's webhooks in one table: what proves them, what tells two apart, what is asked before the first.

Three classes: an HMAC (or a signed token) proves sender and body; a shared secret proves the sender alone; where there is
neither, or the payload is thin, it is a hint and the object is read again by API. Sources: the vendors' pages, collected
in docs/reference/webhooks.md.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors import deliveries, handshakes
from connectors.deliveries import by_all, by_each, by_field, by_header, first_of, with_body
from connectors.handshakes import Answer, Asked, Greeting
from connectors.proofs import Hmac, Keyring, Proof, Shared, Twilio, standard_key, wordpress_key
from connectors.tokens import SignedToken
from connectors.webhook import payload
from kernel.errors import BadSetting, Park
from kernel.records import Delivered, WebhookRequest


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row of the table."""

    proof: Proof
    key: deliveries.Key
    asked: Asked | None = None  # before anything is proven
    greeting: Greeting | None = None  # proven, and no more than a test of the line
    body: str = "json"  # or form, none
    hint: bool = False  # says what changed, not what it is now: read it again

    @property
    def signs(self) -> bool:
        """The proof covers what is said, not only who says it."""
        return not isinstance(self.proof, Shared)


@dataclass(frozen=True, slots=True)
class Opened:
    """A proven delivery: its payload and its key; or the answer to a handshake, and nothing else."""

    told: Any = None
    dedupe_key: str = ""
    answer: Answer | None = None

    def naming(self, objects: Iterable[tuple[str | None, Any]]) -> Delivered:
        """As (resource, id) of objects to read again, each once; those without an id, or of no resource of ours, are left out."""
        hints = dict.fromkeys((resource, str(id)) for resource, id in objects if resource and id)
        return Delivered(hints=list(hints), dedupe_key=self.dedupe_key, answer=self.answer)


VENDORS: Mapping[str, Vendor] = {
    "stripe": Vendor(
        Hmac("stripe-signature", "{stamp}.{body}", listed="pairs"),  # v0 is a test scheme: never looked at
        by_field("id"),
        hint=True,
    ),
    "standard": Vendor(
        Hmac(
            "webhook-signature",
            "{id}.{stamp}.{body}",
            encoding="base64",
            listed="spaced",
            stamp="webhook-timestamp",
            id="webhook-id",
            key=standard_key,
        ),
        by_header("webhook-id"),
    ),
    "shopify": Vendor(
        Hmac("x-shopify-hmac-sha256", encoding="base64", also="shopify-hmac-sha256"),
        by_header("x-shopify-webhook-id", "shopify-webhook-id"),
        hint=True,
    ),
    "hubspot": Vendor(
        Hmac(
            "x-hubspot-signature-v3",  # v1 and v2 are plain hashes: refused
            "{method}{uri}{body}{stamp}",
            encoding="base64",
            stamp="x-hubspot-request-timestamp",
            unit="ms",
        ),
        # eventId is not promised to be unique.
        by_each(
            "hubspot", "", "eventId", "portalId", "subscriptionId", "subscriptionType", "objectId", "fromObjectId",
            "toObjectId", "occurredAt", "propertyName",
        ),
        hint=True,
    ),
    "zendesk": Vendor(
        Hmac(
            "x-zendesk-webhook-signature",
            "{stamp}{body}",
            encoding="base64",
            stamp="x-zendesk-webhook-signature-timestamp",
            unit="iso",
        ),
        first_of(by_header("x-zendesk-webhook-invocation-id"), by_field("id")),
        hint=True,
    ),
    "intercom": Vendor(
        Hmac("x-hub-signature", algorithm="sha1", prefix="sha1="),
        by_field("id"),
        asked=handshakes.reachable,
        greeting=handshakes.intercom_ping,
    ),
    "typeform": Vendor(
        Hmac("typeform-signature", encoding="base64", prefix="sha256="),
        first_of(by_field("event_id"), by_field("form_response.token")),
    ),
    "mailchimp": Vendor(  # the older webhooks: an unguessable ?secret= in the address
        Shared("query", "secret"),
        with_body(by_all("mailchimp", "type", "fired_at")),
        asked=handshakes.reachable,
        body="form",
        hint=True,
    ),
    "mailchimp_signed": Vendor(
        Hmac("x-mailchimp-signature", "{stamp}.{body}", listed="pairs"),
        with_body(by_all("mailchimp", "type", "fired_at")),
        asked=handshakes.reachable,
        body="form",
    ),
    "woocommerce": Vendor(
        Hmac("x-wc-webhook-signature", encoding="base64", key=wordpress_key),
        deliveries.woocommerce,
        asked=handshakes.woocommerce,
    ),
    "meta": Vendor(  # Facebook and Instagram lead ads
        Hmac("x-hub-signature-256", prefix="sha256="), deliveries.meta, asked=handshakes.meta, hint=True
    ),
    "linkedin": Vendor(
        Hmac("x-li-signature", "hmacsha256={body}"),
        by_all("linkedin", "leadGenFormResponse", "leadAction", "occurredAt"),
        asked=handshakes.linkedin,
        hint=True,
    ),
    "xero": Vendor(
        Hmac("x-xero-signature", encoding="base64"),
        by_each("xero", "events", "resourceId", "tenantId", "eventCategory", "eventType", "eventDateUtc"),
        greeting=handshakes.no_events,
        hint=True,
    ),
    "quickbooks": Vendor(
        Hmac("intuit-signature", encoding="base64"),
        first_of(by_each("quickbooks", "", "id", "source"), by_field("id"), deliveries.quickbooks),
        hint=True,
    ),
    "pipedrive": Vendor(
        Shared("basic"),
        by_all("pipedrive", "meta.id", "meta.correlation_id", "meta.entity", "meta.object", "meta.entity_id", "meta.action", "meta.timestamp", "meta.timestamp_micro"),
        hint=True,
    ),
    "freshdesk": Vendor(
        Shared("header", "x-throughline-secret"),  # automation rules send the headers we ask for
        with_body(by_all("freshdesk", "id", "event", "updated_at")),
        hint=True,
    ),
    "twilio": Vendor(Twilio(), deliveries.twilio, body="form"),
    "segment": Vendor(
        Hmac("x-signature", algorithm="sha1"), by_field("messageId")
    ),  # of a batch only the first event is signed: one event a request
    "klaviyo": Vendor(
        Hmac("klaviyo-signature", "{body}{stamp}", stamp="klaviyo-timestamp"), by_each("klaviyo", "data", "external_id", "topic")
    ),
    "microsoft_graph": Vendor(
        Shared("body", "value.clientState"), deliveries.graph, asked=handshakes.graph, hint=True
    ),
    "google_calendar": Vendor(
        Shared("header", "x-goog-channel-token"),
        deliveries.google_calendar,
        greeting=handshakes.google_sync,
        body="none",
        hint=True,
    ),
    "google_gmail": Vendor(
        SignedToken(("https://accounts.google.com", "accounts.google.com")), by_field("message.messageId"), hint=True
    ),
}  # fmt: skip
"""By system; `standard` is Standard Webhooks, for every sender that speaks it."""


def admit(system: str, request: WebhookRequest, keys: Keyring, now: int) -> Opened:
    """Prove and open one delivery.

    `now` is an instant. Raises Park(cause='bad_signature') when nothing proves it, Park(cause='bad_payload') when it is
    proven and cannot be read, BadSetting when we hold no key to prove it with.
    """
    vendor = VENDORS[system]
    if not _provable(vendor, keys):
        raise BadSetting(f"{system}: no webhook secret is set: nothing can be verified", field="webhook_secret")
    answer = vendor.asked(request, keys) if vendor.asked else None
    if answer is not None:
        return Opened(answer=answer)
    vendor.proof.check(request, keys, now)
    told = _told(vendor, request)
    if vendor.greeting is not None and vendor.greeting(request, told):
        return Opened(answer=(200, {}, b""))
    return Opened(told, deliveries.dedupe_key(system, vendor.key, request, told, now))


def _provable(vendor: Vendor, keys: Keyring) -> bool:
    if isinstance(vendor.proof, SignedToken):
        return bool(keys.public_keys)
    return bool(keys.secrets) and all(secret.strip() for secret in keys.secrets)  # an empty key lets anybody sign


def _told(vendor: Vendor, request: WebhookRequest) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if vendor.body == "none" or not request.body:
        return {}
    if kind.endswith("json") or (vendor.body == "json" and not kind):
        return payload(request)
    if vendor.body == "json":  # a template of the account's own making: nothing in it is for us
        return {}
    try:
        return dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise Park("the webhook's body is no form", cause="bad_payload") from None
