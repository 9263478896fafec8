"""Alembic, run in process: the newest schema is reached at open, from whatever an older release left."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

_HERE = Path(__file__).parent / "migrations"
_LOCK = 7_402_184  # any number: two starters must not migrate one PostgreSQL database at once


def upgrade(engine: Engine) -> None:
    """Bring the schema to head; nothing is done where it is there already."""
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as conn:
        if MigrationContext.configure(conn).get_current_revision() == head:
            return
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
