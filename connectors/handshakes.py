"""What vendors ask of an address before they use it: each answer is given without storing anything.

`Asked` looks at a request before anything is proven and returns the vendor's answer, or None for a usual delivery.
`Greeting` looks at a proven delivery and says whether it is no more than a test of the line.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from connectors.proofs import Keyring
from connectors.webhook import matches_any, require, signature_hex
from kernel.records import WebhookRequest

Answer = tuple[int, Mapping[str, str], bytes]
Asked = Callable[[WebhookRequest, Keyring], Answer | None]
Greeting = Callable[[WebhookRequest, Any], bool]

_OK: Answer = (200, {}, b"")
_TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
_MOST = 2048
"""Characters echoed at most: Graph's validation tokens have a few hundred."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def reachable(request: WebhookRequest, keys: Keyring) -> Answer | None:
    """A GET or HEAD that only looks whether somebody is there (Mailchimp on saving, Intercom on saving)."""
    return _OK if request.method in ("GET", "HEAD") else None


def meta(request: WebhookRequest, keys: Keyring) -> Answer | None:
    """Meta: GET with hub.mode, hub.verify_token and hub.challenge; the challenge comes back when the token is ours."""
    if request.method != "GET":
        return None
    asked = _query(request)
    require(
        bool(keys.token) and matches_any([asked.get("hub.verify_token", "")], [keys.token]), "its token is not ours"
    )
    require(asked.get("hub.mode") == "subscribe", "it asks for no subscription")
    return 200, _TEXT, _echoed(asked.get("hub.challenge", ""))


def linkedin(request: WebhookRequest, keys: Keyring) -> Answer | None:
    """LinkedIn: GET with challengeCode, every two hours; its hex HMAC by the client secret goes back beside it.

    Only a UUID is answered: the same secret signs "hmacsha256=" and the body of every delivery, so that whoever had any
    text of his own signed here could forge one.
    """
    code = _query(request).get("challengeCode", "")
    if request.method != "GET" or not code:
        return None
    require(_UUID.fullmatch(code) is not None, "its challenge is no UUID")
    told = {"challengeCode": code, "challengeResponse": signature_hex(keys.secrets[0], code.encode())}
    return 200, {"content-type": "application/json"}, orjson.dumps(told)


def graph(request: WebhookRequest, keys: Keyring) -> Answer | None:
    """Microsoft Graph: POST with validationToken; it comes back decoded, as text, within ten seconds."""
    told = _query(request).get("validationToken", "")
    return (200, _TEXT, _echoed(told)) if told else None


_WOO_PING = re.compile(rb"webhook_id=[0-9]{1,20}")


def woocommerce(request: WebhookRequest, keys: Keyring) -> Answer | None:
    """WooCommerce: an unsigned form with nothing but webhook_id, on saving; it must get 200 and means nothing."""
    return _OK if request.method == "POST" and _WOO_PING.fullmatch(request.body) else None


def intercom_ping(request: WebhookRequest, told: Any) -> bool:
    """Intercom: a signed notification with the topic `ping`, on saving."""
    return isinstance(told, dict) and told.get("topic") == "ping"


def google_sync(request: WebhookRequest, told: Any) -> bool:
    """Google: the first message of a channel says `sync`."""
    return request.headers.get("x-goog-resource-state") == "sync"


def no_events(request: WebhookRequest, told: Any) -> bool:
    """Xero's intent to receive: signed, with an empty list of events. (Its mis-signed twins get their 401.)"""
    return isinstance(told, dict) and told.get("events") == []


def _query(request: WebhookRequest) -> dict[str, str]:
    try:
        split = urllib.parse.urlsplit(request.url)
        return dict(urllib.parse.parse_qsl(split.query, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


def _echoed(text: str) -> bytes:
    """A text fit to be sent back: short, printable, nothing a browser could take for more."""
    require(0 < len(text) <= _MOST and text.isprintable() and "<" not in text, "its challenge is none")
    return text.encode()
