"""Keeping a file: one row per golden record under our key, written anew with each batch and put in place in one step.

A reader sees the file before a batch or after it. Killed in between, the same batch again gives the same file: class A.
Each batch copies the file, so what a batch costs grows with it (about 3 µs a row): a file is no database.
"""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from connectors.csv_files.cells import safe, unsafe
from connectors.csv_files.rows import LONGEST
from connectors.csv_files.settings import CsvFile
from kernel.errors import Park, Retry
from kernel.failpoints import failpoint
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome


class Target:
    """One writable file."""

    def __init__(self, file: CsvFile, path: Path) -> None:
        self._file, self._path, self._key = file, path, file.id[0]

    def write(self, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One outcome per item, in order. Raises Retry where the file cannot be written: nothing was."""
        refused = {item.ext_key: error for item in batch if (error := _unfit(item)) is not None}
        wanted = {item.ext_key: item for item in batch if item.ext_key not in refused}
        try:
            with _locked(self._path):
                before = self._replaced(wanted)
        except OSError as error:
            raise Retry(f"the file cannot be written: {error.strerror}", cause="unreachable") from None
        return [_outcome(item, refused.get(item.ext_key), before, self._key) for item in batch]

    def _replaced(self, wanted: dict[str, WriteItem]) -> dict[str, Json]:
        """Write the file with the items in it; the rows that they met, as they were."""
        before: dict[str, Json] = {}
        part = self._path.with_name(f".{self._path.name}.part")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        copy: Callable[..., bool] = self._lines if self._file.json_lines else self._table
        with part.open("wb") as out:
            changed = copy(out, wanted, before)
            out.flush()
            os.fsync(out.fileno())
        if changed or not self._path.exists():
            failpoint("file.written")
            part.replace(self._path)
            failpoint("file.replaced")
        else:
            part.unlink()
        return before

    def _lines(self, out: IO[bytes], wanted: dict[str, WriteItem], before: dict[str, Json]) -> bool:
        changed = False
        for line in self._raw_lines():
            told = _object(line)
            item = wanted.get(str(told.get(self._key))) if told else None
            if told is None or item is None:
                out.write(line if line.endswith(b"\n") else line + b"\n")
                continue
            before[item.ext_key] = told
            row = merged(told, item, nested=True)
            changed |= row != told
            if row is not None:
                out.write(orjson.dumps(row) + b"\n")
        for key, item in wanted.items():
            if key not in before and item.action is not Action.DELETE:
                out.write(orjson.dumps(merged({self._key: key}, item, nested=True)) + b"\n")
                changed = True
        return changed

    def _table(self, out: IO[bytes], wanted: dict[str, WriteItem], before: dict[str, Json]) -> bool:
        rows = self._cells()
        head = next(rows, [])
        named = [name for item in wanted.values() for name in item.fields if item.action is not Action.DELETE]
        names = list(dict.fromkeys([self._key, *self._file.columns, *head, *named]))
        names = list(dict.fromkeys([*head, *names])) if head else names
        writer = _Writer(out)
        writer.row(names)
        changed = names != head
        for cells in rows:
            told = dict(zip(head, map(unsafe, cells), strict=False))
            item = wanted.get(told.get(self._key, ""))
            if item is None or len(cells) != len(head):
                writer.plain(cells + [""] * (len(names) - len(head)))
                continue
            before[item.ext_key] = dict(told)
            row = merged(told, item, nested=False)
            changed |= row is None or any(safe(row.get(name)) != safe(told.get(name)) for name in names)
            if row is not None:
                writer.row([row.get(name) for name in names])
        for key, item in wanted.items():
            if key not in before and item.action is not Action.DELETE:
                row = merged({self._key: key}, item, nested=False) or {}
                writer.row([row.get(name) for name in names])
                changed = True
        return changed

    def _raw_lines(self) -> Iterator[bytes]:
        if self._path.exists():
            with self._path.open("rb") as lines:
                yield from lines

    def _cells(self) -> Iterator[list[str]]:
        if self._path.exists():
            with self._path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
                yield from (cells for cells in csv.reader(lines) if cells)


class _Writer:
    """CSV as bytes, with the mark by which spreadsheets know UTF-8."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._writer = out, csv.writer(self)
        out.write(b"\xef\xbb\xbf")

    def write(self, text: str) -> int:
        """What csv hands on."""
        return self._out.write(text.encode("utf-8", "surrogateescape"))

    def row(self, values: Sequence[Any]) -> None:
        """Values as safe cells."""
        self._writer.writerow([safe(value) for value in values])

    def plain(self, cells: Sequence[str]) -> None:
        """Cells as they are."""
        self._writer.writerow(cells)


def merged(row: Json, item: WriteItem, *, nested: bool) -> Json | None:
    """A row with an item in it; None where it is deleted. Fields that the item does not name stay."""
    if item.action is Action.DELETE:
        return None
    found = orjson.loads(orjson.dumps(row)) if nested else dict(row)
    told = {**item.fields, **{name: vendor_id for name, (_, vendor_id) in item.refs.items()}}
    for name, value in told.items():
        place, steps = found, name.split(".") if nested else [name]
        for step in steps[:-1]:
            inner = place.get(step)
            place[step] = place = inner if isinstance(inner, dict) else {}
        place[steps[-1]] = value
    return found


def _object(line: bytes) -> Json | None:
    try:
        told = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _unfit(item: WriteItem) -> Park | None:
    for name, value in item.fields.items():
        text = value if isinstance(value, str) else ""
        if len(text) > LONGEST - 8:
            return Park(f"{name} is longer than a cell may be", cause="too_large", field=name, trace_id=item.trace_id)
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            return Park(f"{name} holds what is no text", cause="bad_value", field=name, trace_id=item.trace_id)
    return None


def _outcome(item: WriteItem, refused: Park | None, before: dict[str, Json], key: str) -> WriteOutcome:
    if refused is not None:
        return WriteOutcome(error=refused)
    was = before.get(item.ext_key)
    if item.action is Action.DELETE:
        if was is None and item.vendor_id is None:
            return WriteOutcome(error=Park("the row is not there", cause="not_found", trace_id=item.trace_id))
        return WriteOutcome(item.ext_key)
    row = merged(was or {key: item.ext_key}, item, nested=True)
    record = SourceRecord(item.ext_key, row) if row is not None else None
    return WriteOutcome(item.ext_key, record=record, created=was is None if item.action is Action.UPSERT else None)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, in whatever process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
