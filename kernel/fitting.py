"""Says what pydantic found wrong in a steward's file in a steward's words: where, what, and what would be right."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong thing: the way to it, the rule, the wrong name as written and the right ones."""

    where: Where
    message: str
    value: str = ""
    allowed: Sequence[str] = ()


def faults(error: ValidationError, model: type[BaseModel], value: Any) -> list[Fault]:
    """The faults of a failed validation. `value` is what was validated; only names written in it are repeated."""
    found: dict[tuple[Where, str], Fault] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=True):
        fault = _fault(item, model, value)
        found.setdefault((fault.where, fault.message), fault)
    return [fault for fault in found.values() if not _only_another_arm(fault, found.values())]


def _only_another_arm(fault: Fault, found: Iterable[Fault]) -> bool:
    """Whether a fault only says that a value is not a union's other alternative, when one alternative nearly fits."""
    depth = len(fault.where)
    deeper = any(len(other.where) > depth and other.where[:depth] == fault.where for other in found)
    return deeper and fault.message.startswith("should be")


def _fault(item: Any, model: type[BaseModel], value: Any) -> Fault:
    kind, location = item["type"], tuple(item["loc"])
    where = _in_file(location, value)
    if kind == "missing":
        return Fault(where, f"'{location[-1]}' is missing")
    if kind == "extra_forbidden":
        name = str(location[-1])
        return Fault(where, f"unknown name '{name}'", name, _names(model, location[:-1]))
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        expected = item.get("ctx", {})
        allowed = re.findall(r"'([^']*)'", str(expected.get("expected") or expected.get("expected_tags") or ""))
        written = _at(value, where)
        return Fault(where, f"'{written}' is not one of the allowed words", str(written), allowed)
    return Fault(where, _plain(str(item["msg"])))


def _plain(message: str) -> str:
    """Pydantic's sentence without its prefixes."""
    return re.sub(r"^(Value error|Assertion failed), ", "", message).replace("Input should be", "should be")


def _in_file(location: Where, value: Any) -> Where:
    """The location less the steps that only name a union's arm."""
    where: list[str | int] = []
    for step in location:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            continue
        where.append(step)
    return tuple(where)


def _at(value: Any, where: Where) -> Any:
    for step in where:
        value = value[step]
    return value


def _names(model: type[BaseModel], location: Where) -> tuple[str, ...]:
    """The names that a model allows at a location."""
    arms: list[Any] = [model]
    for step in location:
        arms = [following for arm in arms for following in _follow(arm, step)] or arms
    names: dict[str, None] = {}
    for arm in (leaf for place in arms for leaf in _arms(place)):
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            names.update((info.alias or name, None) for name, info in arm.model_fields.items())
    return tuple(names)


def _follow(annotation: Any, step: str | int) -> Iterator[Any]:
    for arm in _arms(annotation):
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            if arm.__name__ == step:
                yield arm
            for name, info in arm.model_fields.items():
                if step in (name, info.alias):
                    yield info.annotation
        elif arguments := typing.get_args(arm):
            yield arguments[-1]


def _arms(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, with Annotated and None peeled off."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _arms(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for arm in typing.get_args(annotation):
            yield from _arms(arm)
    elif annotation is not type(None):
        yield annotation
