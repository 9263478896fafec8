"""Plain JSON objects and the dotted names (`billing.city`) by which mappings speak of what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from kernel.records import Json


def at(body: Any, path: str) -> Any:
    """What stands at a dotted path of a body; None when nothing does. An empty path is the body."""
    for step in path.split(".") if path else ():
        body = body.get(step) if isinstance(body, dict) else None
    return body


def nested(fields: Mapping[str, Any], *, nothing: Any = None, held: Mapping[str, Any] | None = None) -> Json:
    """{"name": 1, "billing.city": 2} as {"name": 1, "billing": {"city": 2}}.

    `nothing`: the vendor's word for an empty field; None and "" both become it. `held`: the object as it is, where a
    write replaces a whole group: what the group holds besides goes along.
    """
    groups = {name.partition(".")[0] for name in fields if "." in name}
    made: Json = {group: deepcopy(held[group]) for group in groups if held and isinstance(held.get(group), dict)}
    for path, value in fields.items():
        *parents, leaf = path.split(".")
        place = made
        for name in parents:
            inner = place.get(name)
            place[name] = place = inner if isinstance(inner, dict) else {}
        place[leaf] = nothing if value is None or value == "" else value
    return made


def nulled(told: Json, *within: str) -> Json:
    """An object with null for each empty text, of a vendor that has no other word for nothing.

    `within` names its objects, and lists of objects, that are treated alike.
    """
    plain = {name: None if value == "" else value for name, value in told.items()}
    for name in within:
        inner = plain.get(name)
        if isinstance(inner, dict):
            plain[name] = nulled(inner)
        elif isinstance(inner, list):
            plain[name] = [nulled(one) for one in inner]
    return plain
