"""Schema drift: what a stream's records look like, and what is no longer as it was. Names and kinds only, never a value.

Each batch is looked at through a few of its records. What the stream showed before is remembered beside its checkpoint, so
a field that is gone, new or of another kind is a warning in the same run. A mapped field that is gone is told in every
run until it is back; everything else is told once and is then how the stream looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from connectors.base import Connector
from journey.counts import Counts
from journey.syncs import Stream
from kernel.errors import Stop, ThroughlineError
from kernel.ids import content_hash
from kernel.records import Page, SourceRecord
from kernel.store import Store
from kernel.store.tables import checkpoint
from mappings import Mapping
from mappings.paths import getter

SAMPLE = 16
"""Records of a batch that are walked whole; a thousand cost as much as sixteen."""

STEADY = 5
"""Records that must have had a field, all of them, before its absence means anything."""

MOST = 600
"""Fields remembered of a stream; vendors with more are watched in part."""

CHOICES = 40
"""Values by which a field still counts as a picklist."""

_CHOICE = "="
_KINDS = {str: "text", bool: "flag", int: "number", float: "number", dict: "object", list: "list"}
_ODD = re.compile(r"@|\d{5}|[\x00-\x1f]")


def sound(connector: Connector, stream: Stream, pages: Iterable[Page]) -> Iterator[Page]:
    """The pages of a read. What is no page, or holds a record without an id, stops the stream before its cursor moves."""
    reading = iter(pages)
    while True:
        try:
            page = next(reading)
        except StopIteration:
            return
        except ThroughlineError as error:
            if stream.connection not in error.message:
                error.message = f"{stream}: {error.message}"
            raise
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise _changed(connector, stream, f"{type(error).__name__} at {_place(error)}") from None
        if any(_nameless(record) for record in page.records):
            raise _changed(connector, stream, "a record has no id")
        yield page


def _nameless(record: SourceRecord) -> bool:
    id = record.id
    return not isinstance(id, str) or not id or id == "None" or id[0] in "[{"


def _changed(connector: Connector, stream: Stream, what: str) -> Stop:
    told = f"{stream}: {connector.system} answers in another shape than it promised ({what}); nothing of it was taken"
    return Stop(told, cause="changed_shape")


def _place(error: BaseException) -> str:
    """Where it happened: file and line, never the message, which may hold a value."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return "an unknown place" if at is None else f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"


