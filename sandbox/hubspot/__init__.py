"""HubSpot's CRM API v3 (objects, search, batch, properties, owners) and associations v4, on loopback."""

from sandbox.hubspot.simulator import HubSpot

__all__ = ["HubSpot"]
