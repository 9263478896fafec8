"""Salesforce: accounts, contacts, leads, opportunities, cases, products, tasks; users to read."""

from __future__ import annotations

from connectors.salesforce.connector import Salesforce
from connectors.salesforce.settings import Settings

__all__ = ["Salesforce", "Settings"]
