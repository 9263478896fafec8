"""Comparing JSON by shape: the same keys and types, whatever the values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def differences(recorded: Any, simulated: Any, path: str = "") -> Iterator[str]:
    """Paths at which two JSON values differ in keys or types. null goes with everything; lists compare as one element.

    A key that only the recording has reads `-path`, one that only the simulator has `+path`, a type `path: a / b`.
    """
    if recorded is None or simulated is None:
        return
    if isinstance(recorded, dict) and isinstance(simulated, dict):
        for key in sorted(set(recorded) | set(simulated)):
            where = f"{path}.{key}" if path else key
            if key not in simulated:
                yield f"-{where}"
            elif key not in recorded:
                yield f"+{where}"
            else:
                yield from differences(recorded[key], simulated[key], where)
    elif isinstance(recorded, list) and isinstance(simulated, list):
        if recorded and simulated:
            yield from differences(_one(recorded), _one(simulated), f"{path}[]")
    elif _kind(recorded) != _kind(simulated):
        yield f"{path}: {_kind(recorded)} / {_kind(simulated)}"


def _one(values: list[Any]) -> Any:
    """A list's elements as one: dictionaries merged, else the first that is not null."""
    dicts = [value for value in values if isinstance(value, dict)]
    if not dicts:
        return next((value for value in values if value is not None), None)
    merged: dict[str, Any] = {}
    for one in dicts:
        for key, value in one.items():
            merged[key] = _merged(merged.get(key), value)
    return merged


def _merged(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return {**one, **other} if isinstance(one, dict) and isinstance(other, dict) else one


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "list", dict: "object"}.get(type(value), "null")
