"""What a simulated vendor holds: objects in memory and an append-only journal, written per change, replayed at start.

The journal survives SIGKILL (a line cut short at its end is dropped) and doubles as the vendor's own log: each accepted
write stands there with its time, the caller's key and the version it made.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

Json = dict[str, Any]
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """One accepted write. `at` is an instant (µs since the epoch); `object` is None after a delete."""

    seq: int
    at: int
    op: str  # put, delete
    resource: str
    id: str
    object: Json | None
    key: str = ""
    """The caller's idempotency key or external id, for tests that look for doubles."""


class State:
    """Objects by resource and id, in order of creation."""

    def __init__(self, journal: Path | None = None) -> None:
        """`journal`: the file to append to and to replay; None keeps everything in memory."""
        self.lock = threading.RLock()
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1000
        """Where the vendor's time comes from; not journalled."""
        self.changes: list[Change] = []
        self.search_lag = 0.0
        """Seconds by which `visible` trails the truth."""
        self._objects: dict[str, dict[str, Json]] = {}
        self._past: dict[tuple[str, str], list[tuple[int, Json | None]]] = {}
        self._serials: dict[str, int] = {}
        self._memos: dict[str, Any] = {}
        self._offset = 0
        self._frozen: int | None = None
        self._file: BinaryIO | None = None
        if journal is not None:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._replay(journal)
            self._file = journal.open("ab", buffering=0)

    # time -------------------------------------------------------------------------------------------------------------
    def now(self) -> int:
        """The vendor's clock: an instant (µs since the epoch)."""
        return self._frozen if self._frozen is not None else self.clock() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the vendor's clock."""
        if self._frozen is not None:
            self._frozen += int(seconds * SECOND)
        self._offset += int(seconds * SECOND)
        self._append({"op": "clock", "offset": self._offset})

    def freeze(self, at: int | None) -> None:
        """Stop the vendor's clock at an instant; None lets it run again. Not journalled."""
        self._frozen = at

    # objects ----------------------------------------------------------------------------------------------------------
    def put(self, resource: str, id: str, obj: Json, *, key: str = "", at: int | None = None) -> Change:
        """Create or replace an object. The object is stored as given: hand over a copy to change it later."""
        with self.lock:
            return self._write("put", resource, id, obj, key, self.now() if at is None else at)

    def delete(self, resource: str, id: str, *, key: str = "") -> Change:
        """Remove an object."""
        with self.lock:
            return self._write("delete", resource, id, None, key, self.now())

    def get(self, resource: str, id: str) -> Json | None:
        """One object, or None."""
        return self._objects.get(resource, {}).get(id)

    def all(self, resource: str) -> list[Json]:
        """All objects of a resource, oldest put first."""
        with self.lock:
            return list(self._objects.get(resource, {}).values())

    def ids(self, resource: str) -> list[str]:
        """All ids of a resource, oldest put first."""
        with self.lock:
            return list(self._objects.get(resource, {}))

    def resources(self) -> list[str]:
        """The resources that hold or held an object."""
        return [name for name in self._objects if not name.startswith("_")]

    def visible(self, resource: str, lag: float | None = None) -> list[Json]:
        """The objects as an index that trails by `lag` seconds (default `search_lag`) shows them."""
        horizon = self.now() - int((self.search_lag if lag is None else lag) * SECOND)
        with self.lock:
            seen = (self._as_of(resource, id, horizon) for id in self._ids_ever(resource))
            return [obj for obj in seen if obj is not None]

    def changed_at(self, resource: str, id: str) -> int:
        """The instant of an object's last change; 0 when it never was."""
        past = self._past.get((resource, id))
        return past[-1][0] if past else 0

    def serial(self, name: str) -> int:
        """The next number of a sequence, from 1; kept over restarts."""
        with self.lock:
            self._serials[name] = self._serials.get(name, 0) + 1
            self._append({"op": "serial", "name": name, "value": self._serials[name]})
            return self._serials[name]

    def remember(self, name: str, value: Any) -> None:
        """Keep a JSON value by name (stored idempotent answers, jobs)."""
        with self.lock:
            self._memos[name] = value
            self._append({"op": "memo", "name": name, "value": value})

    def recall(self, name: str) -> Any:
        """A remembered value, or None."""
        return self._memos.get(name)

    def close(self) -> None:
        """Close the journal."""
        with self.lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self, op: str, resource: str, id: str, obj: Json | None, key: str, at: int) -> Change:
        change = Change(len(self.changes) + 1, at, op, resource, id, obj, key)
        self._append({"op": op, "at": at, "resource": resource, "id": id, "object": obj, "key": key})
        self._apply(change)
        return change

    def _apply(self, change: Change) -> None:
        kept = self._objects.setdefault(change.resource, {})
        if change.object is None:
            kept.pop(change.id, None)
        else:
            kept[change.id] = change.object
        self._past.setdefault((change.resource, change.id), []).append((change.at, change.object))
        del self._past[change.resource, change.id][:-8]
        self.changes.append(change)

    def _ids_ever(self, resource: str) -> Iterator[str]:
        yield from self._objects.get(resource, {})
        gone = (id for name, id in self._past if name == resource and id not in self._objects.get(resource, {}))
        yield from list(gone)

    def _as_of(self, resource: str, id: str, horizon: int) -> Json | None:
        return next((obj for at, obj in reversed(self._past.get((resource, id), [])) if at <= horizon), None)

    def _append(self, line: Json) -> None:
        if self._file is not None:
            self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _replay(self, journal: Path) -> None:
        if not journal.exists():
            return
        good = 0
        with journal.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._replay_line(orjson.loads(line))
                good += len(line)
        if good < journal.stat().st_size:
            with journal.open("r+b") as cut:
                cut.truncate(good)

    def _replay_line(self, line: Json) -> None:
        match line["op"]:
            case "clock":
                self._offset = line["offset"]
            case "serial":
                self._serials[line["name"]] = line["value"]
            case "memo":
                self._memos[line["name"]] = line["value"]
            case op:
                seq = len(self.changes) + 1
                self._apply(Change(seq, line["at"], op, line["resource"], line["id"], line["object"], line["key"]))
