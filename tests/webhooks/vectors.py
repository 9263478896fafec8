"""Genuine deliveries of every vendor of the table, signed here by other code than ours: `cryptography`, and the vendors' SDKs."""

from __future__ import annotations

import base64
import hashlib
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import jwt
import orjson
import stripe
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hmac import HMAC
from hubspot.utils.signature import Signature

from connectors.proofs import Keyring
from kernel.clock import SECOND
from kernel.records import WebhookRequest

NOW = 1_790_000_000
URL = "https://in.acme.example/hooks/one"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}

Sign = Callable[[str, bytes, float], WebhookRequest]
"""(secret, body, epoch seconds) → the request as it arrives at `NOW`."""


def mac(secret: str | bytes, signed: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    """An HMAC by another implementation than ours."""
    made = HMAC(secret.encode() if isinstance(secret, str) else secret, algorithm or hashes.SHA256())
    made.update(signed)
    return made.finalize()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def post(headers: dict[str, str], body: bytes, url: str = URL, method: str = "POST") -> WebhookRequest:
    return WebhookRequest(method, url, headers, body, NOW * SECOND)


@dataclass(frozen=True)
class Sample:
    """One vendor: how it signs, and what its proof covers."""

    system: str
    sign: Sign
    body: bytes
    secret: str = "s3cret-of-the-connection"
    header: str = ""  # that carries the proof; '' where the body does
    covers: frozenset[str] = frozenset({"body"})  # of body, stamp, id, url, method
    stamp: str = ""  # the header with the time
    shown: int = 1  # digits of a stamped second: 1, or 1000 for ms
    keys: Callable[[str], Keyring] = field(default=lambda secret: Keyring((secret,)))
    other: str = "s3cret-of-another-one"

    def request(self, secret: str | None = None, body: bytes | None = None, at: float = NOW) -> WebhookRequest:
        return self.sign(secret or self.secret, self.body if body is None else body, at)


def _json(told: object) -> bytes:
    return orjson.dumps(told)


def _stripe(secret: str, body: bytes, at: float) -> WebhookRequest:
    header = stripe.WebhookSignature.generate_signature_header(body.decode("latin-1"), secret, int(at))
    if not body.isascii():  # the SDK signs text only
        header = f"t={int(at)},v1={mac(secret, f'{int(at)}.'.encode() + body).hex()}"
    return post({**JSON, "stripe-signature": header.replace(",v1=", ",v0=ignored,v1=")}, body)


def _standard(secret: str, body: bytes, at: float) -> WebhookRequest:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = b64(mac(key, f"msg_1.{int(at)}.".encode() + body))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{signature}"}
    return post({**JSON, **headers}, body)


_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_PUBLIC, _OTHER_PUBLIC = (f"whpk_{b64(key.public_key().public_bytes_raw())}" for key in (_PRIVATE, _OTHER))


def _standard_v1a(secret: str, body: bytes, at: float) -> WebhookRequest:
    key = {_PUBLIC: _PRIVATE, _OTHER_PUBLIC: _OTHER}[secret]
    signature = b64(key.sign(f"msg_1.{int(at)}.".encode() + body))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(at)), "webhook-signature": f"v1a,{signature}"}
    return post({**JSON, **headers}, body)


def _hubspot(secret: str, body: bytes, at: float) -> WebhookRequest:
    url, stamp = f"{URL}?q=%2Fa%20b&n=1", str(int(at * 1000))
    uri = f"{URL}?q=/a%20b&n=1"  # HubSpot decodes %2F and leaves %20
    if body.isascii():
        signature = Signature.get_signature(secret, body.decode(), "v3", uri, "POST", stamp)
    else:
        signature = b64(mac(secret, f"POST{uri}".encode() + body + stamp.encode()))
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
    return post({**JSON, **headers}, body, url)


def _zendesk(secret: str, body: bytes, at: float) -> WebhookRequest:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "x-zendesk-webhook-signature": b64(mac(secret, stamp.encode() + body)),
        "x-zendesk-webhook-signature-timestamp": stamp,
        "x-zendesk-webhook-invocation-id": "inv-1",
    }
    return post({**JSON, **headers}, body)


def _plain(
    header: str, encode: Callable[[bytes], str], prefix: str = "", sha1: bool = False, before: bytes = b""
) -> Sign:
    def sign(secret: str, body: bytes, at: float) -> WebhookRequest:
        raw = mac(secret, before + body, hashes.SHA1() if sha1 else None)  # noqa: S303 - the vendor's choice
        return post({**JSON, header: prefix + encode(raw)}, body)

    return sign


def _mailchimp(secret: str, body: bytes, at: float) -> WebhookRequest:
    return post(FORM, body, f"{URL}?secret={urllib.parse.quote(secret)}")


