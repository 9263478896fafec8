"""The few ways in which vendors prove that a webhook is theirs, as data: `connectors.signatures` fills them in.

Everything is compared in constant time and as bytes, over the body as it came. A header that came twice (the receiver
keeps both, a line each) proves nothing, and a time outside the window refuses on either side.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from connectors.webhook import (
    decoded,
    matches_any,
    payload,
    refuse,
    require,
    require_fresh,
    signature_base64,
    signature_hex,
)
from kernel.clock import SECOND, instant
from kernel.errors import BadSetting, Park
from kernel.records import WebhookRequest

MOST_SIGNATURES = 10
"""Signatures looked at in one header; a rotation needs two."""

_DIGITS = re.compile(r"[0-9]{1,17}")
_UNITS = {"s": 1.0, "ms": 0.001}
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """What a connection knows that its vendor knows: secrets, the newest first while one rotates, and more for a few."""

    secrets: Sequence[str] = ()
    token: str = ""  # of a handshake (Meta's verify_token)
    public_keys: Mapping[str, str] = field(default_factory=dict)  # key id -> PEM, for signed tokens
    audience: str = ""
    email: str = ""


class Proof(Protocol):
    """One way of proving."""

    def check(self, request: WebhookRequest, keys: Keyring, now: int) -> None:
        """Raise Park(cause='bad_signature') unless the sender holds one of the keys."""


def header_of(request: WebhookRequest, name: str) -> str:
    """A header that came once; '' when it did not come."""
    value = request.headers.get(name, "")
    require("\n" not in value, f"{name} came twice")
    return value


def text_key(secret: str) -> bytes:
    """The secret's own text is the key."""
    return secret.encode()


def standard_key(secret: str) -> bytes:
    """Standard Webhooks: base64 after `whsec_`; a secret without the prefix may be plain text."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b"" if secret.startswith("whsec_") else secret.encode()
    if not key:
        raise BadSetting("a Standard Webhooks secret is whsec_ and base64", field="webhook_secret")
    return key


_WORDPRESS = re.compile(r"&(?:amp|lt|gt|quot|#0*(?:38|60|62|34|39)|#[xX]0*(?:26|22|27));")


def wordpress_key(secret: str) -> bytes:
    """WooCommerce signs with wp_specialchars_decode(secret, ENT_QUOTES): these few entities, decoded once."""
    return _WORDPRESS.sub(lambda found: html.unescape(found[0]), secret).encode()


@dataclass(frozen=True, slots=True)
class Hmac:
    """An HMAC in a header. `signed` is what it covers: {body} {stamp} {id} {method} {uri}, and text between them."""

    header: str
    signed: str = "{body}"
    algorithm: str = "sha256"
    encoding: str = "hex"  # or base64
    also: str = ""  # the header's other name
    prefix: str = ""  # before the signature
    listed: str = ""  # "pairs": t=…,v1=…,v1=…; "spaced": v1,… v1,… and v1a,… of a public key
    stamp: str = ""  # the header with the time; pairs hold it themselves
    unit: str = "s"  # or ms, iso
    id: str = ""  # the header that {id} stands for
    key: Callable[[str], bytes] = text_key

    def check(self, request: WebhookRequest, keys: Keyring, now: int) -> None:
        """Raise Park(cause='bad_signature') unless one of the given signatures is one of ours, and fresh."""
        stamp, given = self._given(request)
        timed = bool(self.stamp) or self.listed == "pairs"
        when = _moment(stamp, self.unit) if timed else None
        signed = self._covered(request, stamp)
        shared = [secret for secret in keys.secrets if not secret.startswith("whpk_")]
        make = signature_hex if self.encoding == "hex" else signature_base64
        good = matches_any(given, [make(self.key(secret), signed, self.algorithm) for secret in shared])
        if not good and self.listed == "spaced":
            good = _signed_by_public_key(request, self.header, [s for s in keys.secrets if s not in shared], signed)
        require(good, "its signature does not match")
        if when is not None:
            require_fresh(when, now)

    def _given(self, request: WebhookRequest) -> tuple[str, list[str]]:
        value = header_of(request, self.header) or (header_of(request, self.also) if self.also else "")
        require(bool(value), f"it has no {self.header}")
        stamp = header_of(request, self.stamp) if self.stamp else ""
        if self.listed == "pairs":
            pairs = [part.partition("=")[::2] for part in value.split(",")]
            times = [text for name, text in pairs if name == "t"]
            require(len(times) == 1, f"{self.header} holds no time or several")
            return times[0], [text for name, text in pairs if name == "v1"][:MOST_SIGNATURES]
        if self.listed == "spaced":
            return stamp, _listed(value, "v1")
        require(value.startswith(self.prefix), f"{self.header} is of another scheme")
        return stamp, [value.removeprefix(self.prefix)]

    def _covered(self, request: WebhookRequest, stamp: str) -> bytes:
        parts = {
            "body": lambda: request.body,
            "stamp": lambda: _plain(stamp),
            "id": lambda: _plain(header_of(request, self.id)),
            "method": lambda: request.method.upper().encode(),
            "uri": lambda: _plain(hubspot_uri(request.url)),
        }
        pieces = _FIELD.split(self.signed)
        return b"".join(parts[piece]() if place % 2 else piece.encode() for place, piece in enumerate(pieces))


_DECODED = {f"{ord(sign):02X}": sign for sign in ":/?@!$'()*,;"}
_ESCAPES = re.compile(f"%({'|'.join(_DECODED)})", re.IGNORECASE)


def hubspot_uri(url: str) -> str:
    """The URL as HubSpot signs it: these escapes decoded and no others."""
    return _ESCAPES.sub(lambda found: _DECODED[found[1].upper()], url)


@dataclass(frozen=True, slots=True)
class Twilio:
    """The URL and the sorted fields of a form, or the URL with the body's hash in it; ports come and go on the way."""

    header: str = "x-twilio-signature"

    def check(self, request: WebhookRequest, keys: Keyring, now: int) -> None:
        """Raise Park(cause='bad_signature') unless it was made with one of the account's tokens."""
        given = header_of(request, self.header)
        require(bool(given), f"it has no {self.header}")
        hashes = urllib.parse.parse_qs(urllib.parse.urlsplit(request.url).query, errors="replace").get("bodySHA256")
        if hashes:
            require(matches_any(hashes[:1], [hashlib.sha256(request.body).hexdigest()]), "its body does not match")
            tail = ""
        else:
            tail = _sorted_fields(request.body)
        covered = [_plain(url + tail) for url in _with_and_without_port(request.url)]
        expected = [signature_base64(secret, each, "sha1") for secret in keys.secrets for each in covered]
        require(matches_any([given], expected), "its signature does not match")


