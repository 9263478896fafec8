"""Shopify: the Admin GraphQL API.

Facts: shopify.dev (pagination, search syntax, rate limits, webhooks, custom IDs) and the 2026-10 Admin schema.
`updated_at` filters and UPDATED_AT order come from a search index that trails the truth by seconds, minutes after
bulk edits; the customers' filter is documented as matching whole days. So a lower bound is never trusted to be exact,
and what a window must not hold is left out here. The lists say nothing of deleted objects: webhooks do, or a sweep.
"""

from __future__ import annotations

from connectors.shopify.connector import Shopify
from connectors.shopify.settings import ShopifySettings

__all__ = ["Shopify", "ShopifySettings"]
