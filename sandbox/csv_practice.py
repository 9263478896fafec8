"""Practising with a folder of files: there is no vendor, so a file is all there is to make, change and remove."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sandbox.practice import Practice, Written
from sandbox.simulator import Simulator
from sandbox.state import Json

KEY = "throughline_key"
MARK = b"\xef\xbb\xbf"
FILES = {"contacts": "contacts.csv", "accounts": "accounts.csv", "products": "products.jsonl"}
COLUMNS = {
    "contacts": ["contact_id", "email", "first_name", "last_name"],
    "accounts": [KEY, "account", "sector", "website"],
    "products": [KEY, "product", "series", "sku"],
}


class CsvPractice(Practice):
    """A file of contacts that others make, and two that we keep: companies as CSV, products as JSON lines."""

    system = "csv"
    main = "contacts"
    page = 1000
    id = "contact_id"
    secret = ""
    scopes = False
    keyed = KEY
    edit: ClassVar[Mapping[str, str]] = {"contacts": "first_name", "accounts": "account", "products": "product"}
    written: ClassVar[Mapping[str, Written]] = {
        "accounts": Written(
            {"account": "=Company {n}", "sector": "medical", "website": "https://c{n}.example.com"},
            {"account": "+Other"},
            clear="website",
        ),
        "products": Written(
            {"product": "Thing {n}", "series": "T", "sku": "T-{n}"}, {"product": "Other"}, clear="series"
        ),
    }

    def __init__(self, sim: Simulator | None, folder: Path) -> None:
        super().__init__(sim, folder)
        self._columns = {name: list(columns) for name, columns in COLUMNS.items()}
        self._rows: dict[str, dict[str, Json]] = {name: {} for name in FILES}
        self._read: dict[str, tuple[int, dict[str, Json]]] = {}
        self._stale = set(FILES)
        self._numbers = 0
        for file in FILES.values():
            (folder / file).unlink(missing_ok=True)

    def settings(self) -> Json:
        """The folder and its files."""
        self.flush()
        ids = {name: COLUMNS[name][0] for name in FILES}
        files = {n: {"file": file, "id": ids[n], "writable": n != "contacts"} for n, file in FILES.items()}
        return {"folder": str(self.folder), "files": files}

    def flush(self) -> None:
        """Write the files in which something changed."""
        for name in self._stale:
            (self._lines if FILES[name].endswith("l") else self._table)(name)
        self._stale = set()

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """One more column; a JSON line has none of its own."""
        if FILES[resource].endswith("l"):
            return "", "", ()
        self._columns[resource].append("size")
        self._held(resource)
        self._stale.add(resource)
        self.flush()
        return "size", "string", ()

    def make(self, resource: str, n: int) -> str:
        """One more row."""
        self._numbers += 1
        id = f"c{self._numbers:06d}"
        names = self._columns[resource]
        told = {name: f"made{n}@example.com" if name == "email" else "Ann" for name in names[1:4]}
        self._held(resource)[id] = {names[0]: id, **told}
        self._stale.add(resource)
        return id

    def change(self, resource: str, id: str, n: int) -> None:
        """Another name."""
        self._held(resource)[id][self.edit[resource]] = f"Changed {n}"
        self._stale.add(resource)

    def remove(self, resource: str, id: str) -> None:
        """A row less."""
        del self._held(resource)[id]
        self._stale.add(resource)

    def vanish(self, resource: str) -> None:
        """A file with its header only."""
        self._held(resource).clear()
        self._stale.add(resource)

    def lag(self, seconds: float) -> None:
        """A file does not lag."""

    def ids(self, resource: str) -> Sequence[str]:
        """Every row's."""
        return list(self._held(resource))

    def ours(self, resource: str, ext_key: str) -> list[str]:
        """By our key's column, looked at once: a full batch is two thousand rows, each asked for."""
        return [id for id, row in self._held(resource).items() if row.get(KEY) == ext_key]

    def get(self, resource: str, id: str) -> Json | None:
        """The row as the file holds it."""
        found = self._held(resource).get(id)
        return None if found is None else dict(found)

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """A cell as it was meant: an apostrophe keeps a spreadsheet from running it."""
        told = obj.get(name)
        safe = isinstance(told, str) and FILES[resource].endswith("v") and told[:2] in ("'=", "'+", "'-", "'@")
        return told[1:] if safe and told is not None else told

    def _held(self, resource: str) -> dict[str, Json]:
        """What the file holds, read when somebody else wrote it."""
        path = self.folder / FILES[resource]
        if resource in self._stale or not path.exists():
            return self._rows[resource]
        written = path.stat().st_mtime_ns
        if self._read.get(resource, (0, {}))[0] != written:
            content = path.read_bytes().removeprefix(MARK).decode()
            if FILES[resource].endswith("l"):
                rows = [json.loads(line) for line in content.splitlines() if line]
            else:
                rows = list(csv.DictReader(content.splitlines()))
            self._rows[resource] = {str(row[COLUMNS[resource][0]]): row for row in rows}
            self._read[resource] = (written, self._rows[resource])
        return self._rows[resource]

    def _table(self, resource: str) -> None:
        with (self.folder / FILES[resource]).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns[resource], extrasaction="ignore")
            writer.writeheader()
            writer.writerows(self._rows[resource].values())

    def _lines(self, resource: str) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in self._rows[resource].values())
        (self.folder / FILES[resource]).write_text(lines, encoding="utf-8")
