"""CSV files of one folder, read whole each time: imports and migrations. Also writes rejected rows back, formula-safe.

A row that cannot be read as a record (wrong number of cells, no id, an id already used by another row, broken quoting)
becomes a record all the same, with `_bad_row` saying what is wrong and `_cells` holding its cells: it is parked, never
lost. `_line` is the row's place in the file. Cells stay text; nothing is guessed about them.
"""

from __future__ import annotations

import csv
import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from connectors.base import Connector, ConnectorSettings, Deletes, Resource
from connectors.http import Http
from kernel.clock import instant
from kernel.errors import BadSetting, Retry, Stop
from kernel.ids import content_hash, derived_id
from kernel.records import Check, Cursor, FieldInfo, Json, Page, SourceRecord

PAGE = 1000
BAD_ROW, CELLS, LINE, ID = "_bad_row", "_cells", "_line", "_id"
_DELIMITERS = ",;\t|"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*")
csv.field_size_limit(4 * 1024 * 1024)


def _listed(told: Any) -> Any:
    return [told] if isinstance(told, str) else told


class CsvFile(BaseModel):
    """One file. Delimiter and encoding are found out where they are not given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    file: str
    id: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]  # a column, or several together
    updated_at: str | None = None  # a column with ISO dates or times (UTC where they name no offset)
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    nulls: tuple[str, ...] = ()  # cells that mean "nothing", such as NULL


class CsvSettings(ConnectorSettings):
    """A folder and its files by resource name."""

    folder: Path
    files: Mapping[str, CsvFile]


@dataclass(slots=True)
class _Row:
    line: int
    cells: list[str]
    wrong: str = ""


class CsvFiles(Connector):
    """One folder of CSV files."""

    system: ClassVar[str] = "csv"
    Settings = CsvSettings
    resources: ClassVar[Mapping[str, Resource]] = {}
    """Filled per connection: its files are its resources."""
    setup = ("Put the files into one folder, and name each with the column that holds its ids.",)

    def __init__(self, settings: CsvSettings, http: Http) -> None:
        super().__init__(settings, http)
        self.resources = {  # type: ignore[misc]  # a folder's resources are not known to the class
            name: Resource(
                name,
                id=file.id[0] if len(file.id) == 1 else ID,
                updated_at=file.updated_at,
                incremental=False,
                deletes=Deletes.SWEEP,
                volatile=(LINE,),
            )
            for name, file in settings.files.items()
        }

    @classmethod
    def build_http(cls, settings: CsvSettings, **options: Any) -> Http:
        """Reaches nobody."""
        return Http(base_url="", **options)

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """The whole file in pages. Cursor: {row, mark} in its middle; {} at its end, so that the next read is whole."""
        file, path = self._file(resource)
        mark, started = _mark(path), self.http.clock.now()
        passed = int(since["row"]) if since and since.get("mark") == mark else 0
        page: list[SourceRecord] = []
        row = 0
        for record in _records(file, path):
            row += 1
            if row <= passed:
                continue
            page.append(record)
            if len(page) == PAGE:
                if _mark(path) != mark:
                    raise Retry(f"{resource}: the file changed while it was read", cause="source_changed")
                yield Page(page, {"row": row, "mark": mark}, started)
                page = []
        yield Page(page, {}, started, last=True)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named rows; a missing one is a tombstone."""
        file, path = self._file(resource)
        wanted = set(ids)
        found = {record.id: record for record in _records(file, path) if record.id in wanted}
        return [found.get(id, SourceRecord(id, {}, deleted=True)) for id in ids]

    def check(self) -> list[Check]:
        """Every file: there, readable, with its id columns."""
        checks = []
        for name, file in self.settings.files.items():
            try:
                path = self._file(name)[1]
                header = next(_rows(file, path), _Row(1, [])).cells
                lacking = [column for column in (*file.id, file.updated_at or file.id[0]) if column not in header]
                fix = f"correct the columns of {name}; the file has: {', '.join(header)}"
                checks.append(Check(f"read {name}", not lacking, file.file, fix if lacking else ""))
            except (Stop, OSError) as error:
                told = error.strerror if isinstance(error, OSError) else str(error)
                checks.append(Check(f"read {name}", False, str(told), "put the file into the folder, readable"))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """The columns, all text."""
        file, path = self._file(resource)
        header = next(_rows(file, path), _Row(1, [])).cells
        return [FieldInfo(name, "string", read_only=True, unique=file.id == (name,)) for name in header]

    def _file(self, resource: str) -> tuple[CsvFile, Path]:
        file = self.settings.files.get(resource)
        if file is None:
            known = ", ".join(self.settings.files)
            raise Stop(f"{self.http.connection} has no resource {resource}; it has: {known}", cause="unknown_resource")
        folder = self.settings.folder.resolve()
        path = (folder / file.file).resolve()
        if not path.is_relative_to(folder):
            raise BadSetting(
                f"{self.http.connection}: {resource} lies outside the folder", field=f"files.{resource}.file"
            )
        if not path.is_file():
            raise Stop(f"{self.http.connection}: the file of {resource} is not there", cause="source_missing")
        return file, path


