"""Alembic, run in process: from whatever an older release left to the newest schema. Imported only where there is a step to take."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

_LOCK = 7_402_184  # any number: two starters must not migrate one PostgreSQL database at once


def to_head(engine: Engine, scripts: Path) -> None:
    """Take every step that is left, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
