"""Revisions: a steward's file as it was activated, by content hash. What runs is a revision, never the file in the folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from kernel.ids import derived_id
from kernel.store import Store, bulk
from kernel.store.tables import revision

FOLDERS = ("dictionary/entities", "mappings", "dedup/rules", "dedup/models", "flows/syncs")
"""Where stewards' documents live, below the configuration folder."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What an activation changes: paths by kind of change."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def files(config: Path) -> dict[str, str]:
    """Every steward's document below a folder: path relative to it -> text."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path in sorted((config / folder).rglob("*")):
            if path.suffix in (".yaml", ".json") and path.is_file():
                found[path.relative_to(config).as_posix()] = path.read_text(encoding="utf-8")
    return found


def active(store: Store) -> dict[str, str]:
    """Path -> content hash of what is active."""
    with store.read() as conn:
        rows = conn.execute(select(revision.c.path, revision.c.hash).where(revision.c.active == 1)).all()
    return {row.path: row.hash for row in rows}


def difference(store: Store, config: Path) -> Difference:
    """What activating a folder would change."""
    now, wanted = active(store), {path: _hash(text) for path, text in files(config).items()}
    return Difference(
        tuple(path for path in wanted if path not in now),
        tuple(path for path in wanted if path in now and now[path] != wanted[path]),
        tuple(path for path in now if path not in wanted),
    )


def activate(store: Store, config: Path, by: str) -> Difference:
    """Make the documents of a folder the active ones. The caller has checked them (`journey.activation`)."""
    texts = files(config)
    changes = difference(store, config)
    at = store.clock.now()
    fresh = [
        {
            "path": path,
            "hash": _hash(texts[path]),
            "activated_at": at,
            "activated_by": by,
            "active": 1,
            "body": texts[path],
        }
        for path in (*changes.added, *changes.changed)
    ]
    with store.write("activate") as conn:
        for path in (*changes.changed, *changes.removed):
            conn.execute(revision.update().where(revision.c.path == path).values(active=0))
        bulk.upsert(conn, revision, fresh)
    return changes


def checkout(store: Store, home: Path) -> tuple[Path, Mapping[str, str]]:
    """The active documents as a folder, written once per set of revisions; (folder, path -> hash)."""
    hashes = active(store)
    folder = home / "revisions" / derived_id("revisions", *(f"{path}={hashes[path]}" for path in sorted(hashes)))
    if not folder.is_dir():
        with store.read() as conn:
            rows = conn.execute(select(revision.c.path, revision.c.body).where(revision.c.active == 1)).all()
        scratch = folder.with_suffix(f".{store.clock.now()}")
        for name in FOLDERS:
            (scratch / name).mkdir(parents=True, exist_ok=True)
        for row in rows:
            path = scratch / row.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.body, encoding="utf-8")
        try:
            scratch.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(scratch)
    return folder, hashes


def _hash(text: str) -> str:
    return derived_id("document", text)
