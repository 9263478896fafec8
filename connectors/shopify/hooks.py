"""Shopify's webhooks.

Facts (shopify.dev, verify deliveries): `X-Shopify-Hmac-SHA256` is base64 HMAC-SHA256 of the raw body under the app's
client secret, and a rotation may take an hour, so several secrets are accepted. `X-Shopify-Webhook-Id` is the same on
retries. The order of deliveries is not promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import SecretStr

from connectors.shopify.documents import SHAPES
from connectors.shopify.shaping import parse_time
from connectors.webhook import matches_any, require, signature_base64
from kernel.ids import content_hash
from kernel.records import Delivered, SourceRecord, WebhookRequest

_ABOUT_AN_ORDER = frozenset({"refunds", "order_transactions", "fulfillments", "orders_edited"})
_ABOUT_A_CUSTOMER = frozenset(
    {"customers_email_marketing_consent", "customers_marketing_consent", "customer.tags_added"}
)


def delivered(request: WebhookRequest, secrets: Sequence[SecretStr], domain: str) -> Delivered:
    """What a webhook says, its signature checked first."""
    require(bool(secrets), "no webhook secret is set")
    expected = [signature_base64(secret.get_secret_value(), request.body) for secret in secrets]
    require(matches_any([request.headers.get("x-shopify-hmac-sha256", "")], expected), "the signature does not match")
    sender = request.headers.get("x-shopify-shop-domain", "")
    require(not (domain and sender) or sender.lower() == domain.lower(), "it comes from another shop")
    topic = request.headers.get("x-shopify-topic", "")
    dedupe = request.headers.get("x-shopify-webhook-id") or content_hash(
        [topic, request.body.decode("utf-8", "replace")]
    )
    found = Delivered(dedupe_key=dedupe)
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        return found
    if isinstance(body, dict):
        _open(topic, body, request.headers, found)
    return found


def _open(topic: str, body: dict[str, Any], headers: Any, found: Delivered) -> None:
    subject, _, event = topic.partition("/")
    when = parse_time(headers.get("x-shopify-triggered-at"))
    if topic == "customers/merge":
        _hint(found, "customers", body.get("admin_graphql_api_customer_kept_id"))
        _gone(found, "customers", body.get("admin_graphql_api_customer_deleted_id"), when)
    elif topic == "customers/redact":
        _gone(found, "customers", _gid("customers", (body.get("customer") or {}).get("id")), when)
    elif subject in SHAPES and event == "delete":
        _gone(found, subject, _gid(subject, body.get("id")), when)
    elif subject in SHAPES and event != "data_request":
        _hint(found, subject, body.get("admin_graphql_api_id") or _gid(subject, body.get("id")))
    elif subject in _ABOUT_AN_ORDER:
        _hint(found, "orders", _gid("orders", body.get("order_id")))
    elif subject in _ABOUT_A_CUSTOMER:
        _hint(found, "customers", body.get("customerId") or _gid("customers", body.get("customer_id")))


def _gid(resource: str, number: Any) -> str | None:
    return f"gid://shopify/{SHAPES[resource].type}/{number}" if number else None


def _hint(found: Delivered, resource: str, gid: Any) -> None:
    if gid:
        found.hints.append((resource, str(gid)))


def _gone(found: Delivered, resource: str, gid: Any, when: int | None) -> None:
    if gid:
        found.records.append((resource, SourceRecord(str(gid), {"id": str(gid)}, updated_at=when, deleted=True)))
