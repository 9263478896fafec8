"""Sources without a vendor, ready to be read mutant after mutant: a CSV file, a file of JSON lines, a table of a database.

Their rows are the page; what is around them is how the file is written, or what became of the table.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import orjson

from tests.conftest import FakeClock
from tests.drift.mutants import SCHEMA, Mutant, applied, common, drawn
from tests.drift.rig import Rig, fast_store
from tests.drift.tape import Tape

Row = dict[str, Any]
PEOPLE = ("Ada Lovelace", "Bob Fox", "Cy Young", "Di Prince", "Ed Wood", "Fay Wray", "Gus Grissom")


@dataclass
class LocalRig(Rig):
    """Rows of ours in a place of ours."""

    troubles: ClassVar[Sequence[str]]
    """What may happen to the place itself."""
    rows: list[Row] = field(default_factory=list)
    place: Path = Path()

    def mutants(self, seed: int, how_many: int) -> list[Mutant]:
        """Fields as everywhere; the place's own troubles in turn."""
        made = drawn(seed, how_many, [{"rows": self.rows}], _rows, self.mapping.sources)
        paging = [each for each in made if each.kind == "paging"]
        odd = {each.seed: self.troubles[n % len(self.troubles)] for n, each in enumerate(paging)}
        return [replace(each, path=(), how=odd[each.seed]) if each.seed in odd else each for each in made]

    @cached_property
    def steady(self) -> set[tuple[str, ...]]:
        """The columns that are filled."""
        return common(self.rows)

    def mutate(self, mutant: Mutant | None) -> None:
        """Write the rows as the mutant has them."""
        trouble = mutant.how if mutant is not None and mutant.kind == "paging" else ""
        changed = mutant is not None and not trouble
        rows = _rows(applied(mutant, {"rows": self.rows}, _rows)) if mutant is not None and changed else self.rows
        self.put(rows, trouble)

    def put(self, rows: list[Row], trouble: str) -> None:
        """Write these rows, or one of `troubles`."""
        raise NotImplementedError


class CsvRig(LocalRig):
    """A CSV file."""

    troubles = ("no header", "short row", "other delimiter", "other encoding", "cut short")

    def put(self, rows: list[Row], trouble: str) -> None:
        """Header and cells."""
        columns = _columns(rows)
        lines = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
        if trouble == "no header":
            del lines[0]
        if trouble == "short row":
            lines[-1] = lines[-1][:2]
        told = "\n".join((";" if trouble == "other delimiter" else ",").join(line) for line in lines)
        content = told.encode("utf-16" if trouble == "other encoding" else "utf-8")
        self.place.write_bytes(content[:3] if trouble == "cut short" else content)


class LinesRig(LocalRig):
    """A file of JSON lines."""

    troubles = ("one array", "cut short", "other encoding", "a line twice", "not there")

    def put(self, rows: list[Row], trouble: str) -> None:
        """An object a line."""
        content = b"\n".join(orjson.dumps(row) for row in rows)
        if trouble == "one array":
            content = orjson.dumps(rows)
        if trouble == "a line twice":
            content += b"\n" + orjson.dumps(rows[0] | {"email": "another@example.com"})
        if trouble == "other encoding":
            content = content.decode().encode("utf-16")
        self.place.unlink(missing_ok=True)
        if trouble != "not there":
            self.place.write_bytes(content[:-3] if trouble == "cut short" else content)


class SqlRig(LocalRig):
    """A table of a SQLite file, without types of its own: a cell is what was put there."""

    troubles = ("table gone", "table renamed", "no id", "one id twice", "ids lost", "no database")

    def put(self, rows: list[Row], trouble: str) -> None:
        """The table, made anew."""
        self.place.unlink(missing_ok=True)
        if trouble == "no database":
            return
        rows = [dict(row) for row in rows]
        if trouble in ("no id", "ids lost"):
            for row in rows[: None if trouble == "no id" else 2]:
                row["id"] = None
        if trouble == "one id twice":
            rows[-1]["id"] = rows[-2]["id"]
        columns = _columns(rows)
        with closing(sqlite3.connect(self.place)) as db, db:
            if trouble != "table gone":
                name = f"{self.resource}_v2" if trouble == "table renamed" else self.resource
                db.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
                marks = ", ".join("?" * len(columns))
                cells = [[_stored(row.get(column)) for column in columns] for row in rows]
                db.executemany(f"INSERT INTO {name} VALUES ({marks})", cells)


