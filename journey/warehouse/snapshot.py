"""One snapshot: a new DuckDB file is built beside the former one and takes its place in one step.

Readers see the old file or the new one. Killed at any moment the former stays whole, and the next snapshot clears away
what was begun. Made again without a change in between, it holds the same rows. The store is read a page at a time while
others may write to it: each record is as of the moment its page was read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb
import orjson
from sqlalchemy import Connection, select

from dictionary import Dictionary
from journey.warehouse import history
from journey.warehouse.columns import Column, columns, rows_type
from journey.warehouse.history import quoted
from kernel.clock import moment
from kernel.errors import Stop
from kernel.failpoints import failpoint
from kernel.leases import hold
from kernel.store import Store, bulk
from kernel.store.tables import golden, link

PAGE = 2000
_OBJECT = 64 * 1024 * 1024  # the largest record in bytes
_BEGUN = ".snapshot-"
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Snapshot:
    """What one snapshot holds: by entity, records and versions of them."""

    path: Path
    records: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


def snapshot(
    store: Store, words: Dictionary, path: Path, personal: str, run_id: str, progress: Progress = lambda what, n: None
) -> Snapshot:
    """Replace the file at `path`. `personal`: see `columns.columns`. Raises Held while another worker makes one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold(store, "warehouse") as lease:
        for left in path.parent.glob(f"{_BEGUN}*"):  # of a worker that was killed: we hold its lease
            shutil.rmtree(left, ignore_errors=True)
        scratch = path.parent / f"{_BEGUN}{run_id}"
        scratch.mkdir(mode=0o700)
        try:

            def on(what: str, done: int) -> None:
                lease.renew()
                progress(what, done)

            made = _Making(store, words, personal, scratch, on)
            found = Snapshot(path)
            made.read()
            failpoint("warehouse.read")
            made.build(path if path.exists() else None, found, run_id)
            failpoint("warehouse.built")
            lease.renew()
            _replace(made.file, path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return found


class _Making:
    """A snapshot while it is made, in a folder of its own."""

    def __init__(self, store: Store, words: Dictionary, personal: str, folder: Path, progress: Progress) -> None:
        self.store, self.words, self.personal, self.folder = store, words, personal, folder
        self.progress = progress
        self.file = folder / "new.duckdb"
        self.columns = {name: columns(words, name, personal, store.vault) for name in words.entities}
        self.now = _time(store.clock.now())

    def read(self) -> None:
        """Write every living record into a file of its entity, and what became of the others into one."""
        with ExitStack() as stack, self.store.read() as conn:
            files = {name: stack.enter_context(self._rows(name).open("wb")) for name in self.columns}
            ended = stack.enter_context(self._rows("_ended").open("wb"))
            done = 0
            for page in _pages(conn):
                links = _links(conn, [row.id for row in page])
                for row in page:
                    self._write(row, links.get(row.id, {}), files, ended)
                done += len(page)
                self.progress("golden records read", done)

    def build(self, former: Path | None, found: Snapshot, run_id: str) -> None:
        """Make the new file of what was read and of the former one's history."""
        with duckdb.connect(self.file) as con:
            con.execute("SET preserve_insertion_order = false")
            con.execute("SET autoinstall_known_extensions = false")
            con.execute("SET memory_limit = '1GB'")  # beyond it DuckDB goes on in files beside the new one
            if former is not None:
                _attach(con, former)
            self._load(con, "_ended", {"id": "VARCHAR", "at": "TIMESTAMP", "how": "VARCHAR"})
            for entity, fields in self.columns.items():
                types = rows_type(fields)
                found.records[entity] = self._load(con, entity, types)
                found.versions[entity] = history.build(con, entity, types, self.now, former is not None)
                self.progress(f"{entity} built", found.records[entity])
                failpoint("warehouse.loaded")
            con.execute("DROP TABLE _ended")
            con.execute(
                "CREATE TABLE _snapshot (taken_at TIMESTAMP, run VARCHAR, personal VARCHAR, dictionary VARCHAR)"
            )
            told = [self.now, run_id, self.personal, self.words.revision]
            con.execute("INSERT INTO _snapshot VALUES (?, ?, ?, ?)", told)
            if former is not None:
                con.execute("DETACH former")
            con.execute("CHECKPOINT")

    def _rows(self, name: str) -> Path:
        return self.folder / f"{name}.ndjson"

    def _write(self, row: Any, links: Mapping[str, str], files: Mapping[str, IO[bytes]], ended: IO[bytes]) -> None:
        if row.merged_into is not None or row.gone:
            how = "merged" if row.merged_into is not None else "gone"
            ended.write(orjson.dumps({"id": row.id, "at": _time(row.updated_at), "how": how}) + b"\n")
            return
        if row.entity not in files:  # the dictionary no longer has it
            return
        data = self.store.open(golden, row.id, row.data)["data"]
        told = {
            "id": row.id,
            "version": row.version,
            "created_at": _time(row.created_at),
            "updated_at": _time(row.updated_at),
        }
        told |= _taken(self.columns[row.entity], data, links)
        files[row.entity].write(orjson.dumps(told, option=orjson.OPT_SORT_KEYS) + b"\n")

    def _load(self, con: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str]) -> int:
        declared = ", ".join(f"{quoted(column)} {kind}" for column, kind in types.items())
        con.execute(f"CREATE TABLE {quoted(name)} ({declared})")
        path = self._rows(name)
        if path.stat().st_size:
            con.execute(
                f"INSERT INTO {quoted(name)} BY NAME SELECT {_cast(types)} FROM read_json(?, "  # nosec B608
                f"format = 'newline_delimited', columns = ?, maximum_object_size = {_OBJECT})",
                [str(path), {column: kind if _whole(kind) else "VARCHAR" for column, kind in types.items()}],
            )
        path.unlink()
        count = con.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()  # nosec B608
        return int(count[0]) if count else 0


