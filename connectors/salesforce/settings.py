"""What a Salesforce connection is told: org, credential, API version, external-id field, what to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from connectors.base import ConnectorSettings


class Settings(ConnectorSettings):
    """An org by its My Domain URL, and one of: an access token; a connected app's client credentials or refresh token."""

    instance_url: str  # https://example.my.salesforce.com
    access_token: SecretStr | None = None
    client_id: str = ""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None  # absent: client credentials flow
    login_url: str = ""  # where tokens are given; default the instance
    version: Annotated[str, Field(pattern=r"^\d{2,3}\.0$")] = "62.0"
    key_field: str = "Throughline_Key__c"  # text field, External ID and Unique
    fields: Mapping[str, tuple[str, ...]] = {}  # per resource, read besides the usual ones
    lookback: float = 300.0  # seconds re-read before the cursor: the feed is eventually consistent
    daily_share: Annotated[float, Field(gt=0, le=1)] = 0.8  # of the org's daily requests that may be spent by everyone
    bulk_from: Annotated[int, Field(ge=1)] = 50_000  # records from which the Bulk API is used for a complete read
    bulk_write_from: Annotated[int, Field(ge=1)] = 2_000  # new records, or changed ones, from which it is used to write
    read_back: bool = True  # after a write, read what the org made of it

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if bool(self.access_token) == bool(self.client_id):
            raise ValueError("give access_token, or client_id with client_secret or refresh_token")
        if self.client_id and not (self.client_secret or self.refresh_token):
            raise ValueError("client_id needs client_secret or refresh_token")
        return self
