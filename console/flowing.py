"""The way to `flows`, imported late and only by verbs that run flows or start their server: Prefect costs seconds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from console.opening import Desk
from kernel.records import Check
from kernel.settings import Settings


def _server() -> Any:
    return importlib.import_module("flows.server")


def start_server(home: Path, told: Callable[[float], None]) -> str:
    """The address of this HOME's Prefect server, started when it does not run; `told` gets the seconds waited."""
    return str(_server().start_server(home, told).url)


def server_url(home: Path) -> str | None:
    """The address of this HOME's Prefect server; None where it does not answer."""
    found = _server().running_server(home)
    return None if found is None else str(found.url)


def stop_server(home: Path) -> bool:
    """End this HOME's Prefect server; False where none ran."""
    return bool(_server().stop_server(home))


def probe() -> Iterator[Check]:
    """Whether the Prefect server answers: a finding only where flows are to be run."""
    url = server_url(Settings.from_environment().home)
    yield Check("server", url is not None, url or "not running", "throughline up (or run syncs with --no-flow)")


def run_sync(opened: Desk, name: str) -> dict[str, Any]:
    """Run a sync as a Prefect flow; the finished run as data."""
    flows = importlib.import_module("flows")
    return dict(flows.run_sync_flow(opened.settings, name))
