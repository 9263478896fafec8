"""Stripe: customers, products, prices, invoices, payments, subscriptions, refunds."""

from connectors.stripe.connector import Stripe, StripeSettings

__all__ = ["Stripe", "StripeSettings"]
