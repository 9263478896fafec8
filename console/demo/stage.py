"""The demo's own HOME: marked before anything is written there, refused where somebody's real data is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select

from console import simulated
from console.demo.backstage import Simulators
from kernel import documents
from kernel.errors import BadSetting
from kernel.settings import DEMO, Settings
from kernel.store import Store
from kernel.store.tables import object_


def folder(settings: Settings) -> Path:
    """Where the demo's own files are; the simulators' journals are below."""
    return settings.home / DEMO


def require_ours(settings: Settings, store: Store) -> None:
    """Refuse a HOME with data that did not come from the demo, and a database that is not the embedded one."""
    if os.environ.get("THROUGHLINE_DATABASE_URL"):
        raise BadSetting("the demo keeps its data in SQLite below THROUGHLINE_HOME; unset THROUGHLINE_DATABASE_URL")
    if settings.is_demo:
        return
    with store.read() as conn:
        if conn.execute(select(object_.c.id).limit(1)).first() is not None:
            raise BadSetting(f"{settings.home} holds data that is not the demo's; give it a place: demo --home DIR")


def describe(settings: Settings, simulators: Simulators) -> None:
    """Write the demo's connections.yaml, and beside it the variables it names."""
    own = folder(settings)
    own.mkdir(parents=True, exist_ok=True)
    variables = simulated.environment(simulators.tokens)
    _write(own / "environment", "".join(f"{name}={value}\n" for name, value in variables.items()))
    _write(own / "connections.yaml", documents.dump({"connections": _connections(simulators.urls)}))


def _connections(urls: Mapping[str, str]) -> dict[str, object]:
    """Named as in connections.example.yaml and flows/syncs."""
    return {
        f"{system}_main": {"system": system, "settings": simulated.settings(system, url)}
        for system, url in urls.items()
    }


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, file)
