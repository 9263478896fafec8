"""What every inbound webhook needs: secrets that may be rotating, constant-time comparison, a window, a strict payload.

How each vendor proves its webhooks is the table of `connectors.signatures`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, SecretStr

from kernel import strict_json
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park
from kernel.records import WebhookRequest

WINDOW = 300.0
"""Seconds a timestamped signature stays good, into the past and into the future."""


def _split(told: Any) -> Any:
    return [part.strip() for part in told.split(",") if part.strip()] if isinstance(told, str) else told


Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_split)]
"""A setting: one signing secret, or several separated by commas while one is being rotated."""


def revealed(secrets: Iterable[SecretStr], connection: str, setting: str = "webhook_secret") -> tuple[str, ...]:
    """The secrets as text; raises BadSetting when there is none, because then nothing can be verified."""
    texts = tuple(secret.get_secret_value() for secret in secrets)
    if not texts or not all(text.strip() for text in texts):  # an empty key would let anybody sign
        raise BadSetting(f"{connection}: {setting} is not set: nothing can be verified", field=setting)
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
    """True when a given text equals an expected one; every pair is compared, in constant time."""
    found = False
    for one in given:
        for other in expected:
            found |= hmac.compare_digest(_bytes(one), _bytes(other))
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # never fails, and no two texts become the same bytes


def decoded(text: str, altchars: bytes | None = None) -> bytes:
    """Base64 in its one right form, padding included; raises ValueError for any other spelling of the same bytes."""
    found = base64.b64decode(text, altchars=altchars, validate=True)
    if not hmac.compare_digest(base64.b64encode(found, altchars), text.encode()):
        raise ValueError("not canonical base64")
    return found


def refuse(rule: str) -> NoReturn:
    """Raise Park(cause='bad_signature') naming the rule that failed."""
    raise Park(f"webhook refused: {rule}", cause="bad_signature")


def require(verified: bool, rule: str) -> None:
    """Refuse unless `verified`."""
    if not verified:
        refuse(rule)


def require_fresh(stamp: float, received_at: int, window: float = WINDOW) -> None:
    """`stamp` in epoch seconds must lie within `window` seconds of `received_at` (instant), on either side."""
    require(abs(received_at / SECOND - stamp) <= window, "its timestamp is outside the window")


def payload(request: WebhookRequest) -> Any:
    """The JSON body, read strictly. Raises Park(cause='bad_payload')."""
    try:
        return strict_json.loads(request.body)
    except strict_json.NotJson as error:
        raise Park(f"the webhook's body is refused: {error}", cause="bad_payload") from None
