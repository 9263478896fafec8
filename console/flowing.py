"""The way to `flows`, imported late and only by verbs that run flows or start their server: Prefect costs seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from console.opening import Desk
from journey import waiting
from journey.stories import overview
from journey.syncing import Watcher
from kernel.records import Check
from kernel.settings import Settings

Told = Callable[[float], None]


def start_server(home: Path, told: Told) -> str:
    """The address of this HOME's Prefect server, started when it does not run; `told` gets the seconds waited."""
    import flows

    return flows.start_server(home, told).url


def import_prefect(home: Path) -> None:
    """Import Prefect now, so that it need not be waited for later."""
    import flows

    flows.import_prefect(home)


def server_url(home: Path) -> str | None:
    """The address of the Prefect server to use: the one somebody chose by PREFECT_API_URL, or this HOME's where it answers."""
    import flows

    if elsewhere := flows.environment.server_elsewhere():
        return elsewhere.removesuffix("/api")
    found = flows.running_server(home)
    return None if found is None else found.url


def deploy(home: Path, told: Told) -> str:
    """Put the deployments of prefect.yaml on the server; what Prefect said of it."""
    import flows

    server = flows.start_server(home, told)
    flows.environment.prepare(Path(server.home), server.api)  # before Prefect is imported
    from flows.deploy import deploy as deployed

    return deployed(server)


def work(home: Path) -> int:
    """Run a worker for the deployments of the server that runs, until Ctrl-C; its exit code."""
    import flows

    server = flows.start_server(home)
    from flows.deploy import work as worked

    return worked(server)


def stop_server(home: Path) -> bool:
    """End this HOME's Prefect server; False where none ran."""
    import flows

    return flows.stop_server(home)


def probe() -> Iterator[Check]:
    """Whether there is a Prefect server to run flows on. None is no fault: `sync run` works without."""
    url = server_url(Settings.from_environment().home)
    yield Check("server", True, url or "not running: syncs run in their own process; throughline up starts it")


def run_sync(opened: Desk, name: str, watcher: Watcher, told: Told) -> dict[str, Any]:
    """Run a sync as a Prefect flow in this process, its server started where it does not run; the finished run as data."""
    import flows

    server = flows.start_server(opened.settings.home, told)
    ended = flows.run_sync_flow(name, server, opened.context(), watcher)
    run = overview.run_of_flow(opened.store, ended.flow_run) or {}
    failed = ended.state in ("Partial", "Failed", "AlreadyRunning", "Crashed", "Cancelled")
    return {
        "name": name,
        "run": run.get("id"),
        "state": run.get("state", "failed") if ended.state != "AlreadyRunning" else "already_running",
        "inbound": run.get("inbound", {}),
        "outbound": run.get("outbound", {}),
        "warnings": run.get("warnings", {}),
        "errors": [run.get("error") or ended.message] if failed else [],
        "waiting": [waiting.told(each) for each in waiting.concerning(opened.store, opened.sync(name))],
        "flow_run": ended.flow_run,
        "url": ended.url,
    }