def write_rejects(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> int:
    """Write rows as CSV for a spreadsheet: UTF-8 with BOM, cells that would run as formulas quoted by an apostrophe.

    `columns` orders the columns (default: as first met). The file is replaced whole or not at all. Returns the rows.
    """
    kept = [{name: value for name, value in row.items() if name is not None} for row in rows]
    names = list(columns or dict.fromkeys(name for row in kept for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([_safe(name) for name in names])
        writer.writerows([_safe(row.get(name)) for name in names] for row in kept)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    return len(kept)


def _safe(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _records(file: CsvFile, path: Path) -> Iterator[SourceRecord]:
    """Every row of the file as a record, bad ones marked. Ids come from the id columns."""
    rows = _rows(file, path)
    header = next(rows, _Row(1, [])).cells
    lacking = [column for column in file.id if column not in header]
    if lacking:
        # Its columns are not told: where the header is lost, they are the first person's data. `check` shows them.
        raise Stop(f"the file has no column {', '.join(lacking)} among its {len(header)}", cause="source_changed")
    moment = _moments(file.updated_at, header)
    seen: dict[str, str] = {}
    for row in rows:
        raw: Json = {LINE: row.line}
        if not row.wrong and len(row.cells) != len(header):
            row.wrong = f"{len(row.cells)} cells where the header has {len(header)}"
        if not row.wrong:
            raw |= {name: None if cell in file.nulls else cell for name, cell in zip(header, row.cells, strict=True)}
            id = _id(file, raw)
            print_ = content_hash(row.cells)
            if id is None:
                row.wrong = f"no {' + '.join(file.id)}"
            elif seen.setdefault(id, print_) != print_:
                row.wrong = "its id is already used by another row"
            else:
                yield SourceRecord(id, raw if len(file.id) == 1 else {**raw, ID: id}, moment(row.cells))
                continue
        id = f"row-{derived_id(*row.cells)}"
        yield SourceRecord(id, {**raw, BAD_ROW: row.wrong, CELLS: row.cells}, fault=f"line {row.line}: {row.wrong}")


def _id(file: CsvFile, raw: Json) -> str | None:
    parts = [str(raw[column] or "").strip() for column in file.id]
    if not all(parts):
        return None
    return parts[0] if len(parts) == 1 else "/".join(urllib.parse.quote(part, safe="") for part in parts)


def _rows(file: CsvFile, path: Path) -> Iterator[_Row]:
    """The file's rows, header first; wholly empty lines are no rows."""
    encoding = file.encoding or _encoding(path)
    with path.open(encoding=encoding, newline="") as lines:
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
                yield _Row(line, [], f"cannot be read: {error}")
                continue
            if cells:
                yield _Row(line, [cell.strip() for cell in cells] if line == 1 else cells)


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


def _moments(column: str | None, header: Sequence[str]) -> Callable[[Sequence[str]], int | None]:
    if column is None or column not in header:
        return lambda cells: None
    place = header.index(column)

    def moment(cells: Sequence[str]) -> int | None:
        try:
            told = datetime.fromisoformat(cells[place].strip())
        except ValueError:
            return None
        return instant(told if told.tzinfo else told.replace(tzinfo=UTC))

    return moment


def _mark(path: Path) -> str:
    """What tells whether a file is still the same one."""
    stat = path.stat()
    return f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}"
