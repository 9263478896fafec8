"""Sealing: AES-256-GCM for payloads, keyed hashes for identifiers. Row and table are bound into every seal."""

from __future__ import annotations

import hashlib
import os
import secrets
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.errors import BadSetting, Broken

_PLAIN, _COMPRESSED = 1, 2
_COMPRESS_FROM = 2048  # bytes; below it zlib costs more time than it saves room


class Vault:
    """Seals and opens bytes, and hashes identifiers. Keys are 32 bytes, the newest first; older ones only open."""

    def __init__(self, keys: list[bytes]) -> None:
        """The oldest key also derives the hash key, so that look-ups survive a rotation."""
        if not keys or any(len(key) != 32 for key in keys):
            raise BadSetting(
                "THROUGHLINE_KEY must be one or more keys of 64 hex digits, newest first, separated by commas"
            )
        self._ciphers = {_key_id(key): AESGCM(_derive(key, b"seal")) for key in keys}
        current = _key_id(keys[0])
        self._cipher = self._ciphers[current]
        self._heads = {form: bytes((form,)) + current for form in (_PLAIN, _COMPRESSED)}
        self._keyed = hashlib.blake2b(key=_derive(keys[-1], b"index"), digest_size=16)  # copied: half of a hash's cost

    def seal(self, plain: bytes, bound_to: str) -> bytes:
        """`bound_to` names table and row; the seal opens nowhere else."""
        form = _PLAIN
        if len(plain) >= _COMPRESS_FROM:
            plain, form = zlib.compress(plain, 1), _COMPRESSED
        head, nonce = self._heads[form], os.urandom(12)
        return head + nonce + self._cipher.encrypt(nonce, plain, head + bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> bytes:
        """The plain bytes; Broken where the seal belongs to another row or another key."""
        head, nonce = sealed[:5], sealed[5:17]
        cipher = self._ciphers.get(head[1:5])
        if cipher is None:
            raise BadSetting(f"{bound_to}: sealed with a key that THROUGHLINE_KEY no longer holds")
        try:
            plain = cipher.decrypt(nonce, sealed[17:], head + bound_to.encode())
        except InvalidTag:
            raise Broken(f"{bound_to}: the sealed content is not this row's", cause="seal_broken") from None
        return zlib.decompress(plain) if head[0] == _COMPRESSED else plain

    def keyed_hash(self, kind: str, value: str) -> str:
        """32 hex digits by which an identifier can be looked up but not read."""
        digest = self._keyed.copy()
        digest.update(f"{kind}\x1f{value}".encode())
        return digest.hexdigest()


def open_vault(home: Path, configured: str | None) -> Vault:
    """The vault of THROUGHLINE_KEY, or of a key file made once in `home` that only its owner can read."""
    if configured:
        return Vault([_parse(part) for part in configured.split(",")])
    path = home / "key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"key.{secrets.token_hex(4)}")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(scratch, path)  # of two starters, one wins and both use its key
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return Vault([_parse(part) for part in path.read_text().split()])


def _parse(text: str) -> bytes:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        raise BadSetting("a vault key is 64 hex digits") from None


def _key_id(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=4, person=b"key id").digest()


def _derive(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"throughline " + use).derive(key)
