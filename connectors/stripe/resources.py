"""What Stripe has and how each type tells of its changes.

Facts: docs.stripe.com/api (lists, events, idempotent requests, rate limits) and the types of stripe-python 16.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from connectors.base import Deletes, Resource, WriteClass, WriteSpec
from kernel.records import Action

EXT_FIELD = "metadata.throughline_key"


@dataclass(frozen=True, slots=True)
class Type:
    """One Stripe object type. `events`: names that say an object changed or went; creations are found by listing."""

    path: str
    object: str
    events: tuple[str, ...]
    nested: tuple[str, ...] = ()  # lists inside the object that come cut at ten
    params: tuple[tuple[str, str], ...] = ()  # what its list needs to be complete


def _named(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names.split())


TYPES: Mapping[str, Type] = {
    "customers": Type("/v1/customers", "customer", _named("customer", "updated deleted")),
    "products": Type("/v1/products", "product", _named("product", "updated deleted")),
    "prices": Type("/v1/prices", "price", _named("price", "updated deleted")),
    "invoices": Type(
        "/v1/invoices",
        "invoice",
        _named(
            "invoice",
            "updated deleted finalized finalization_failed paid payment_succeeded payment_failed"
            " payment_action_required sent voided marked_uncollectible overdue",
        ),
        nested=("lines",),
    ),
    "payment_intents": Type(
        "/v1/payment_intents",
        "payment_intent",
        _named(
            "payment_intent",
            "amount_capturable_updated canceled partially_funded payment_failed processing requires_action succeeded",
        ),
    ),
    "charges": Type(
        "/v1/charges",
        "charge",
        _named("charge", "captured expired failed pending refunded succeeded updated"),
        nested=("refunds",),
    ),
    "subscriptions": Type(
        "/v1/subscriptions",
        "subscription",
        _named(
            "customer.subscription",
            "updated deleted paused resumed pending_update_applied pending_update_expired trial_will_end",
        ),
        nested=("items",),
        params=(("status", "all"),),  # without it the canceled ones are left out
    ),
    "refunds": Type("/v1/refunds", "refund", ("refund.updated", "refund.failed", "charge.refund.updated")),
}
BY_OBJECT: Mapping[str, str] = {kind.object: name for name, kind in TYPES.items()}

SAFETY_LAG = timedelta(seconds=60)
"""The events list is eventually consistent for about a minute."""
LOOKBACK = timedelta(minutes=2)
EVENTS_KEPT = timedelta(days=29)
"""Events are kept 30 days; a day less leaves time to read them."""

CUSTOMER_WRITES = WriteSpec(
    write_class=WriteClass.IDEMPOTENCY_KEY,
    ext_field=EXT_FIELD,
    actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
    read_only=frozenset({"id", "object", "created", "livemode", "currency", "delinquent", "discount", "subscriptions"}),
    key_window=timedelta(hours=23),  # keys are remembered for at least 24 h
    settle=timedelta(seconds=60),
)


# Links to hosted pages and receipts hold an expiring signature that differs in every answer.
_VOLATILE = {"invoices": ("hosted_invoice_url", "invoice_pdf"), "charges": ("receipt_url",)}
_DELETABLE = frozenset({"customers", "products", "prices", "invoices"})

RESOURCES: Mapping[str, Resource] = {
    name: Resource(
        name,
        updated_at="updated" if name == "products" else None,  # the only type that tells
        safety_lag=SAFETY_LAG,
        lookback=LOOKBACK,
        deletes=Deletes.IN_STREAM if name in _DELETABLE else Deletes.NONE,
        volatile=_VOLATILE.get(name, ()),
        write=CUSTOMER_WRITES if name == "customers" else None,
        backfill=True,
    )
    for name in TYPES
}
