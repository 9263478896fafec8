"""Verifying inbound webhooks: HMAC over the raw body, compared in constant time, inside a window both ways."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

from kernel.clock import SECOND
from kernel.errors import BadSetting, Park

WINDOW = 300.0
"""Seconds a timestamped signature stays good, into the past and into the future."""


def _split(told: Any) -> Any:
    return [part.strip() for part in told.split(",") if part.strip()] if isinstance(told, str) else told


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_split)]
"""A setting: one signing secret, or several separated by commas while one is being rotated."""


def revealed(secrets: Iterable[SecretStr], connection: str) -> list[str]:
    """The secrets as text; raises BadSetting when there is none, because then nothing can be verified."""
    texts = [secret.get_secret_value() for secret in secrets]
    if not texts:
        raise BadSetting(f"{connection}: webhook_secret is not set: nothing can be verified", field="webhook_secret")
    return texts


def signature_hex(secret: str | bytes, signed: bytes, algorithm: str = "sha256") -> str:
    """Lower-case hex HMAC."""
    return _hmac(secret, signed, algorithm).hex()


def signature_base64(secret: str | bytes, signed: bytes, algorithm: str = "sha256") -> str:
    """Base64 HMAC."""
    return base64.b64encode(_hmac(secret, signed, algorithm)).decode()


def _hmac(secret: str | bytes, signed: bytes, algorithm: str) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, signed, getattr(hashlib, algorithm)).digest()


def matches_any(given: Iterable[str], expected: Sequence[str]) -> bool:
    """True when a given signature equals an expected one; every pair is compared, in constant time."""
    found = False
    for one in given:
        for other in expected:
            found |= hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode())
    return found


def require(verified: bool, rule: str) -> None:
    """Raise Park(cause='bad_signature') naming the rule that failed."""
    if not verified:
        raise Park(f"webhook refused: {rule}", cause="bad_signature")


def require_fresh(stamp: float, received_at: int, window: float = WINDOW) -> None:
    """`stamp` in epoch seconds must lie within `window` seconds of `received_at` (instant), on either side."""
    require(abs(received_at / SECOND - stamp) <= window, "its timestamp is outside the window")
