"""How a connection proves who it is. Credentials travel in headers only, and only to the connection's own host."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from kernel.clock import SECOND, Clock, SystemClock


class Auth(Protocol):
    """Puts the credential on a request, and can renew it."""

    def apply(self, headers: MutableMapping[str, str]) -> None:
        """Add the credential to the headers of a request about to be sent."""

    def refresh(self, used: str) -> bool:
        """Renew the credential; `used` is the refused Authorization header. False: it cannot be renewed."""


class HeaderAuth:
    """A fixed header such as `X-Shopify-Access-Token`."""

    def __init__(self, name: str, value: SecretStr) -> None:
        self._name, self._value = name, value

    def apply(self, headers: MutableMapping[str, str]) -> None:
        """Add the header."""
        headers[self._name] = self._value.get_secret_value()

    def refresh(self, used: str) -> bool:
        """A fixed credential cannot be renewed."""
        return False


class BearerAuth(HeaderAuth):
    """A fixed bearer token."""

    def __init__(self, token: SecretStr) -> None:
        super().__init__("Authorization", SecretStr(f"Bearer {token.get_secret_value()}"))


class BasicAuth(HeaderAuth):
    """A user and a password (RFC 7617)."""

    def __init__(self, user: str, password: SecretStr) -> None:
        pair = f"{user}:{password.get_secret_value()}".encode()
        super().__init__("Authorization", SecretStr(f"Basic {base64.b64encode(pair).decode()}"))


class OAuth1:
    """A consumer's key and secret that sign each request with HMAC-SHA256 and no token (OAuth 1.0a, RFC 5849 3.4).

    The signature goes into the query: some hosts strip the Authorization header, and the secret itself never travels. So
    this is the one credential that may be used over plain http, by whoever takes what is read and written there for public.
    """

    def __init__(self, key: str, secret: SecretStr, *, clock: Clock | None = None) -> None:
        """The vendor's clock and `clock` may be minutes apart at most."""
        self._key, self._secret, self._clock = key, secret, clock or SystemClock()

    def apply(self, headers: MutableMapping[str, str]) -> None:
        """Nothing: a signature needs the address; see `signed`."""

    def refresh(self, used: str) -> bool:
        """A fixed credential cannot be renewed."""
        return False

    def signed(self, method: str, url: str, params: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The parameters that prove one request. `url` is without its query, which `params` are. Each has its own nonce."""
        told = {
            "oauth_consumer_key": self._key,
            "oauth_nonce": secrets.token_hex(16),
            "oauth_signature_method": "HMAC-SHA256",
            "oauth_timestamp": str(self._clock.now() // SECOND),
        }
        pairs = sorted((_quoted(name), _quoted(value)) for name, value in (*params, *told.items()))
        text = "&".join((method, _quoted(url), _quoted("&".join(f"{name}={value}" for name, value in pairs))))
        made = hmac.new(f"{self._secret.get_secret_value()}&".encode(), text.encode(), hashlib.sha256).digest()
        return {**told, "oauth_signature": base64.b64encode(made).decode()}


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="~")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An access token; `expires_at` is an instant, None when the vendor does not say."""

    value: str
    expires_at: int | None = None


class TokenAuth:
    """An access token that is fetched when needed: one fetch at a time, however many threads were refused.

    `fetch` gets a new token (OAuth client credentials, JWT, refresh token) and stores a rotated refresh token itself.
    """

    def __init__(
        self, fetch: Callable[[], Token], *, clock: Clock | None = None, margin: float = 60.0, scheme: str = "Bearer"
    ) -> None:
        """`margin`: seconds before its end at which a token is renewed."""
        self._fetch, self._clock, self._scheme = fetch, clock or SystemClock(), scheme
        self._margin = int(margin * SECOND)
        self._lock = threading.Lock()
        self._token: Token | None = None

    def apply(self, headers: MutableMapping[str, str]) -> None:
        """Add the current token, fetching one when there is none or it is about to end."""
        with self._lock:
            token = self._token
            if token is None or (token.expires_at is not None and token.expires_at - self._margin <= self._clock.now()):
                token = self._token = self._fetch()
        headers["Authorization"] = f"{self._scheme} {token.value}"

    def refresh(self, used: str) -> bool:
        """Fetch a new token unless another thread already did since `used` was sent."""
        with self._lock:
            if self._token is None or f"{self._scheme} {self._token.value}" == used:
                self._token = self._fetch()
        return True