def _rows(body: Any) -> list[Row]:
    found: list[Row] = body["rows"]
    return found


def _columns(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace(",", " ").replace(";", " ")


def _stored(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _person(n: int, name: str) -> Row:
    first, last = name.split()
    return {"email": f"made{n}@example.com", "first_name": first, "last_name": last}


def _made(kind: type[LocalRig], system: str, resource: str, place: Path, rows: list[Row], **more: Any) -> LocalRig:
    clock, store = FakeClock(), fast_store(place.parent)
    tape = Tape(re.compile("^$"))
    rig = kind(system, resource, tape, more.pop("settings"), clock, store, clock.at, rows=rows, place=place, **more)
    rig.learn()
    return rig


def csv_rig(folder: Path) -> LocalRig:
    """A CSV file of contacts; cells have no types."""
    rows = [{"contact_id": f"c{n}", **_person(n, name)} for n, name in enumerate(PEOPLE)]
    settings = {"folder": str(folder), "files": {"contacts": {"file": "contacts.csv", "id": "contact_id"}}}
    schema = ("gone", "renamed", "new")
    return _made(CsvRig, "csv", "contacts", folder / "contacts.csv", rows, settings=settings, schema=schema)


def lines_rig(folder: Path) -> LocalRig:
    """The same contacts as JSON lines."""
    rows = [{"contact_id": f"c{n}", **_person(n, name)} for n, name in enumerate(PEOPLE)]
    settings = {"folder": str(folder), "files": {"contacts": {"file": "contacts.jsonl", "id": "contact_id"}}}
    return _made(LinesRig, "csv", "contacts", folder / "contacts.jsonl", rows, settings=settings)


def people_rig(folder: Path) -> LocalRig:
    """A table of people, read by the time of their last change; a column holds no object, only its text."""
    more = [{"orders": n, "spent": f"{n}.50", "account_id": 40 + n, "updated_at": f"2026-01-0{n + 1} 09:00:00"}
            for n in range(len(PEOPLE))]  # fmt: skip
    rows = [{"id": n + 1, **_person(n, name), **more[n]} for n, name in enumerate(PEOPLE)]
    table = {"table": "contacts", "id": "id", "updated_at": "updated_at"}
    return _sql_rig(folder, "contacts", rows, table)


def companies_rig(folder: Path) -> LocalRig:
    """A table of companies, read whole each time."""
    rows = [{"id": n + 1, "name": f"{name} Ltd", "employees": 10 * n} for n, name in enumerate(PEOPLE)]
    return _sql_rig(folder, "accounts", rows, {"table": "accounts", "id": "id"})


def _sql_rig(folder: Path, resource: str, rows: list[Row], table: Row) -> LocalRig:
    place = folder / f"{resource}.sqlite"
    settings = {"url": f"sqlite:///{place}", "tables": {resource: table}}
    schema = tuple(kind for kind in SCHEMA if kind != "nested")
    return _made(SqlRig, "sql", resource, place, rows, settings=settings, schema=schema)


MAKERS = {"csv": (csv_rig, lines_rig), "sql": (people_rig, companies_rig)}
"""The rigs of each system without a vendor."""


@contextmanager
def local_rigs(system: str, folder: Path) -> Iterator[list[Rig]]:
    """All of a system's, each with a store of its own."""
    found: list[Rig] = []
    try:
        for n, make in enumerate(MAKERS[system]):
            (folder / str(n)).mkdir()
            found.append(make(folder / str(n)))
        yield found
    finally:
        for rig in found:
            rig.store.close()
