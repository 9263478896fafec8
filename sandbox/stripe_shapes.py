"""What Stripe's objects look like: every field of the current API version, with the values a plain new object has."""

from __future__ import annotations

from sandbox.state import Json


def _words(text: str) -> list[str]:
    return text.split()


def customer(id: str, now: int) -> Json:
    """A customer."""
    return {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def product(id: str, now: int) -> Json:
    """A product."""
    nothing = ("default_price", "description", "package_dimensions", "shippable", "statement_descriptor", "tax_code")
    return {
        "id": id,
        "object": "product",
        "active": True,
        "attributes": [],
        "created": now,
        **dict.fromkeys(nothing),
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": "Widget",
        "tax_details": None,
        "type": "service",
        "unit_label": None,
        "updated": now,
        "url": None,
    }


def price(id: str, now: int) -> Json:
    """A monthly price."""
    return {
        "id": id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": "usd",
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": "prod_none",
        "recurring": {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": 2000,
        "unit_amount_decimal": "2000",
    }


_INVOICE_ZERO = _words("""
amount_due amount_overpaid amount_paid amount_remaining amount_shipping attempt_count
post_payment_credit_notes_amount pre_payment_credit_notes_amount starting_balance subtotal
subtotal_excluding_tax total total_excluding_tax""")
_INVOICE_NONE = _words("""
account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_address
customer_email customer_name customer_phone customer_shipping default_payment_method default_source description
due_date effective_at ending_balance footer from_invoice hosted_invoice_url invoice_pdf last_finalization_error
latest_revision next_payment_attempt number on_behalf_of parent receipt_number shipping_cost shipping_details
statement_descriptor test_clock""")


def invoice(id: str, now: int) -> Json:
    """A draft invoice without lines."""
    return {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Sandbox",
        **dict.fromkeys(_INVOICE_NONE),
        **dict.fromkeys(_INVOICE_ZERO, 0),
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": now,
        "currency": "usd",
        "customer": "cus_none",
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "lines": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": f"/v1/invoices/{id}/lines"},
        "livemode": False,
        "metadata": {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "rendering": {
            "amount_tax_display": None,
            "pdf": {"page_size": "auto"},
            "template": None,
            "template_version": None,
        },
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    }


def line(id: str, now: int, invoice_id: str, amount: int, currency: str = "usd") -> Json:
    """An invoice line of one hand-made item."""
    return {
        "id": id,
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice_id,
        "livemode": False,
        "metadata": {},
        "parent": {
            "invoice_item_details": {
                "invoice_item": id.replace("il_", "ii_"),
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "period": {"end": now, "start": now},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": "price_none", "product": "prod_none"},
            "type": "price_details",
            "unit_amount_decimal": str(amount),
        },
        "quantity": 1,
        "quantity_decimal": "1",
        "subtotal": amount,
        "taxes": [],
    }


_INTENT_NONE = _words("""
application application_fee_amount canceled_at cancellation_reason customer customer_account description
excluded_payment_method_types last_payment_error latest_charge next_action on_behalf_of payment_method
processing receipt_email review setup_future_usage shared_payment_granted_token shipping source
statement_descriptor statement_descriptor_suffix transfer_data transfer_group""")


def payment_intent(id: str, now: int) -> Json:
    """A payment intent that waits for a payment method."""
    return {
        "id": id,
        "object": "payment_intent",
        "amount": 2000,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        **dict.fromkeys(_INTENT_NONE),
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "capture_method": "automatic_async",
        "client_secret": f"{id}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": now,
        "currency": "usd",
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "payment_method_configuration_details": {"id": "pmc_sandbox", "parent": None},
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }


_CHARGE_NONE = _words("""
application application_fee application_fee_amount balance_transaction calculated_statement_descriptor customer
description failure_balance_transaction failure_code failure_message on_behalf_of outcome payment_intent
payment_method receipt_email receipt_number review shipping source source_transfer statement_descriptor
statement_descriptor_suffix transfer_data transfer_group""")
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def charge(id: str, now: int) -> Json:
    """A captured card charge."""
    return {
        "id": id,
        "object": "charge",
        "amount": 2000,
        "amount_captured": 2000,
        "amount_refunded": 0,
        **dict.fromkeys(_CHARGE_NONE),
        "billing_details": {
            "address": dict.fromkeys(_ADDRESS),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "captured": True,
        "created": now,
        "currency": "usd",
        "disputed": False,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "paid": True,
        "payment_method_details": {"card": _card(), "type": "card"},
        "receipt_url": f"https://pay.stripe.com/receipts/{id}",
        "refunded": False,
        "status": "succeeded",
    }


def _card() -> Json:
    nothing = ("amount_authorized", "checks", "installments", "mandate", "network_token", "three_d_secure", "wallet")
    told = {"brand": "visa", "country": "US", "exp_month": 8, "exp_year": 2030, "funding": "credit", "last4": "4242"}
    return {**dict.fromkeys(nothing), **told, "fingerprint": "sandbox", "network": "visa"}


def refund(id: str, now: int) -> Json:
    """A refund of a charge."""
    return {
        "id": id,
        "object": "refund",
        "amount": 2000,
        "balance_transaction": None,
        "charge": None,
        "created": now,
        "currency": "usd",
        "destination_details": {"card": {"type": "reversal"}, "type": "card"},
        "metadata": {},
        "payment_intent": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


_SUBSCRIPTION_NONE = _words("""
application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at
customer_account days_until_due default_payment_method default_source description ended_at latest_invoice
next_pending_invoice_item_invoice on_behalf_of pause_collection pending_invoice_item_interval
pending_setup_intent pending_update schedule test_clock transfer_data trial_end trial_start""")


def subscription(id: str, now: int, plan: Json) -> Json:
    """An active monthly subscription to one price; period dates sit on its item (since the basil versions)."""
    shape = subscription_item(id, now, plan)
    return {
        "id": id,
        "object": "subscription",
        **dict.fromkeys(_SUBSCRIPTION_NONE),
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": now,
        },
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": plan["currency"],
        "customer": "cus_none",
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": [shape],
            "has_more": False,
            "total_count": 1,
            "url": f"/v1/subscription_items?subscription={id}",
        },
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "plan": shape["plan"],
        "quantity": 1,
        "start_date": now,
        "status": "active",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


def subscription_item(subscription_id: str, now: int, plan: Json) -> Json:
    """One item of a subscription, with the price in its present and its older (plan) form."""
    old = {name: plan[name] for name in ("active", "billing_scheme", "created", "currency", "metadata", "nickname")}
    return {
        "id": subscription_id.replace("sub_", "si_"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": now + 30 * 86_400,
        "current_period_start": now,
        "discounts": [],
        "metadata": {},
        "plan": {
            "id": plan["id"],
            "object": "plan",
            **old,
            "amount": plan["unit_amount"],
            "amount_decimal": plan["unit_amount_decimal"],
            "interval": "month",
            "interval_count": 1,
            "livemode": False,
            "meter": None,
            "product": plan["product"],
            "tiers_mode": None,
            "transform_usage": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "price": plan,
        "quantity": 1,
        "subscription": subscription_id,
        "tax_rates": [],
    }
