"""HubSpot: contacts, companies, deals, tickets, products, line items; owners to read."""

from __future__ import annotations

from connectors.hubspot.connector import HubSpot
from connectors.hubspot.settings import Settings

__all__ = ["HubSpot", "Settings"]
