"""Shopify's webhooks.

Facts (shopify.dev, verify deliveries): `X-Shopify-Hmac-SHA256` is base64 HMAC-SHA256 of the raw body under the app's
client secret, and a rotation may take an hour, so several secrets are accepted. `X-Shopify-Webhook-Id` is the same on
retries. The order of deliveries is not promised. The topic is a header that no signature covers: whoever replays a body
under another topic must not be believed, so that every topic, a deletion too, only says what to read again.
"""

from __future__ import annotations

from typing import Any

from connectors.shopify.documents import SHAPES
from connectors.signatures import Opened
from connectors.webhook import require
from kernel.records import Delivered, WebhookRequest

_ABOUT_AN_ORDER = frozenset({"refunds", "order_transactions", "fulfillments", "orders_edited"})
_ABOUT_A_CUSTOMER = frozenset(
    {"customers_email_marketing_consent", "customers_marketing_consent", "customer.tags_added"}
)


def delivered(request: WebhookRequest, proven: Opened, domain: str) -> Delivered:
    """What a verified webhook says."""
    sender = request.headers.get("x-shopify-shop-domain", "")
    require(not (domain and sender) or sender.lower() == domain.lower(), "it comes from another shop")
    found = Delivered(dedupe_key=proven.dedupe_key)
    if isinstance(proven.told, dict):
        _open(request.headers.get("x-shopify-topic", ""), proven.told, found)
    return found


def _open(topic: str, body: dict[str, Any], found: Delivered) -> None:
    subject, _, event = topic.partition("/")
    if topic == "customers/merge":
        _hint(found, "customers", body.get("admin_graphql_api_customer_kept_id"))
        _hint(found, "customers", body.get("admin_graphql_api_customer_deleted_id"))
    elif topic == "customers/redact":
        customer = body.get("customer")
        _hint(found, "customers", _gid("customers", customer.get("id") if isinstance(customer, dict) else None))
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
