"""Identifiers: time-ordered trace ids, derived keys, content hashes. All are lower-case hex unless said."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import orjson


def new_id() -> str:
    """A UUIDv7 as 32 hex digits: sorts by time, and is a valid W3C trace id."""
    stamp = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (1 << 48) - 1) << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64 | 0x2 << 62 | noise & (1 << 62) - 1
    return f"{value:032x}"


def derived_id(*parts: str) -> str:
    """The same 32 hex digits for the same parts; parts cannot run into each other."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def object_id(connection: str, resource: str, vendor_id: str) -> str:
    """The key of one vendor object. Two connections with equal vendor ids never meet."""
    return derived_id("object", connection, resource, vendor_id)


def canonical(value: Any) -> bytes:
    """JSON bytes that are equal when the content is: sorted keys, no space."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS)


def content_hash(value: Any) -> str:
    """Hash of a JSON value's content, whatever the order of its keys."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()
