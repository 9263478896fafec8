"""Verifying inbound webhooks: HMAC over the raw body, compared in constant time, inside a window both ways."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from kernel.clock import SECOND
from kernel.errors import Park

WINDOW = 300.0
"""Seconds a timestamped signature stays good, into the past and into the future."""


def signature_hex(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    """Lower-case hex HMAC."""
    return hmac.new(secret.encode(), signed, getattr(hashlib, algorithm)).hexdigest()


def signature_base64(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    """Base64 HMAC."""
    return base64.b64encode(hmac.new(secret.encode(), signed, getattr(hashlib, algorithm)).digest()).decode()


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
