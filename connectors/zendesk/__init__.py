"""Zendesk Support.

Facts: developer.zendesk.com (incremental exports, users, organizations, tickets, job statuses, webhooks), recorded
exchanges, singer-io/tap-zendesk, estuary source-zendesk-support-native; what no source confirmed says so at its place.
"""

from __future__ import annotations

from connectors.zendesk.connector import Zendesk, ZendeskSettings

__all__ = ["Zendesk", "ZendeskSettings"]
