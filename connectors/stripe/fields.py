"""The fields of a Stripe type, as the SDK declares them: Stripe itself has no describe call."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from types import UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin

import stripe

from kernel.records import FieldInfo

_CLASSES = {
    "customer": stripe.Customer,
    "product": stripe.Product,
    "price": stripe.Price,
    "invoice": stripe.Invoice,
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "subscription": stripe.Subscription,
    "refund": stripe.Refund,
}
_TIMES = frozenset({"created", "due_date", "start_date", "trial_start", "trial_end"})
_PLAIN = {str: "string", int: "number", float: "number", Decimal: "number", bool: "boolean"}


def declared_fields(name: str, read_only: Collection[str] | None) -> list[FieldInfo]:
    """The declared fields; `read_only` None: all are."""
    return [
        _field(field, told, read_only is None or field in read_only)
        for field, told in sorted(_CLASSES[name].__annotations__.items())
        if not field.startswith("_") and not field.isupper() and field != "deleted"
    ]


def _field(name: str, told: Any, read_only: bool) -> FieldInfo:
    parts = list(_parts(told))
    values = tuple(str(value) for part in parts if get_origin(part) is Literal for value in get_args(part))
    plain = [_PLAIN[part] for part in parts if isinstance(part, type) and part in _PLAIN]
    if values and name != "object":
        kind = "picklist"
    elif name in _TIMES or name.endswith(("_at", "_end", "_start")):
        kind = "datetime"
    elif plain:
        # an expandable field is an id or the object itself
        kind = "reference" if any(part not in (type(None), str) for part in parts) and plain == ["string"] else plain[0]
    else:
        kind = "string" if name == "object" else "json"
    return FieldInfo(name, kind, read_only=read_only, values=values if kind == "picklist" else ())


def _parts(told: Any) -> Iterator[Any]:
    """The alternatives of a declared type, without the wrappers around them."""
    if get_origin(told) in (Union, UnionType, NotRequired):
        for part in get_args(told):
            yield from _parts(part)
    else:
        yield told
