"""The closed list of predicates that `when:` may ask of a record."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dictionary.values import moment_of
from kernel.records import Json
from mappings.paths import ABSENT, parse_path, scoped, searching
from mappings.steps import Unfit
from mappings.times import TimeParams, instant

Predicate = Callable[[Any, Json], bool]
"""Asks an element and the record around it. Never raises."""

Word = Literal[
    "present",
    "absent",
    "equals",
    "not_equals",
    "in",
    "not_in",
    "matches",
    "contains",
    "before",
    "after",
    "true",
    "false",
]
_TAKES_NONE = frozenset({"present", "absent", "true", "false"})
_TAKES_LIST = frozenset({"in", "not_in"})


class When(BaseModel):
    """One condition, or several under all, any or not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    all: list[When] | None = None
    any: list[When] | None = None
    no: When | None = Field(None, alias="not")
    path: str | None = None
    jmespath: str | None = Field(None, description="where a plain path is not enough")
    word: Word | None = Field(None, alias="is")
    value: Any = None
    unit: Literal["s", "ms"] | None = Field(None, description="for before and after: numbers are time since 1970")

    @model_validator(mode="after")
    def _one_form(self) -> When:
        groups = sum(given is not None for given in (self.all, self.any, self.no))
        single = [given for given in (self.path, self.jmespath) if given is not None]
        if groups + len(single) != 1:
            raise ValueError("needs exactly one of `path` or `jmespath` (with `is`), `all`, `any`, `not`")
        if not single:
            return self
        if self.word is None:
            raise ValueError("a `path` or `jmespath` needs `is`")
        if self.word in _TAKES_NONE:
            if self.value is not None:
                raise ValueError(f"`is: {self.word}` takes no `value`")
        elif self.value is None or isinstance(self.value, list) != (self.word in _TAKES_LIST):
            raise ValueError(f"`is: {self.word}` needs a `value`{' list' if self.word in _TAKES_LIST else ''}")
        return self


def compile_when(when: When) -> Predicate:
    """A condition as a function. Raises ValueError for a bad path, pattern or time."""
    if when.all is not None:
        parts = [compile_when(part) for part in when.all]
        return lambda node, root: all(part(node, root) for part in parts)
    if when.any is not None:
        parts = [compile_when(part) for part in when.any]
        return lambda node, root: any(part(node, root) for part in parts)
    if when.no is not None:
        inner = compile_when(when.no)
        return lambda node, root: not inner(node, root)
    read = searching(when.jmespath) if when.jmespath is not None else scoped(parse_path(when.path or ""))
    test = _test(when)
    return lambda node, root: test(read(node, root))


def _test(when: When) -> Callable[[Any], bool]:
    simple = _SIMPLE.get(when.word or "")
    if simple is not None:
        return simple
    expected: Any = when.value
    match when.word:
        case "equals":
            return lambda value: _same(value, expected)
        case "not_equals":
            return lambda value: not _same(value, expected)
        case "in":
            return lambda value: any(_same(value, one) for one in expected)
        case "not_in":
            return lambda value: not any(_same(value, one) for one in expected)
        case "contains":
            return lambda value: _contains(value, expected)
        case "matches":
            # Only * ? [abc]: fnmatch makes a pattern that cannot backtrack.
            pattern = re.compile(fnmatch.translate(str(expected).lower()))
            return lambda value: isinstance(value, str) and pattern.match(value.lower()[:4096]) is not None
        case _:
            return _time_test(when)


def _time_test(when: When) -> Callable[[Any], bool]:
    step = instant(TimeParams(unit=when.unit, zone="UTC"))

    def moment(value: Any) -> datetime | None:
        if value is None or value is ABSENT:
            return None
        try:
            told = step.apply(value)
            return moment_of(told) if told else None
        except (Unfit, ValueError):
            return None

    limit = moment(when.value if isinstance(when.value, str | int) else None)
    if limit is None:
        raise ValueError(f"`is: {when.word}` needs a time as its `value`")
    earlier = when.word == "before"

    def test(value: Any) -> bool:
        told = moment(value)
        return told is not None and (told < limit if earlier else told > limit)

    return test


def _present(value: Any) -> bool:
    """Whether something is there: not absent, null, blank text or an empty list or object."""
    if value is ABSENT or value is None:
        return False
    return bool(value.strip()) if isinstance(value, str) else value not in ([], {})


def _same(value: Any, expected: Any) -> bool:
    """Equal as JSON, or as text where one side is text: vendors write numbers and yes-or-no both ways."""
    if value is ABSENT or value is None:
        return False
    if isinstance(value, str) is isinstance(expected, str):
        return bool(value == expected) and isinstance(value, bool) is isinstance(expected, bool)
    return _word(value) == _word(expected)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contains(value: Any, expected: Any) -> bool:
    if isinstance(value, str):
        return str(expected).lower() in value.lower()
    return isinstance(value, list) and any(_same(one, expected) for one in value)


_SIMPLE: Mapping[str, Callable[[Any], bool]] = {
    "present": _present,
    "absent": lambda value: not _present(value),
    "true": lambda value: _same(value, True),
    "false": lambda value: _same(value, False),
}


def describe(when: When) -> str:
    """A condition in words, for `filtered`; holds what the steward wrote, never a record's value."""
    if when.all is not None:
        return " and ".join(describe(part) for part in when.all)
    if when.any is not None:
        return " or ".join(describe(part) for part in when.any)
    if when.no is not None:
        return f"not ({describe(when.no)})"
    told = f" {when.value}" if when.value is not None else ""
    return f"{when.path or when.jmespath} is {(when.word or '').replace('_', ' ')}{told}"
