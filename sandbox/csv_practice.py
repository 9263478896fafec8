"""Practising with a folder of CSV files: there is no vendor, so a file is all there is to make, change and remove."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from sandbox.practice import Practice
from sandbox.simulator import Simulator
from sandbox.state import Json


class CsvPractice(Practice):
    """One file of contacts."""

    system = "csv"
    main = "contacts"
    page = 1000
    id = "contact_id"
    secret = ""
    scopes = False
    edit: ClassVar[Mapping[str, str]] = {"contacts": "first_name"}

    def __init__(self, sim: Simulator | None, folder: Path) -> None:
        super().__init__(sim, folder)
        self.rows: dict[str, dict[str, str]] = {}
        self.columns = ["contact_id", "email", "first_name", "last_name"]
        self._stale = True

    def settings(self) -> Json:
        """The folder and its file."""
        self.flush()
        return {"folder": str(self.folder), "files": {"contacts": {"file": "contacts.csv", "id": "contact_id"}}}

    def flush(self) -> None:
        """Write the file, when something changed."""
        if self._stale:
            with (self.folder / "contacts.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, self.columns)
                writer.writeheader()
                writer.writerows(self.rows.values())
            self._stale = False

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """One more column."""
        self.columns.append("size")
        self._stale = True
        self.flush()
        return "size", "string", ()

    def make(self, resource: str, n: int) -> str:
        """One more row."""
        id = f"c{len(self.rows) + 1:06d}"
        self.rows[id] = {"contact_id": id, "email": f"made{n}@example.com", "first_name": "Ann", "last_name": "Lee"}
        self._stale = True
        return id

    def change(self, resource: str, id: str, n: int) -> None:
        """Another first name."""
        self.rows[id]["first_name"] = f"Changed {n}"
        self._stale = True

    def remove(self, resource: str, id: str) -> None:
        """A row less."""
        del self.rows[id]
        self._stale = True

    def vanish(self, resource: str) -> None:
        """A file with its header only."""
        self.rows.clear()
        self._stale = True

    def lag(self, seconds: float) -> None:
        """A file does not lag."""

    def get(self, resource: str, id: str) -> Json | None:
        """The row."""
        return dict(self.rows[id]) if id in self.rows else None
