"""What a Shopify connection is told: the shop, a custom app's token, where our key is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from connectors.base import ConnectorSettings


class ShopifySettings(ConnectorSettings):
    """A custom app's token; scopes read_customers, write_customers, read_orders, read_all_orders, read_products, …"""

    shop: str = ""  # "acme" or "acme.myshopify.com"
    token: SecretStr
    webhook_secrets: tuple[SecretStr, ...] = ()  # the app's client secret; while it rotates, the old one too
    api_version: str = "2026-10"
    base_url: str = ""  # instead of the shop's own address (a sandbox)
    key_namespace: str = "throughline"  # the metafield definition of type `id` that holds our key
    key_name: str = "ext_key"
    page_size: int = 50
    bulk_from: Annotated[int, Field(ge=1, le=10_000)] = 10_000  # objects from which a complete read is a bulk operation

    @model_validator(mode="after")
    def _reachable(self) -> ShopifySettings:
        if not (self.shop or self.base_url):
            raise ValueError("either shop or base_url is needed")
        return self

    @property
    def domain(self) -> str:
        """The shop's permanent domain; empty when only a base URL is known."""
        return self.shop if "." in self.shop or not self.shop else f"{self.shop}.myshopify.com"