def _sorted_fields(body: bytes) -> str:
    try:
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        refuse("its fields cannot be read")
    return "".join(name + value for name, value in sorted(set(pairs)))


_PORT = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#]*?)(?::[0-9]+)?(?P<rest>[/?#].*)?", re.DOTALL)


def _with_and_without_port(url: str) -> list[str]:
    """The URL as it is, without its port, and with its scheme's own; everything else stays as it was written."""
    found = _PORT.fullmatch(url)
    if found is None:
        return [url]
    scheme, host, rest = found["scheme"], found["host"], found["rest"] or ""
    return [url, f"{scheme}://{host}{rest}", f"{scheme}://{host}:{443 if scheme == 'https' else 80}{rest}"]


@dataclass(frozen=True, slots=True)
class Shared:
    """A secret that travels with the request, where the vendor signs nothing. `place`: basic, header, query or body."""

    place: str
    name: str = ""  # of the header or query field; in a body: list.field

    def check(self, request: WebhookRequest, keys: Keyring, now: int) -> None:
        """Raise Park(cause='bad_signature') unless the secret (for basic: `user:password`) is one of ours."""
        given = self._given(request)
        require(bool(given) and all(given), "it carries no secret")
        for each in given:
            require(matches_any([each], list(keys.secrets)), "its secret is not ours")

    def _given(self, request: WebhookRequest) -> list[str]:
        match self.place:
            case "header":
                return [header_of(request, self.name)]
            case "query":
                query = urllib.parse.urlsplit(request.url).query
                told = urllib.parse.parse_qs(query, errors="surrogateescape").get(self.name, [])
                return told if len(told) == 1 else []
            case "basic":
                return [_basic(header_of(request, "authorization"))]
            case _:
                return _fields_of(request, *self.name.split("."))


def _basic(value: str) -> str:
    scheme, _, told = value.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return decoded(told).decode("utf-8", "surrogateescape")
    except ValueError:
        return ""


def _fields_of(request: WebhookRequest, listed: str, name: str) -> list[str]:
    """A field of every entry of a list; an entry without it gives ''."""
    told = payload(request)
    entries = told.get(listed) if isinstance(told, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Park("the webhook is no list of notifications", cause="bad_payload")
    return [str(entry.get(name) or "") for entry in entries]


def _listed(value: str, version: str) -> list[str]:
    tokens = [token.split(",") for token in value.split(" ")]
    require(all(len(token) > 1 for token in tokens), "its list of signatures is none")
    return [token[1] for token in tokens if len(token) == 2 and token[0] == version][:MOST_SIGNATURES]


def _plain(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _moment(stamp: str, unit: str) -> float:
    """A timestamp in epoch seconds; what is none is refused."""
    if unit == "iso":
        try:
            return instant(datetime.fromisoformat(stamp)) / SECOND
        except (ValueError, OverflowError):
            refuse("its timestamp cannot be read")
    require(_DIGITS.fullmatch(stamp) is not None, "its timestamp cannot be read")
    return int(stamp) * _UNITS[unit]


def _signed_by_public_key(request: WebhookRequest, header: str, keys: Sequence[str], signed: bytes) -> bool:
    """Standard Webhooks v1a: ed25519, the public key as base64 after `whpk_`."""
    given = _listed(header_of(request, header), "v1a") if keys else []
    return any(_ed25519(key, each, signed) for key in keys for each in given)


def _ed25519(key: str, signature: str, signed: bytes) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_"), validate=True))
    except ValueError:
        raise BadSetting("a Standard Webhooks public key is whpk_ and base64", field="webhook_secret") from None
    try:
        public.verify(decoded(signature), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
