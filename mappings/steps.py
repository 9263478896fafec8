"""What a transform is: a step that turns a vendor's value into a canonical one, and back where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from kernel.records import Json
from mappings.paths import ABSENT, parse_path, scoped

Apply = Callable[[Any], Any]
Read = Callable[[Any, Json], Any]
"""Reads from an element and the record around it."""


class Unfit(ValueError):
    """A value cannot be transformed. Holds the rule, never the value."""

    def __init__(self, rule: str, allowed: Sequence[str] = ()) -> None:
        """`rule`: what a right value would be, as a phrase that follows the field's name."""
        super().__init__(rule)
        self.rule, self.allowed = rule, tuple(allowed)


@dataclass(frozen=True, slots=True)
class Step:
    """One compiled transform.

    `apply` gets a value that is there (neither None nor ABSENT) and may answer None or ABSENT. `bind` replaces it where
    the step needs the record: it makes the `apply` for one record. `invert` holds to apply(invert(apply(v))) == apply(v),
    save an instant's original offset. `beside` are further vendor paths that the canonical value also fills when it is
    written.
    """

    apply: Apply
    invert: Apply | None = None
    bind: Callable[[Any, Json], Apply] | None = None
    beside: Mapping[str, Apply] = field(default_factory=dict)
    yields: str = ""  # the dictionary type it ends in, when it does


class Params(BaseModel):
    """Base of the parameters of a transform."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class FromPath(Params):
    """A parameter that is read from the record."""

    path: str
    default: str | None = None


def reader(source: str | FromPath | None) -> tuple[str | None, Read | None]:
    """A parameter as either a constant or a function of the record. Raises ValueError for a bad path."""
    if not isinstance(source, FromPath):
        return source, None
    read, default = scoped(parse_path(source.path)), source.default

    def found(node: Any, root: Json) -> Any:
        value = read(node, root)
        return default if value is ABSENT or value is None or value == "" else value

    return None, found


def same(value: Any) -> Any:
    """The inverse of a step that only tidies."""
    return value


def chain(steps: Sequence[Step]) -> Apply:
    """Several steps that need no record, as one function."""
    functions = tuple(step.apply for step in steps)
    if len(functions) == 1:
        return functions[0]

    def apply(value: Any) -> Any:
        for function in functions:
            value = function(value)
            if value is None or value is ABSENT:
                return value
        return value

    return apply


def bound_chain(steps: Sequence[Step]) -> Callable[[Any, Any, Json], Any]:
    """Several steps, some of which need the record, as one function of (value, element, record)."""
    parts = tuple((step.apply, step.bind) for step in steps)

    def apply(value: Any, node: Any, root: Json) -> Any:
        for function, bind in parts:
            value = (bind(node, root) if bind else function)(value)
            if value is None or value is ABSENT:
                return value
        return value

    return apply


def inverse(steps: Sequence[Step]) -> Apply | None:
    """The way back through several steps; None when one of them has none."""
    ways = [step.invert for step in reversed(steps)]
    if any(way is None for way in ways):
        return None
    back = tuple(way for way in ways if way is not None and way is not same)
    if len(back) == 1:
        return back[0]

    def invert(value: Any) -> Any:
        for way in back:
            value = way(value)
        return value

    return invert
