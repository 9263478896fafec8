"""What a HubSpot connection is told: credential, unique property, what to read."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

from connectors.apps import AppSettings
from connectors.webhook import Secrets


class Settings(AppSettings):
    """A private app's `access_token`, or an OAuth app's client and refresh token."""

    access_token: SecretStr | None = None
    client_secret: SecretStr | None = None  # of the app; also proves its webhooks
    former_client_secrets: Secrets = ()  # still proving webhooks while the app's secret is being rotated
    base_url: str = "https://api.hubapi.com"
    key_property: str = "throughline_key"  # unique text property that holds our key
    properties: Mapping[str, tuple[str, ...]] = {}  # per resource, read besides the usual ones
    lookback: float = 3600.0  # seconds re-read before the cursor: the search index trails by up to this much
    archived_every: float = 0.0  # seconds between sweeps of archived objects (each lists 90 days of them)