class Shape:
    """How one stream's records look: by dotted path, the kinds seen and of how many records it was never missing."""

    def __init__(self, stream: Stream, mapping: Mapping, stored: dict[str, Any] | None = None) -> None:
        """`stored`: what `save` kept."""
        self.stream, self.sources = stream, mapping.sources
        self._stored = stored or {}
        self._before = bool(stored)
        self._kinds = {path: set(told[0]) for path, told in self._stored.items() if path[0] != _CHOICE}
        self._steady: dict[str, int] = {path: told[1] for path, told in self._stored.items() if path in self._kinds}
        self._choices = {path: set(self._stored.get(_CHOICE + path, [()])[0]) for path in mapping.decisive}
        self._decisive = [(path, getter(tuple(path.split(".")))) for path in sorted(mapping.decisive)]

    @classmethod
    def load(cls, store: Store, stream: Stream, mapping: Mapping) -> Shape:
        """As the run before left it."""
        with store.read() as conn:
            text = conn.execute(select(checkpoint.c.shape).where(*_is(stream))).scalar()
        return cls(stream, mapping, orjson.loads(text) if text else None)

    def save(self, store: Store) -> None:
        """Keep it, where it changed and the stream has a checkpoint."""
        now = {path: [sorted(kinds), self._steady.get(path, 0)] for path, kinds in self._kinds.items()}
        now |= {_CHOICE + path: [sorted(marks), 0] for path, marks in self._choices.items() if marks}
        if now != self._stored:
            with store.write("shape") as conn:
                conn.execute(checkpoint.update().where(*_is(self.stream)).values(shape=orjson.dumps(now).decode()))

    def look(self, records: Sequence[SourceRecord], counts: Counts) -> None:
        """Look at a batch; what differs from before is a warning."""
        alive = [each.raw for each in records if not each.deleted and not each.fault]
        if not alive:
            return
        sample = alive[:: -(-len(alive) // SAMPLE)]
        seen: dict[str, set[str]] = {}
        times: dict[str, int] = {}
        for raw in sample:
            _walk(raw, "", seen, times)
        self._fold(seen, times)
        holders: dict[str, int] = {"": len(sample)} | times
        self._gone(alive, seen, holders, counts)
        self._compared(seen, counts)
        self._chosen(alive, counts)
        for path in seen:
            there = times[path]
            full = there >= holders.get(_parent(path), 0)
            before = self._steady.get(path)
            self._steady[path] = 0 if not full or before == 0 else min((before or 0) + there, STEADY)

    def _fold(self, seen: dict[str, set[str]], times: dict[str, int]) -> None:
        """A name inside an object that only one record has may be that record's data: all such names are one, `*`."""
        folded: tuple[str, ...] = ()
        for path in sorted(seen):
            if folded and path.startswith(folded):
                del seen[path], times[path]
            elif _parent(path) and times[path] < 2 and path[-1] not in "*]" and not self._named(path):
                joined = f"{_parent(path)}.*"
                folded += (f"{path}.", f"{path}[")
                seen.setdefault(joined, set()).update(seen.pop(path))
                times[joined] = times.get(joined, 0) + times.pop(path)

    def _named(self, path: str) -> bool:
        return path in self._kinds or path in self.sources or any(one.startswith(f"{path}.") for one in self.sources)

    def _compared(self, seen: dict[str, set[str]], counts: Counts) -> None:
        before = {path for path, kinds in self._kinds.items() if "object" in kinds or path.endswith("[]")} | {""}
        for path, kinds in seen.items():
            known = self._kinds.get(path)
            if known is None:
                if len(self._kinds) < MOST:
                    self._kinds[path] = set(kinds)
                    if self._before and _parent(path) in before and not path.endswith("[]"):
                        unread = "" if path in self.sources else " and no mapping reads it"
                        counts.warn(f"{self.stream} {path} is a new field{unread}")
                continue
            if self._before and known and (other := kinds - known):
                counts.warn(f"{self.stream} {path} is {_or(other)} now and was {_or(known)}")
            known |= kinds

    def _chosen(self, alive: Sequence[Any], counts: Counts) -> None:
        """A value never seen where the mapping decides by it: kept as a mark of it, never as itself."""
        for path, read in self._decisive:
            known = self._choices[path]
            if len(known) > CHOICES:
                continue  # no picklist
            found = {value for value in map(read, alive) if type(value) is str}
            if fresh := {content_hash(value)[:8] for value in islice(found, CHOICES + 1)} - known:
                if self._before and known:
                    counts.warn(f"{self.stream} {path} has a value that it never had, and the mapping decides by it")
                known |= fresh

    def _gone(self, alive: Sequence[Any], seen: dict[str, set[str]], holders: dict[str, int], counts: Counts) -> None:
        for path, steady in list(self._steady.items()):
            if steady < STEADY or path in seen or not holders.get(_parent(path)):
                continue
            if "*" in path or any(_has(raw, path.split(".")) for raw in alive):
                self._steady[path] = 0
            elif path in self.sources:
                counts.warn(f"{self.stream} {path} is gone: the mapping reads it and no record has it")
            else:
                counts.warn(f"{self.stream} {path} is gone: no record has it")
                del self._steady[path], self._kinds[path]


def _walk(node: dict[str, Any], prefix: str, seen: dict[str, set[str]], times: dict[str, int]) -> None:
    for name, value in node.items():
        path = prefix + (name if len(name) <= 64 and "." not in name and not _ODD.search(name) else "*")
        kinds = seen.get(path)
        if kinds is None:
            kinds = seen[path] = set()
            times[path] = 1
        else:
            times[path] += 1
        if value is None:
            continue
        kinds.add(_KINDS.get(type(value), "text"))
        if type(value) is dict:
            _walk(value, path + ".", seen, times)
        elif type(value) is list:
            for item in value[:2]:
                if type(item) is dict:
                    times[path + "[]"] = times.get(path + "[]", 0) + 1
                    seen.setdefault(path + "[]", set())
                    _walk(item, path + "[].", seen, times)


def _parent(path: str) -> str:
    """`a.b` of `a.b.c`, `a[]` of `a[].b`, `a` of `a[]`."""
    return path[:-2] if path.endswith("[]") else path.rpartition(".")[0]


def _has(node: Any, steps: Sequence[str]) -> bool:
    """Whether a record has a field, anywhere in the lists on the way to it."""
    if not steps:
        return True
    if not isinstance(node, dict):
        return False
    name = steps[0].removesuffix("[]")
    if name not in node:
        return False
    if name == steps[0]:
        return _has(node[name], steps[1:])
    inner = node[name]
    return isinstance(inner, list) and any(_has(item, steps[1:]) for item in inner)


def _or(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(kinds))


def _is(stream: Stream) -> tuple[Any, ...]:
    return (
        checkpoint.c.connection == stream.connection,
        checkpoint.c.resource == stream.resource,
        checkpoint.c.backfill == "",
    )
