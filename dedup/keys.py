"""What a part's data says about who it is: the keys of a rules file, drawn out of dictionary data as plain text.

The caller hashes the values with its keyed hash before they are stored or compared; nothing here is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from math import prod
from typing import Any, NamedTuple

from dedup.normalise import Transform

MOST_VALUES = 20
"""Values of one key that one part may hold; a part with more says nothing by this key (a mailing list is nobody)."""


class Strength(StrEnum):
    """How far a shared key may go."""

    EXACT = "exact"  # the same thing named twice: no guess, so no limit; only the engine uses it
    STRONG = "strong"  # joins on its own
    COMPOSITE = "composite"  # joins, but never two records of one resource of one system
    SUPPORT = "support"  # never joins; kept for scoring and for people


_ORDER = {strength: place for place, strength in enumerate(Strength)}


class Key(NamedTuple):
    """One key of one part, in plain normalised text."""

    kind: str
    value: str
    strength: Strength
    limit: int | None
    priority: int


Path = tuple[str, ...]
"""A field, then the way inside it. In an embedded list every entry is looked at, or those that `[name=value]` picks."""


@dataclass(frozen=True, slots=True)
class KeyPiece:
    """Fields and the transform that makes one text of them. `blocked` tells values that identify nobody."""

    paths: tuple[Path, ...]
    transform: Transform
    blocked: Callable[[str], bool]
    entries: tuple[str, tuple[str, ...]] | None = field(init=False)  # (list field, fields of its entries), if all are

    def __post_init__(self) -> None:
        """Note whether the paths lead to fields of one embedded list's entries."""
        inside = len({path[0] for path in self.paths}) == 1 and all(
            len(path) == 2 and not path[1].startswith("[") for path in self.paths
        )
        entries = (self.paths[0][0], tuple(path[1] for path in self.paths)) if inside else None
        object.__setattr__(self, "entries", entries)

    def texts(self, data: Mapping[str, Any]) -> list[str]:
        """The distinct values that are not blocked, in the order of the fields."""
        each, together = self.transform.each, self.transform.together
        found: list[str] = []
        if each is not None:
            for path in self.paths:
                for value in _column(data, path):
                    self._add(each(value), found)
        else:
            assert together is not None
            rows = _rows_inside(data, *self.entries) if self.entries else _rows(data, self.paths)
            for row in rows:
                self._add(together(row), found)
        return found

    def _add(self, text: str | None, found: list[str]) -> None:
        if text is not None and text not in found and not self.blocked(text):
            found.append(text)


@dataclass(frozen=True, slots=True)
class KeyRule:
    """One kind of key of an entity. `limit`: distinct values that one golden record may gather, None for any number."""

    name: str
    strength: Strength
    priority: int = 0
    limit: int | None = None
    hot_after: int | None = None
    pieces: tuple[KeyPiece, ...] = ()

    @property
    def rank(self) -> tuple[int, int, str]:
        """The canonical order of kinds: stronger first, then the lower priority number."""
        return (_ORDER[self.strength], self.priority, self.name)

    def values(self, data: Mapping[str, Any], known: dict[int, list[str]]) -> list[str]:
        """The part's values of this kind; none when a piece has no value.

        `known` remembers the pieces drawn from this data so far: kinds share them.
        """
        columns = []
        for piece in self.pieces:
            texts = known.get(id(piece))
            if texts is None:
                texts = known[id(piece)] = piece.texts(data)
            if not texts:
                return []
            columns.append(texts)
        if prod(map(len, columns)) > MOST_VALUES:
            return []
        return columns[0] if len(columns) == 1 else ["\x1f".join(row) for row in product(*columns)]


EXACT_KINDS: Mapping[str, KeyRule] = {name: KeyRule(name, Strength.EXACT) for name in ("object", "binding")}
"""Kinds the engine itself may add: `object` (another object names this one by its vendor id) and `binding` (a record
read back carries our ext_key). They are stronger than every rule and no rules file may use their names."""


class Blocked:
    """Values that identify nobody, by exact text or by a pattern found anywhere in the text."""

    def __init__(self, exact: Sequence[str], patterns: Sequence[str]) -> None:
        """`patterns`: regular expressions, already known to compile."""
        self._exact = frozenset(value.strip().lower() for value in exact)
        self._pattern = (
            re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE) if patterns else None
        )

    def __call__(self, text: str) -> bool:
        return text.lower() in self._exact or (self._pattern is not None and self._pattern.search(text) is not None)


_NOTHING: list[Any] = []


def _column(data: Mapping[str, Any], path: Path) -> list[Any]:
    """What is at a path: of an embedded list one value per entry, otherwise one; empty where the field is not there."""
    value = data.get(path[0])
    if value is None:
        return _NOTHING
    for step in path[1:]:
        value = _inside(value, step)
    if value is None:
        return _NOTHING
    return value if isinstance(value, list) else [value]


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, list):
        if step.startswith("["):
            name, _, wanted = step[1:-1].partition("=")
            return [entry for entry in value if isinstance(entry, dict) and entry.get(name) == wanted]
        return [entry.get(step) for entry in value if isinstance(entry, dict)]
    return value.get(step) if isinstance(value, dict) else None


def _rows(data: Mapping[str, Any], paths: Sequence[Path]) -> list[Sequence[Any]]:
    """The fields of each entry of an embedded list together; without a list, all as one row. None may be missing."""
    columns: list[list[Any]] = []
    for path in paths:
        column = _column(data, path)
        if not column or (columns and len(column) != len(columns[0])):
            return []
        columns.append(column)
    return [row for row in zip(*columns, strict=True) if None not in row]


def _rows_inside(data: Mapping[str, Any], name: str, fields: Sequence[str]) -> list[Sequence[Any]]:
    """`_rows` of fields of one embedded list."""
    found = data.get(name) or ()
    entries = [found] if isinstance(found, dict) else found
    rows = [[entry.get(each) for each in fields] for entry in entries if isinstance(entry, dict)]
    return [row for row in rows if None not in row]
