"""What tells two deliveries of one vendor apart, and what is the same delivery sent again.

A key too narrow loses events, a key too wide only costs a look: a delivery processed twice changes nothing. So ids that
a vendor does not promise to be unique never stand alone, and where there is none the body counts, for an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kernel.clock import SECOND
from kernel.ids import derived_id
from kernel.records import WebhookRequest

Key = Callable[[WebhookRequest, Any], str]
"""(request, payload) → the key; '' when the delivery holds nothing that would make one."""

_HOUR = 3600 * SECOND


def dedupe_key(system: str, key: Key, request: WebhookRequest, told: Any, now: int) -> str:
    """The key of a delivery; without one of the vendor's, its content and the hour."""
    return key(request, told) or derived_id(system, _whole(request), str(now // _HOUR))


def by_header(*names: str) -> Key:
    """The first of these headers that came."""
    return lambda request, told: next((value for name in names if (value := request.headers.get(name, ""))), "")


def by_field(*paths: str) -> Key:
    """The first of these dotted paths of the payload that holds something."""
    return lambda request, told: next((value for path in paths if (value := _at(told, path))), "")


def by_all(system: str, *paths: str) -> Key:
    """All of these dotted paths together; '' when the first holds nothing."""

    def key(request: WebhookRequest, told: Any) -> str:
        values = [_at(told, path) for path in paths]
        return derived_id(system, *values) if values[0] else ""

    return key


def by_each(system: str, listed: str, *paths: str) -> Key:
    """These paths of every entry of a list (`listed` '': the payload itself); '' when one lacks the first of them."""

    def key(request: WebhookRequest, told: Any) -> str:
        entries = _in(told, listed) if listed else told
        if not isinstance(entries, list) or not entries or not all(_at(entry, paths[0]) for entry in entries):
            return ""
        return derived_id(system, *("/".join(_at(entry, path) for path in paths) for entry in entries))

    return key


def with_body(key: Key) -> Key:
    """Another body is another delivery, where the vendor's times are of whole seconds."""

    def both(request: WebhookRequest, told: Any) -> str:
        found = key(request, told)
        return derived_id(found, _whole(request)) if found else ""

    return both


def first_of(*keys: Key) -> Key:
    """The first key that is one."""
    return lambda request, told: next((found for each in keys if (found := each(request, told))), "")


def woocommerce(request: WebhookRequest, told: Any) -> str:
    """X-WC-Webhook-Delivery-ID is the same for all deliveries of one webhook in one second: it never stands alone."""
    names = ("x-wc-webhook-id", "x-wc-webhook-topic", "x-wc-webhook-delivery-id")
    about = [request.headers.get(name, "") for name in names]
    return derived_id("woocommerce", *about, _at(told, "id"), _at(told, "date_modified_gmt"), _whole(request))


def meta(request: WebhookRequest, told: Any) -> str:
    """The lead of every change; the payload has no id of its own."""
    entries = told.get("entry") if isinstance(told, dict) else None
    changes = [change for entry in _dicts(entries) for change in _dicts(entry.get("changes"))]
    named = [f"{_at(change, 'field')}/{_at(change, 'value.leadgen_id')}" for change in changes]
    return derived_id("meta", *named) if named and not any(name.endswith("/") for name in named) else ""


def quickbooks(request: WebhookRequest, told: Any) -> str:
    """The older format: realm, entity, operation and time of every change."""
    notes = _dicts(told.get("eventNotifications")) if isinstance(told, dict) else []
    found = []
    for note in notes:
        for entity in _dicts(_in(note, "dataChangeEvent.entities")):
            found.append("/".join(_at(entity, name) for name in ("name", "id", "operation", "lastUpdated")))
            found.append(_at(note, "realmId"))
    return derived_id("quickbooks", *found) if found else ""


def graph(request: WebhookRequest, told: Any) -> str:
    """Subscription, resource and etag of every notification; one without an etag says nothing of its version."""
    entries = _dicts(told.get("value")) if isinstance(told, dict) else []
    paths = ("subscriptionId", "lifecycleEvent", "changeType", "resource", "resourceData.@odata^etag")
    if not entries or not all(_at(entry, paths[-1]) for entry in entries):
        return ""
    return derived_id("graph", *("/".join(_at(entry, path) for path in paths) for entry in entries))


def google_calendar(request: WebhookRequest, told: Any) -> str:
    """Channel and message number."""
    parts = [request.headers.get(f"x-goog-{name}", "") for name in ("channel-id", "message-number")]
    return derived_id("google_calendar", *parts) if all(parts) else ""


def twilio(request: WebhookRequest, told: Any) -> str:
    """Message or call and its status: one id sends several callbacks."""
    names = ("MessageSid", "CallSid", "MessageStatus", "CallStatus", "SequenceNumber", "RecordingSid")
    values = [_at(told, name) for name in names]
    return derived_id("twilio", *values) if values[0] or values[1] else ""


def _whole(request: WebhookRequest) -> str:
    return derived_id("body", request.method, request.url, request.body.hex())


def _at(told: Any, path: str) -> str:
    """What stands at a dotted path as text; '' when nothing does. `^` stands for a dot within a name."""
    found = _in(told, path)
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def _in(told: Any, path: str) -> Any:
    for step in path.split("."):
        told = told.get(step.replace("^", ".")) if isinstance(told, Mapping) else None
    return told


def _dicts(told: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
