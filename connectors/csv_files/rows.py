"""Reading files row by row: CSV of any encoding and delimiter, and JSON lines. Every row comes out, whatever it is like."""

from __future__ import annotations

import csv
import os
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from connectors.csv_files.cells import unsafe
from connectors.csv_files.settings import BAD_ROW, CELLS, ID, LINE, CsvFile
from kernel import strict_json
from kernel.clock import instant
from kernel.errors import Stop
from kernel.ids import content_hash, derived_id
from kernel.records import Json, SourceRecord

LONGEST = 4 * 1024 * 1024
"""Characters of one cell, or bytes of one JSON line; a longer one is a bad row."""
_DELIMITERS = ",;\t|"
_SHOWN = 2000  # of a line that is no JSON
csv.field_size_limit(LONGEST)


@dataclass(slots=True)
class Row:
    """One row: the cells of a CSV file, or the object of a JSON line; or what is wrong with it."""

    line: int
    cells: list[str]
    wrong: str = ""
    told: Json | None = None


def records(file: CsvFile, path: Path) -> Iterator[SourceRecord]:
    """Every row of a file as a record, bad ones marked. Ids come from the id columns."""
    found = _objects(file, path) if file.json_lines else _named(file, path)
    seen: dict[str, str] = {}
    for row in found:
        id = _id(file, row.told) if row.told is not None else None
        if row.told is not None:
            if id is None:
                row.wrong = f"no {' + '.join(file.id)}"
            elif seen.setdefault(id, print_ := content_hash(row.cells or row.told)) != print_:
                row.wrong = "its id is already used by another row"
            else:
                raw = {LINE: row.line, **row.told}
                told = str(_at(raw, file.updated_at) or "") if file.updated_at else ""
                yield SourceRecord(id, raw if len(file.id) == 1 else {**raw, ID: id}, _moment(told))
                continue
        cells = row.cells or [content_hash(row.told)]
        raw = {LINE: row.line, **(row.told or {}), BAD_ROW: row.wrong, CELLS: row.cells}
        yield SourceRecord(f"row-{derived_id(*cells)}", raw, fault=f"{file.file}:{row.line}: {row.wrong}")


def header(file: CsvFile, path: Path) -> list[str]:
    """The columns of a CSV file; of JSON lines the names in the first one."""
    if file.json_lines:
        first = next(_objects(file, path), Row(1, []))
        return list(first.told or {})
    return next(_rows(file, path), Row(1, [])).cells


def mark(path: Path) -> str:
    """What tells whether a file is still the same one."""
    stat = os.stat(path)
    return f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}"


def _named(file: CsvFile, path: Path) -> Iterator[Row]:
    """The rows of a CSV file after its header, each cell by its column."""
    rows = _rows(file, path)
    names = next(rows, Row(1, [])).cells
    lacking = [column for column in file.id if column not in names]
    if lacking and (names or not file.writable):
        # Its columns are not told: where the header is lost, they are the first person's data. `check` shows them.
        raise Stop(f"the file has no column {', '.join(lacking)} among its {len(names)}", cause="source_changed")
    for row in rows:
        if not row.wrong and len(row.cells) != len(names):
            row.wrong = f"{len(row.cells)} cells where the header has {len(names)}"
        if not row.wrong:
            cells = [unsafe(cell) for cell in row.cells] if file.writable else row.cells
            row.told = {name: None if cell in file.nulls else cell for name, cell in zip(names, cells, strict=True)}
        yield row


def _objects(file: CsvFile, path: Path) -> Iterator[Row]:
    """The lines of a JSON file; empty ones are no rows. A line that is no object is a bad row."""
    with path.open("rb") as lines:
        number = 0
        while line := lines.readline(LONGEST + 1):
            number += 1
            if len(line) > LONGEST:
                _skip(lines)
                yield Row(number, [_text(line[:_SHOWN])], f"longer than {LONGEST} bytes")
                continue
            line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if number == 1 and _an_array(line):
                raise Stop("the file is one JSON array, not an object on each line", cause="source_changed")
            if line:
                yield _object(number, line)


def _skip(lines: IO[bytes]) -> None:
    while (more := lines.readline(LONGEST)) and not more.endswith(b"\n"):
        pass


def _an_array(line: bytes) -> bool:
    """Whether a first line begins an array of objects, which may go on for the rest of the file."""
    return line.replace(b" ", b"") == b"[" or line.replace(b" ", b"")[:2] == b"[{"


def _object(number: int, line: bytes) -> Row:
    try:
        told = strict_json.loads(line)
    except strict_json.NotJson as error:
        return Row(number, [_text(line[:_SHOWN])], f"cannot be read: {error}")
    if not isinstance(told, dict):
        return Row(number, [_text(line[:_SHOWN])], "no JSON object")
    return Row(number, [], told=told)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _id(file: CsvFile, raw: Json) -> str | None:
    values = [_at(raw, column) for column in file.id]
    parts = [str(one).strip() if isinstance(one, str | int) and not isinstance(one, bool) else "" for one in values]
    if not all(parts):
        return None
    return parts[0] if len(parts) == 1 else "/".join(urllib.parse.quote(part, safe="") for part in parts)


def _at(raw: Json, name: str) -> Any:
    """A column, or in a JSON line the value at a dotted path."""
    if name in raw:
        return raw[name]
    value: Any = raw
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _rows(file: CsvFile, path: Path) -> Iterator[Row]:
    """A CSV file's rows, header first; wholly empty lines are no rows."""
    encoding = file.encoding or _encoding(path)
    # A byte that is no text in this encoding spoils its row, not the file.
    errors = "replace" if encoding.replace("_", "-").lower().startswith("utf-16") else "surrogateescape"
    with path.open(encoding=encoding, errors=errors, newline="") as lines:
        head = lines.readline()
        lines.seek(0)
        reader = csv.reader(lines, delimiter=file.delimiter or _delimiter(head))
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, [], f"cannot be read: {error}")
                continue
            if any(not cell.isascii() and _SPOILED.search(cell) for cell in cells):
                shown = [cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for cell in cells]
                yield Row(line, shown, f"cannot be read as {encoding}")
            elif cells:
                yield Row(line, [cell.strip() for cell in cells] if line == 1 else cells)


_SPOILED = re.compile("[\udc80-\udcff]")


def _encoding(path: Path) -> str:
    """UTF-8 (with or without BOM), UTF-16 by its BOM, else Windows-1252, in which every file can be read."""
    with path.open("rb") as file:
        start = file.read(4)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
    try:
        with path.open(encoding="utf-8", newline="") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _delimiter(head: str) -> str:
    """The likeliest of , ; TAB | in the header, quoted parts aside."""
    bare = re.sub(r'"[^"]*"', "", head)
    return max(_DELIMITERS, key=bare.count)


def _moment(told: str) -> int | None:
    try:
        found = datetime.fromisoformat(told.strip())
    except ValueError:
        return None
    return instant(found if found.tzinfo else found.replace(tzinfo=UTC))
