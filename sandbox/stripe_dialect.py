"""Stripe's small print: bracketed form parameters, list filters, clearing by the empty string."""

from __future__ import annotations

import re
import urllib.parse

from sandbox.state import Json

FILTERS = {
    "customers": ("email",),
    "products": ("active",),
    "prices": ("product", "active"),
    "invoices": ("customer", "status", "subscription"),
    "payment_intents": ("customer",),
    "charges": ("customer", "payment_intent"),
    "subscriptions": ("customer", "status", "price"),
    "refunds": ("charge", "payment_intent"),
    "events": (),
}
EMBEDDED = 10
"""Embedded lists are cut at ten entries."""


def known(name: str, resource: str) -> bool:
    """Whether a list of this resource has such a parameter."""
    plain = name.partition("[")[0]
    always = {"limit", "starting_after", "ending_before", "created", "expand", "subscription"}
    return (
        plain in always or plain in FILTERS.get(resource, ()) or (resource == "events" and plain in ("types", "type"))
    )


def bound(name: str, value: str, obj: Json) -> bool:
    """Whether an object passes a `created[…]` filter."""
    created, limit = int(obj.get("created", 0)), int(value)
    match name:
        case "created[gte]":
            return created >= limit
        case "created[gt]":
            return created > limit
        case "created[lte]":
            return created <= limit
        case "created[lt]":
            return created < limit
        case _:
            return created == limit


def matches(kind: str, told: str) -> bool:
    """Whether an event's type is the asked one, `prefix.*` included."""
    return told.startswith(kind[:-1]) if kind.endswith("*") else told == kind


def cut(obj: Json) -> Json:
    """The object as answers show it: embedded lists end after ten entries."""
    for name in ("lines", "items"):
        part = obj.get(name)
        if isinstance(part, dict) and len(part.get("data", ())) > EMBEDDED:
            obj = {**obj, name: {**part, "data": part["data"][:EMBEDDED], "has_more": True}}
    return obj


def decoded(body: str) -> Json:
    """Form parameters with brackets as nested values."""
    params: Json = {}
    for name, value in urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=bool(body)):
        first, *rest = re.findall(r"[^\[\]]+", name)
        place = params
        for step, following in zip([first, *rest], rest, strict=False):
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ValueError(following)
        place[[first, *rest][-1]] = value
    return params


def cleared(params: Json) -> Json:
    """Parameters as field values: the empty string clears, "true"/"false" and digits keep Stripe's types."""
    out: Json = {}
    for name, value in params.items():
        if isinstance(value, dict):
            numbered = all(step.isdecimal() for step in value)
            inner = cleared(value) if name != "metadata" else {key: told or None for key, told in value.items()}
            out[name] = [inner[step] for step in sorted(inner, key=int)] if numbered and value else inner
        elif value in ("true", "false"):
            out[name] = value == "true"
        elif name in ("amount", "unit_amount", "quantity", "balance", "next_invoice_sequence"):
            out[name] = int(value)
        else:
            out[name] = value or None
    return out


def merge(obj: Json, fields: Json) -> None:
    """Set fields; nested objects are merged, a metadata key set to nothing goes away."""
    for name, value in fields.items():
        if isinstance(value, dict) and isinstance(obj.get(name), dict):
            merged = {**obj[name], **value}
            obj[name] = (
                {key: told for key, told in merged.items() if told is not None} if name == "metadata" else merged
            )
        elif name == "metadata" and isinstance(value, dict):
            obj[name] = {key: told for key, told in value.items() if told is not None}
        elif name == "address" and isinstance(value, dict):
            blank = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
            obj[name] = {**blank, **value}
        else:
            obj[name] = value
