"""Files of one folder: CSV and JSON lines, read whole each time, or kept by us with a row per golden record.

A row that cannot be read as a record (wrong number of cells, no id, an id already used by another row, broken quoting,
no JSON) becomes a record all the same, with `_bad_row` saying what is wrong and `_cells` holding its cells: it is parked,
never lost. `_line` is the row's place in the file. Cells stay text; nothing is guessed about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from connectors.base import Connector, Resource
from connectors.csv_files.rows import header, mark, records
from connectors.csv_files.settings import CsvFile, CsvSettings
from connectors.csv_files.target import Target
from connectors.http import Http
from kernel.errors import BadSetting, Retry, Stop
from kernel.records import Check, Cursor, FieldInfo, Page, SourceRecord, WriteItem, WriteOutcome

PAGE = 1000


class CsvFiles(Connector):
    """One folder of CSV files and JSON lines; those marked writable are targets."""

    system: ClassVar[str] = "csv"
    Settings = CsvSettings
    resources: ClassVar[Mapping[str, Resource]] = {}
    """Filled per connection: its files are its resources."""
    setup = (
        "Put the files into one folder, and name each with the column that holds its ids.",
        "A file that is to be written is `writable` and need not be there; its id is the column for our key.",
    )

    def __init__(self, settings: CsvSettings, http: Http) -> None:
        super().__init__(settings, http)
        self.resources = {  # type: ignore[misc]  # a folder's resources are not known to the class
            name: file.resource(name) for name, file in settings.files.items()
        }

    @classmethod
    def promised(cls, written: Mapping[str, Any]) -> Mapping[str, Resource]:
        """The files, as the connection describes them."""
        files = written.get("files")
        described = files if isinstance(files, Mapping) else {}
        return {name: CsvFile.model_validate(told).resource(name) for name, told in described.items()}

    @classmethod
    def build_http(cls, settings: CsvSettings, **options: Any) -> Http:
        """Reaches nobody."""
        return Http(base_url="", **options)

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """The whole file in pages. Cursor: {row, mark} in its middle; {} at its end, so that the next read is whole."""
        file, path = self._file(resource)
        started = self.http.clock.now()
        if file.writable and not path.exists():
            yield Page([], {}, started, last=True)
            return
        read_mark = mark(path)
        passed = int(since["row"]) if since and since.get("mark") == read_mark else 0
        page: list[SourceRecord] = []
        for row, record in enumerate(records(file, path), 1):
            if row <= passed:
                continue
            page.append(record)
            if len(page) == PAGE:
                _unchanged(resource, path, read_mark)
                yield Page(page, {"row": row, "mark": read_mark}, started)
                page = []
        _unchanged(resource, path, read_mark)
        yield Page(page, {}, started, last=True)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named rows; a missing one is a tombstone."""
        found = self._rows(resource, set(ids))
        return [found.get(id, SourceRecord(id, {}, deleted=True)) for id in ids]

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """The rows of a writable file by our key, which is their id."""
        found = self._rows(resource, set(ext_keys))
        return {key: [found[key]] if key in found else [] for key in ext_keys}

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """The batch into the file, which is replaced in one step."""
        file, path = self._file(resource)
        if not file.writable:
            raise Stop(f"{resource} is not writable", cause="not_writable")
        return Target(file, path).write(batch)

    def check(self) -> list[Check]:
        """Every file: there, readable, with its id columns; one that we write may be missing yet."""
        checks = []
        for name, file in self.settings.files.items():
            try:
                path = self._file(name)[1]
                names = header(file, path) if path.exists() else []
                lacking = [column for column in (*file.id, file.updated_at or file.id[0]) if column not in names]
                bad = lacking and (names or not file.writable) and not any("." in column for column in lacking)
                fix = f"correct the columns of {name}; the file has: {', '.join(names)}"
                checks.append(Check(f"read {name}", not bad, file.file, fix if bad else ""))
            except (Stop, OSError) as error:
                told = error.strerror if isinstance(error, OSError) else str(error)
                checks.append(Check(f"read {name}", False, str(told), "put the file into the folder, readable"))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """The columns, all text; of JSON lines the names in the first line."""
        file, path = self._file(resource)
        names = header(file, path) if path.exists() else []
        names = list(dict.fromkeys([*names, *((*file.id, *file.columns) if file.writable else ())]))
        return [FieldInfo(name, "string", read_only=not file.writable, unique=file.id == (name,)) for name in names]

    def _rows(self, resource: str, wanted: set[str]) -> dict[str, SourceRecord]:
        file, path = self._file(resource)
        if file.writable and not path.exists():
            return {}
        return {record.id: record for record in records(file, path) if record.id in wanted}

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
        if not path.is_file() and not file.writable:
            raise Stop(f"{self.http.connection}: the file of {resource} is not there", cause="source_missing")
        return file, path


def _unchanged(resource: str, path: Path, read_mark: str) -> None:
    if mark(path) != read_mark:
        raise Retry(f"{resource}: the file changed while it was read", cause="source_changed")
