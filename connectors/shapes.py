"""From a vendor's answers to records: what an answer must hold, one object as a record, several in the order asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from connectors.base import Resource
from connectors.dotted import at
from connectors.http import Answer
from kernel.clock import instant_of
from kernel.records import Json, SourceRecord

One = TypeVar("One")


def held(answer: Answer, path: str = "", kind: type[Any] = dict) -> Any:
    """What stands at a dotted path of an answer. A 200 without it says nothing: it is not an empty object or list."""
    found = at(answer.json(), path)
    if not isinstance(found, kind):
        raise answer.unreadable(f"the answer holds no {path or kind.__name__}")
    return found


def time_of(told: Any) -> int | None:
    """A time in ISO 8601 as an instant, UTC where it names no zone; None for none, and for what is no time."""
    try:
        return instant_of(told) if isinstance(told, str) and told else None
    except ValueError:
        return None


def record_of(spec: Resource, raw: Json, *, deleted: bool = False) -> SourceRecord:
    """An object as a record: its id and its time stand where `spec` says. A tombstone keeps its id alone.

    An object without an id, or with a time that is none, is told by its `fault`, so that it is parked and not lost.
    """
    id, told = at(raw, spec.id), at(raw, spec.updated_at) if spec.updated_at else None
    named = "" if id is None else str(id)
    when = time_of(told)
    if deleted:
        return SourceRecord(named, {spec.id: id}, when, deleted=True, fault="" if named else "it has no id")
    fault = "it has no id" if not named else f"its {spec.updated_at} is no time" if told and when is None else ""
    return SourceRecord(named, raw, when, fault=fault)


def as_asked(spec: Resource, ids: Sequence[str], found: Iterable[SourceRecord]) -> list[SourceRecord]:
    """The objects found, in the order of the ids asked for; one that is missing is a tombstone.

    What has another id than any asked for (the survivor of a merge) comes last.
    """
    there = {record.id: record for record in found}
    named = [there.get(id) or SourceRecord(id, {spec.id: id}, deleted=True) for id in ids]
    return [*named, *(record for id, record in there.items() if id not in set(ids))]


def by_key(keys: Iterable[str], found: Iterable[SourceRecord], path: str) -> dict[str, list[SourceRecord]]:
    """Those of the objects that hold one of our keys at a dotted path, by key; each object once, as it was seen last."""
    latest = {record.id: record for record in found if not record.deleted}
    ours: dict[str, list[SourceRecord]] = {key: [] for key in keys}
    for record in latest.values():
        key = at(record.raw, path)
        if isinstance(key, str) and key in ours:
            ours[key].append(record)
    return ours


def parts(items: Sequence[One], size: int) -> Iterator[Sequence[One]]:
    """The items, so many at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def flag(told: Any) -> bool:
    """A vendor's yes or no; nothing is no. Raises TypeError for what is neither: it must never read as "deleted"."""
    if told is None or isinstance(told, bool):
        return bool(told)
    raise TypeError("neither yes nor no")
