"""JSON from outside, read strictly: what two readers could understand differently, or what is meant to hurt, is refused.

UTF-8 only, no byte order mark, no lone surrogates, no NaN, no number beyond a double (orjson sees to these); no key twice
in one object, at most `DEPTH` levels, at most `PARTS` values: a megabyte of brackets would otherwise become fifty.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

DEPTH = 64
PARTS = 200_000


class NotJson(ValueError):
    """The text is not JSON as we accept it; the message names the rule, never the text."""


def loads(text: bytes, *, depth: int = DEPTH, parts: int = PARTS) -> Any:
    """The value. Raises NotJson."""
    if sum(text.count(sign) for sign in (b",", b"[", b"{")) > parts:
        raise NotJson(f"more than {parts} values")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotJson("not JSON") from None
    _require_shallow(value, depth)
    if isinstance(value, dict | list):
        # orjson lets the last of two equal keys win; the standard reader shows them both.
        json.loads(text, object_pairs_hook=_require_unique)
    return value


def _require_shallow(value: Any, depth: int) -> None:
    level = [value]
    for _ in range(depth):
        level = [inner for each in level for inner in _inner(each) if isinstance(inner, dict | list)]
        if not level:
            return
    raise NotJson(f"nested deeper than {depth} levels")


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _require_unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise NotJson("a key twice in one object")