def _whole(kind: str) -> bool:
    return kind in ("VARCHAR", "JSON") or kind.endswith("[]")


def _cast(types: Mapping[str, str]) -> str:
    """A number that its column cannot hold is null there: one strange value keeps no night's snapshot from being made."""
    names = {column: quoted(column) for column in types}
    return ", ".join(
        names[column] if _whole(kind) else f"TRY_CAST({names[column]} AS {kind}) AS {names[column]}"
        for column, kind in types.items()
    )


def _taken(fields: Iterable[Column], data: dict[str, Any], links: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for column in fields:
        value = links.get(column.reference) if column.reference else column.take(data)
        if value is not None:
            found[column.name] = value
    return found


def _pages(conn: Connection) -> Iterator[list[Any]]:
    """Every golden record, by id."""
    after = ""
    while True:
        rows = bulk.plain(conn.execute(select(golden).where(golden.c.id > after).order_by(golden.c.id).limit(PAGE)))
        if not rows:
            return
        yield rows
        after = rows[-1].id


def _links(conn: Connection, ids: list[str]) -> dict[str, dict[str, str]]:
    """By golden record: its references' other ends."""
    found: dict[str, dict[str, str]] = {}
    for row in bulk.select_in(conn, link, "golden_id", ids, ["golden_id", "field", "to_golden"]):
        if row.to_golden is not None:
            found.setdefault(row.golden_id, {})[row.field] = row.to_golden
    return found


def _attach(con: duckdb.DuckDBPyConnection, former: Path) -> None:
    place = str(former).replace("'", "''")
    try:
        con.execute(f"ATTACH '{place}' AS former (READ_ONLY)")
    except duckdb.Error:
        told = "the former warehouse cannot be read; move it away, and its history with it, or bring back a good copy"
        raise Stop(f"{told}: {former.name}", cause="warehouse_unreadable") from None


def _replace(new: Path, path: Path) -> None:
    new.chmod(0o600)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    failpoint("warehouse.replaced")


def _time(at: int) -> str:
    return moment(at).replace(tzinfo=None).isoformat(timespec="microseconds")
