"""A Salesforce org's REST API (query, sObjects, collections, describe, limits, OAuth), on loopback."""

from sandbox.salesforce.simulator import Salesforce

__all__ = ["Salesforce"]
