"""The only home of Prefect. This face imports it late: a server starts, and is stopped, without it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import environment
from flows.server import Server, running_server, start_server, stop_server

if TYPE_CHECKING:
    from flows.running import Ended
    from journey.context import Context
    from journey.syncing import Watcher

__all__ = ["Server", "import_prefect", "run_flow", "run_sync_flow", "running_server", "start_server", "stop_server"]


def import_prefect(home: Path) -> None:
    """Import Prefect and the flows ahead of time (seconds), while a server that was launched comes up."""
    environment.prepare(home)
    from flows import running

    assert running.FLOWS


def run_sync_flow(name: str, server: Server, context: Context | None = None, watcher: Watcher | None = None) -> Ended:
    """Run one sync as a flow in this process; `watcher` is told of progress, `context` spares opening a second store."""
    return run_flow("sync", server, {"sync": name}, context, watcher)


def run_flow(
    name: str,
    server: Server,
    parameters: Mapping[str, Any] | None = None,
    context: Context | None = None,
    watcher: Watcher | None = None,
) -> Ended:
    """Run any flow (sync, backfill, remap, seed, replay, reconcile, receive, publish, snapshot, prune) in this process."""
    environment.prepare(Path(server.home), server.api)
    from flows import running  # after the variables are set; and it costs a second

    return running.run(server, name, parameters, context, watcher)
