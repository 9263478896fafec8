"""What both dlt jobs share: where their pipeline keeps its state, its database, and how dlt is tuned.

Tuning: no telemetry, no progress, larger buffers, one worker (a job of this size fits none better, measured), a primary
key so that its merge finds rows by index, and SQLite in WAL mode as ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

TUNING = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "NORMALIZE__WORKERS": "1",
    "LOAD__WORKERS": "1",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}
os.environ.update(TUNING)

import dlt  # noqa: E402  dlt reads its settings while it is imported
from sqlalchemy import Engine, create_engine, event  # noqa: E402

DATASET = "hub"
TABLE = "contacts"


def engine(home: Path) -> Engine:
    """SQLite as ours: write-ahead log, synced at every commit."""
    made = create_engine(f"sqlite:///{home / 'dlt.db'}")

    @event.listens_for(made, "connect")
    def _configure(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")

    return made


def pipeline(name: str, home: Path, destination: Any) -> dlt.Pipeline:
    """A pipeline whose working files are inside `home`."""
    folder = str(home / "pipelines")
    return dlt.pipeline(name, pipelines_dir=folder, destination=destination, dataset_name=DATASET)