def _mailchimp_signed(secret: str, body: bytes, at: float) -> WebhookRequest:
    signed = mac(secret, f"{int(at)}.".encode() + body).hex()
    return post({**FORM, "x-mailchimp-signature": f"t={int(at)},v1={signed}"}, body)


def _woocommerce(secret: str, body: bytes, at: float) -> WebhookRequest:
    key = secret.replace("&amp;", "&").replace("&#039;", "'")
    headers = {
        "x-wc-webhook-signature": b64(mac(key, body)),
        "x-wc-webhook-id": "3",
        "x-wc-webhook-topic": "order.updated",
        "x-wc-webhook-delivery-id": "d1",
    }
    return post({**JSON, **headers}, body)


def _twilio(secret: str, body: bytes, at: float) -> WebhookRequest:
    told = urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    signed = URL + "".join(name + value for name, value in sorted(told))
    return post({**FORM, "x-twilio-signature": b64(mac(secret, signed.encode(), hashes.SHA1()))}, body)  # noqa: S303


def _twilio_json(secret: str, body: bytes, at: float) -> WebhookRequest:
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    return post({**JSON, "x-twilio-signature": b64(mac(secret, url.encode(), hashes.SHA1()))}, body, url)  # noqa: S303


def _klaviyo(secret: str, body: bytes, at: float) -> WebhookRequest:
    signature = mac(secret, body + str(int(at)).encode()).hex()
    return post({**JSON, "klaviyo-signature": signature, "klaviyo-timestamp": str(int(at))}, body)


def _pipedrive(secret: str, body: bytes, at: float) -> WebhookRequest:
    return post({**JSON, "authorization": f"Basic {b64(secret.encode())}"}, body)


def _freshdesk(secret: str, body: bytes, at: float) -> WebhookRequest:
    return post({**JSON, "x-throughline-secret": secret}, body)


def _graph(secret: str, body: bytes, at: float) -> WebhookRequest:
    return post(JSON, body.replace(b"CLIENT_STATE", secret.encode()))


def _calendar(secret: str, body: bytes, at: float) -> WebhookRequest:
    headers = {"channel-token": secret, "channel-id": "c1", "resource-state": "exists", "message-number": "7"}
    return post({f"x-goog-{name}": value for name, value in headers.items()}, body)


_RSA = {name: rsa.generate_private_key(65537, 2048) for name in ("google", "forger")}


