"""Signed tokens as proof of a webhook: the OIDC token that Google's Pub/Sub puts on every push (RS256, offline keys)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connectors.proofs import Keyring, header_of
from connectors.webhook import WINDOW, decoded, matches_any, refuse, require
from kernel import strict_json
from kernel.clock import SECOND
from kernel.errors import BadSetting
from kernel.records import WebhookRequest

MOST = 8192
"""Characters of a token looked at."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """`Authorization: Bearer` and a JWT, for our audience and from the expected account."""

    issuers: tuple[str, ...]

    def check(self, request: WebhookRequest, keys: Keyring, now: int) -> None:
        """Raise Park(cause='bad_signature') unless the token is signed, current, and meant for us."""
        scheme, _, token = header_of(request, "authorization").partition(" ")
        parts = token.split(".")
        require(scheme.lower() == "bearer" and len(parts) == 3 and len(token) <= MOST, "it carries no token")
        head, claims = _json(parts[0]), _json(parts[1])
        require(head.get("alg") == "RS256", "its token is not signed by RS256")
        pem = keys.public_keys.get(str(head.get("kid")))
        if pem is None:
            refuse("its token is signed by an unknown key")
        _verify(pem, _decoded(parts[2]), ".".join(parts[:2]).encode("utf-8", "surrogatepass"))
        require(matches_any([str(claims.get("iss"))], self.issuers), "its token has another issuer")
        require(bool(keys.audience) and matches_any([str(claims.get("aud"))], [keys.audience]), "it is not for us")
        known = claims.get("email_verified") is True and matches_any([str(claims.get("email"))], [keys.email])
        require(bool(keys.email) and known, "its token is another account's")
        _require_current(claims, now / SECOND)


def _require_current(claims: dict[str, Any], now: float) -> None:
    until, since = claims.get("exp"), claims.get("iat")
    require(type(until) is int and type(since) is int, "its token holds no times")
    assert isinstance(until, int)
    assert isinstance(since, int)
    require(since - WINDOW <= now <= until + WINDOW, "its token is outside its time")


def _verify(pem: str, signature: bytes, signed: bytes) -> None:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise BadSetting("a public key is no PEM", field="public_keys") from None
    if not isinstance(key, RSAPublicKey):
        raise BadSetting("a public key is no RSA key", field="public_keys")
    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        refuse("its token's signature does not match")


def _json(part: str) -> dict[str, Any]:
    try:
        told = strict_json.loads(_decoded(part))
    except strict_json.NotJson:
        refuse("its token cannot be read")
    if not isinstance(told, dict):
        refuse("its token cannot be read")
    return told


def _decoded(part: str) -> bytes:
    require("=" not in part, "its token cannot be read")
    try:
        return decoded(part + "=" * (-len(part) % 4), b"-_")
    except ValueError:
        refuse("its token cannot be read")
