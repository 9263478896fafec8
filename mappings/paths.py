"""Dotted paths into a vendor's JSON, compiled once to closures.

`a.b.0.c` follows keys and list positions. A path that leads nowhere gives ABSENT; one that ends in, or passes through,
a null gives None: "there is no address" also says that there is no city. Inside an `each`, a path is read from the
element; `$.a` is read from the record around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

import jmespath
import jmespath.exceptions

from kernel.records import Json


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""Nothing was said: neither a value nor null."""

Path = tuple[str, ...]
Getter = Callable[[Any], Any]

ROOT = "$"
_STEP = re.compile(r"[^\s.$\[\]{}]+(?: [^\s.$\[\]{}]+)*|\$")


def parse_path(text: str) -> Path:
    """A dotted path as its steps. Raises ValueError."""
    steps = tuple(text.split("."))
    if not all(_STEP.fullmatch(step) for step in steps) or ROOT in steps[1:] or steps == (ROOT,):
        raise ValueError(f"'{text}' is not a path like a.b or $.a.b")
    return steps


def getter(path: Path) -> Getter:
    """A function that reads a path."""
    if len(path) == 1:
        (only,) = path

        def read_one(node: Any) -> Any:
            return node.get(only, ABSENT) if isinstance(node, dict) else _step(node, only)

        return read_one

    def read(node: Any) -> Any:
        for step in path:
            node = node.get(step, ABSENT) if isinstance(node, dict) else _step(node, step)
            if node is None or node is ABSENT:
                return node
        return node

    return read


def _step(node: Any, step: str) -> Any:
    """One step into what is not an object."""
    if node is None:
        return None
    if isinstance(node, list) and step.isascii() and step.isdigit() and len(step) < 6 and int(step) < len(node):
        return node[int(step)]
    return ABSENT


class Extractor:
    """Reads many paths at once: each shared parent is walked to only once."""

    def __init__(self) -> None:
        self._groups: dict[tuple[bool, Path], list[str]] = {}
        self._slots: dict[tuple[tuple[bool, Path], str], int] = {}
        self._plan: tuple[tuple[bool, Getter | None, tuple[str, ...]], ...] = ()

    def add(self, path: Path) -> tuple[tuple[bool, Path], str]:
        """Note a path; ask `slot` for its place when all are noted."""
        outer = path[0] == ROOT
        steps = path[1:] if outer else path
        group = (outer, steps[:-1])
        keys = self._groups.setdefault(group, [])
        if steps[-1] not in keys:
            keys.append(steps[-1])
        return group, steps[-1]

    def finish(self) -> None:
        """Fix the order of the values."""
        plan, place = [], 0
        for (outer, parent), keys in self._groups.items():
            plan.append((outer, getter(parent) if parent else None, tuple(keys)))
            for key in keys:
                self._slots[(outer, parent), key] = place
                place += 1
        self._plan = tuple(plan)

    def slot(self, ticket: tuple[tuple[bool, Path], str]) -> int:
        """The place of a noted path among the values."""
        return self._slots[ticket]

    def __call__(self, node: Any, root: Json) -> list[Any]:
        """The values of all noted paths."""
        values: list[Any] = []
        for outer, parent, keys in self._plan:
            found = root if outer else node
            if parent is not None:
                found = parent(found)
            if isinstance(found, dict):
                get = found.get
                values += [get(key, ABSENT) for key in keys]
            else:
                values += [ABSENT if found is ABSENT else _step(found, key) for key in keys]
        return values


def scoped(path: Path) -> Callable[[Any, Json], Any]:
    """A function that reads a path from an element and the record around it."""
    if path[0] == ROOT:
        read = getter(path[1:])
        return lambda node, root: read(root)
    read = getter(path)
    return lambda node, root: read(node)


def searching(text: str) -> Callable[[Any, Json], Any]:
    """A function that reads a JMESPath expression; ABSENT for null or what it cannot read. Raises ValueError."""
    try:
        expression = jmespath.compile(text)
    except jmespath.exceptions.JMESPathError:
        raise ValueError("is not a JMESPath expression") from None

    def read(node: Any, root: Json) -> Any:
        try:
            found = expression.search(node)
        except jmespath.exceptions.JMESPathError:
            return ABSENT
        return ABSENT if found is None else found

    return read


def dotted(steps: Sequence[str]) -> str:
    """Steps as text."""
    return ".".join(steps)