def pem(name: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _RSA[name].public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def token(at: float = NOW, key: str = "google", **claims: object) -> str:
    """An OIDC token as Pub/Sub puts it on a push, by PyJWT."""
    told = {"iss": "https://accounts.google.com", "aud": URL, "email": "push@acme.example", "email_verified": True}
    times = {"iat": int(at), "exp": int(at) + 3600}
    return jwt.encode({**told, **times, **claims}, _RSA[key], algorithm="RS256", headers={"kid": "k1"})


def _gmail(secret: str, body: bytes, at: float) -> WebhookRequest:
    return post({**JSON, "authorization": f"Bearer {token(at, secret)}"}, body)


_BODY = frozenset({"body"})
_HS_EVENT = {
    "eventId": 1, "portalId": 2, "subscriptionId": 3, "subscriptionType": "contact.propertyChange", "objectId": 4,
    "propertyName": "firstname", "occurredAt": NOW * 1000, "attemptNumber": 0,
}  # fmt: skip

SAMPLES: dict[str, Sample] = {
    "stripe": Sample(
        "stripe", _stripe, _json({"id": "evt_1", "data": {"object": {"object": "customer", "id": "cus_1"}}}),
        "whsec_test", "stripe-signature", frozenset({"body", "stamp"}), other="whsec_other",
    ),
    "standard": Sample(
        "standard", _standard, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook-signature",
        frozenset({"body", "stamp", "id"}), "webhook-timestamp", other="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ),
    "standard_v1a": Sample(
        "standard", _standard_v1a, b'{"test": 1}', _PUBLIC, "webhook-signature",
        frozenset({"body", "stamp", "id"}), "webhook-timestamp", other=_OTHER_PUBLIC,
    ),
    "shopify": Sample("shopify", _plain("x-shopify-hmac-sha256", b64), _json({"id": 1}), header="x-shopify-hmac-sha256"),
    "shopify_events": Sample("shopify", _plain("shopify-hmac-sha256", b64), _json({"id": 1}), header="shopify-hmac-sha256"),
    "hubspot": Sample(
        "hubspot", _hubspot, _json([_HS_EVENT]), header="x-hubspot-signature-v3",
        covers=frozenset({"body", "stamp", "url", "method"}), stamp="x-hubspot-request-timestamp", shown=1000,
    ),
    "zendesk": Sample(
        "zendesk", _zendesk, _json({"type": "zen:event-type:user.changed", "subject": "zen:user:1"}),
        header="x-zendesk-webhook-signature", covers=frozenset({"body", "stamp"}),
        stamp="x-zendesk-webhook-signature-timestamp", shown=0,
    ),
    "intercom": Sample(
        "intercom", _plain("x-hub-signature", bytes.hex, "sha1=", True), _json({"id": "notif_1", "topic": "contact.user.created"}),
        header="x-hub-signature",
    ),
    "typeform": Sample(
        "typeform", _plain("typeform-signature", b64, "sha256="),
        _json({"event_id": "e1", "event_type": "form_response", "form_response": {"form_id": "f", "token": "t"}}),
        header="typeform-signature",
    ),
    "mailchimp": Sample(
        "mailchimp", _mailchimp, b"type=subscribe&fired_at=2026-09-21+14%3A13%3A20&data%5Bid%5D=8a&data%5Bemail%5D=a%40x.io",
        covers=frozenset({"url"}),
    ),
    "mailchimp_signed": Sample(
        "mailchimp_signed", _mailchimp_signed, b"type=profile&fired_at=2026-09-21+14%3A13%3A20&data%5Bid%5D=8a",
        header="x-mailchimp-signature", covers=frozenset({"body", "stamp"}),
    ),
    "woocommerce": Sample(
        "woocommerce", _woocommerce, _json({"id": 7, "date_modified_gmt": "2026-09-21T14:13:20"}),
        "s3cret &amp; &#039;more", "x-wc-webhook-signature",
    ),
    "meta": Sample(
        "meta", _plain("x-hub-signature-256", bytes.hex, "sha256="),
        b'{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"leadgen","value":{"leadgen_id":"77","name":"\\u00e9"}}]}]}',
        header="x-hub-signature-256",
    ),
    "linkedin": Sample(
        "linkedin", _plain("x-li-signature", bytes.hex, before=b"hmacsha256="),
        _json({"type": "LEAD_ACTION", "leadGenFormResponse": "urn:li:x:1", "leadAction": "CREATED", "occurredAt": 1}),
        header="x-li-signature",
    ),
    "xero": Sample(
        "xero", _plain("x-xero-signature", b64),
        _json({"events": [{"resourceId": "r", "tenantId": "t", "eventDateUtc": "2026-09-21T14:13:20.7"}], "firstEventSequence": 1}),
        header="x-xero-signature",
    ),
    "quickbooks": Sample(
        "quickbooks", _plain("intuit-signature", b64), _json([{"id": "ce-1", "source": "intuit", "type": "qbo.customer.updated.v1"}]),
        header="intuit-signature",
    ),
    "pipedrive": Sample(
        "pipedrive", _pipedrive, _json({"meta": {"id": "m1", "action": "change", "entity": "person", "timestamp": "2026"}, "data": {}}),
        "hook:pass-word", "authorization", frozenset(), other="hook:other",
    ),
    "freshdesk": Sample(
        "freshdesk", _freshdesk, _json({"id": 5, "event": "updated", "updated_at": "2026"}), header="x-throughline-secret",
        covers=frozenset(),
    ),
    "twilio": Sample(
        "twilio", _twilio, b"MessageSid=SM1&MessageStatus=sent&From=%2B12125550100", header="x-twilio-signature",
        covers=frozenset({"body", "url"}),
    ),
    "twilio_json": Sample(
        "twilio", _twilio_json, _json({"MessageSid": "SM1"}), header="x-twilio-signature", covers=frozenset({"body", "url"})
    ),
    "segment": Sample(
        "segment", _plain("x-signature", bytes.hex, sha1=True), _json({"messageId": "m1", "type": "track"}), header="x-signature"
    ),
    "klaviyo": Sample(
        "klaviyo", _klaviyo, _json({"data": [{"external_id": "x1", "topic": "event:klaviyo.opened_email"}]}),
        header="klaviyo-signature", covers=frozenset({"body", "stamp"}), stamp="klaviyo-timestamp",
    ),
    "microsoft_graph": Sample(
        "microsoft_graph", _graph,
        b'{"value":[{"subscriptionId":"s1","clientState":"CLIENT_STATE","resource":"me/contacts/1",'
        b'"resourceData":{"@odata.etag":"W/1"}},{"subscriptionId":"s1","clientState":"CLIENT_STATE","resource":"x"}]}',
        covers=frozenset(),
    ),
    "google_calendar": Sample("google_calendar", _calendar, b"", header="x-goog-channel-token", covers=frozenset()),
    "google_gmail": Sample(
        "google_gmail", _gmail, _json({"message": {"messageId": "9", "data": "e30="}, "subscription": "s"}), "google",
        "authorization", frozenset({"claims"}), other="forger",
        keys=lambda name: Keyring(public_keys={"k1": pem(name)}, audience=URL, email="push@acme.example"),
    ),
}  # fmt: skip
"""By name; a vendor with two ways of signing stands twice."""
