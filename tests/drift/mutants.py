"""Mutants of a vendor's answers: one change each, drawn from a seed; the same seed gives the same mutants."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("gone", "renamed", "retyped", "picklist", "longer", "null", "nested", "new", "paging")
SCHEMA = ("gone", "renamed", "retyped", "nested", "new")
"""Kinds that change a field in every record; they must be reported by name."""


@dataclass(frozen=True)
class Mutant:
    """One change. `path` leads to a field of a record, or of the answer around the records (`paging`)."""

    kind: str
    path: tuple[str, ...]
    how: str = ""
    seed: int = 0

    def __str__(self) -> str:
        """For a test's name and a figure."""
        return f"{self.kind} {'.'.join(self.path)} {self.how}".strip() + f" (seed {self.seed})"


def drawn(
    seed: int,
    how_many: int,
    bodies: Sequence[Any],
    places: Callable[[Any], list[dict[str, Any]]],
    mapped: frozenset[str],
) -> list[Mutant]:
    """So many mutants of these answers; all kinds in turn, every other one of a field that the mapping reads."""
    rng = random.Random(seed)
    fields = sorted({path for body in bodies for record in places(body) for path in _paths(record)})
    texts = {
        path for body in bodies for record in places(body)[:1] for path in _paths(record) if _is_text(record, path)
    }
    read = [path for path in fields if any(told in mapped for told in _told(path))] or fields
    around = sorted({path for body in bodies for path in _around(body, places(body))})
    found = []
    for n in range(how_many):
        kind = KINDS[n % len(KINDS)]
        how = ""
        if kind == "paging":
            path = rng.choice(around)
            how = rng.choice(("gone", "renamed", "retyped", "null", "wrapped"))
        else:
            among = read if n // len(KINDS) % 2 else fields
            if kind in ("picklist", "longer"):
                among = [path for path in among if path in texts] or sorted(texts)
            path = rng.choice(among)
        found.append(Mutant(kind, path, how, n))
    return found


def applied(mutant: Mutant, body: Any, places: Callable[[Any], list[dict[str, Any]]]) -> Any:
    """The answer as the mutant has it."""
    body = copy.deepcopy(body)
    if mutant.kind == "paging":
        for holder, name in _holders(body, mutant.path):
            _change(holder, name, mutant.how)
        return body
    records = places(body)
    chosen = records[:1] if mutant.kind in ("picklist", "longer") else records
    for record in chosen:
        for holder, name in _holders(record, mutant.path):
            _change(holder, name, mutant.kind)
    return body


def common(records: Sequence[dict[str, Any]]) -> set[tuple[str, ...]]:
    """The fields that stand in each of these records, lists aside, and hold something there: no null, no empty text."""
    each = ({path for path in _paths(record) if "[]" not in path and _filled(record, path)} for record in records)
    return set.intersection(*each)


def _filled(record: dict[str, Any], path: tuple[str, ...]) -> bool:
    return all(holder[name] != "" for holder, name in _holders(record, path))


def _is_text(record: dict[str, Any], path: tuple[str, ...]) -> bool:
    return any(isinstance(holder[name], str) for holder, name in _holders(record, path))


def dotted(path: Sequence[str]) -> str:
    """A path as the engine tells it."""
    return ".".join(path).replace(".[]", "[]")


def _told(path: Sequence[str]) -> list[str]:
    """A path and what stands around it, as a mapping may read it."""
    return [dotted(path[:length]) for length in range(1, len(path) + 1)]


def _change(holder: dict[str, Any], name: str, how: str) -> None:
    value = holder[name]
    if how == "gone":
        del holder[name]
    elif how == "renamed":
        holder[f"{name}_v2"] = holder.pop(name)
    elif how == "new":
        holder[f"{name}_new"] = value
    elif how == "null":
        holder[name] = None
    elif how in ("nested", "wrapped"):
        holder[name] = {"value": value}
    elif how == "retyped":
        holder[name] = retyped(value)
    elif how == "picklist" and isinstance(value, str):
        holder[name] = "brand_new_value"
    elif how == "longer" and isinstance(value, str):
        holder[name] = value + "x" * 5_000


def retyped(value: Any) -> Any:
    """A value of another type, as vendors change them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"about {value}"
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return {str(n): item for n, item in enumerate(value)}
    return [value] if isinstance(value, dict) else 7


def _paths(node: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(node, dict) and len(before) < 5:
        for name, value in node.items():
            if name in ("pageInfo", "client_secret"):  # not of the record; taken out on purpose
                continue
            if value is not None:
                yield (*before, name)
            yield from _paths(value, (*before, name))
    elif isinstance(node, list):
        for item in node[:2]:
            yield from _paths(item, (*before, "[]"))


def _around(body: Any, records: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Paths of the answer that are not within a record."""
    inside = {id(record) for record in records}

    def walk(node: Any, before: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if id(node) in inside:
            return
        if isinstance(node, dict):
            for name, value in node.items():
                yield (*before, name)
                yield from walk(value, (*before, name))
        elif isinstance(node, list):
            for item in node[:2]:
                yield from walk(item, (*before, "[]"))

    yield from walk(body, ())


def _holders(node: Any, path: tuple[str, ...]) -> list[tuple[dict[str, Any], str]]:
    """Every (object, name) that a path leads to."""
    at: list[Any] = [node]
    for step in path[:-1]:
        if step == "[]":
            at = [item for each in at if isinstance(each, list) for item in each]
        else:
            at = [each[step] for each in at if isinstance(each, dict) and step in each]
    return [(each, path[-1]) for each in at if isinstance(each, dict) and path[-1] in each]
