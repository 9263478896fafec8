"""QuickBooks Online."""

from connectors.quickbooks.connector import Quickbooks

__all__ = ["Quickbooks"]
