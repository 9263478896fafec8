"""The schema is brought to the newest at open. A store that is there already costs one look-up: Alembic costs a fifth of a second."""

from __future__ import annotations

import importlib
from pathlib import Path

from sqlalchemy import Engine, inspect, text

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the schema to head; nothing is done where it is there already."""
    if _revision(engine) != head():
        importlib.import_module("kernel.store.migrating").to_head(engine, _SCRIPTS)  # late: Alembic


def head() -> str:
    """The newest revision: its number is how its file's name begins."""
    return max(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def _revision(engine: Engine) -> str | None:
    """As Alembic keeps it; None in a database without tables."""
    with engine.connect() as conn:
        if not inspect(conn).has_table("alembic_version"):
            return None
        return conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
