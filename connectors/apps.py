"""An OAuth app's credential: what a connection is told of it, and the access tokens it gets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar, Self

from pydantic import SecretStr, model_validator

from connectors.auth import BasicAuth, Token, TokenAuth
from connectors.base import ConnectorSettings
from connectors.http import Http
from connectors.oauth import RotatingAuth, TokenStore, fetch_token
from kernel.clock import SECOND, SystemClock
from kernel.records import Json


class AppSettings(ConnectorSettings):
    """Base of settings with an OAuth app's client and refresh token, or a token that a person made instead."""

    made_token: ClassVar[str] = "access_token"  # noqa: S105 - the name of the setting that holds it
    client_id: str = ""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        app = bool(self.client_id and self.client_secret and self.refresh_token)
        if bool(getattr(self, self.made_token)) == app:
            raise ValueError(f"give {self.made_token}, or client_id, client_secret and refresh_token")
        return self


def refreshing(app: AppSettings, base_url: str, path: str, *, lasts: int = 3600, **options: Any) -> TokenAuth:
    """Access tokens by a refresh token that stays the same. `options` as of `granted`; `lasts`: seconds, where it is not told."""

    def fetch() -> Token:
        told = granted(app, _text(app.refresh_token), base_url, path, **options)
        clock = options.get("clock") or SystemClock()
        return Token(told["access_token"], clock.now() + int(told.get("expires_in") or lasts) * SECOND)

    return TokenAuth(fetch, clock=options.get("clock"))


def rotating(app: AppSettings, base_url: str, path: str, *, tokens: TokenStore | None, **options: Any) -> RotatingAuth:
    """Access tokens by a refresh token that changes with use, kept in `tokens`. `options` as of `granted`."""

    def renew(token: str) -> Json:
        return granted(app, token, base_url, path, **options)

    seed, clock = app.refresh_token or SecretStr(""), options.get("clock") or SystemClock()
    return RotatingAuth(seed, renew, tokens=tokens, clock=clock)


def granted(app: AppSettings, token: str, base_url: str, path: str, *, basic: bool = False, **options: Any) -> Json:
    """What a token endpoint answers to a refresh token.

    `basic`: the app proves itself by HTTP Basic, not in the form. `options` make the Http. Raises Stop when refused.
    """
    form: Mapping[str, str] = {"grant_type": "refresh_token", "refresh_token": token}
    auth = BasicAuth(app.client_id, app.client_secret or SecretStr("")) if basic else None
    proof = {} if basic else {"client_id": app.client_id, "client_secret": _text(app.client_secret)}
    with closing(Http(base_url=base_url, auth=auth, **options)) as bare:
        return fetch_token(bare, path, {**form, **proof})


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
