"""Flows run in this process, against a server: what the console calls. Importing this imports Prefect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogHandler, APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from pydantic import ValidationError

from flows import surroundings
from flows.backfill import backfill
from flows.prune import prune
from flows.publish import publish
from flows.receive import receive
from flows.reconcile import reconcile
from flows.remap import remap
from flows.replay import replay
from flows.seed import seed
from flows.server import Server
from flows.snapshot import snapshot
from flows.sync import sync
from journey.context import Context
from journey.syncing import Watcher
from kernel.errors import BadSetting

FLOWS: Mapping[str, Flow[..., Any]] = {
    each.name: each for each in (sync, backfill, remap, seed, replay, reconcile, receive, publish, snapshot, prune)
}
"""Every flow, by name."""

_DRAIN = 5  # seconds; what is not sent then is sent at exit


@dataclass(frozen=True, slots=True)
class Ended:
    """How a flow run ended."""

    state: str  # Completed, WithDeadLetters, AwaitingApproval, Partial, Failed, AlreadyRunning
    message: str
    flow_run: str
    url: str

    @property
    def ok(self) -> bool:
        """It did what it was asked for, dead letters or not."""
        return self.state in ("Completed", "WithDeadLetters", "AwaitingApproval")


def run(
    server: Server,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    context: Context | None = None,
    watcher: Watcher | None = None,
) -> Ended:
    """Run a flow to its end. BadSetting where there is no such flow or a parameter breaks its rule."""
    flow = FLOWS.get(name)
    if flow is None:
        raise BadSetting(f"no flow '{name}'; there are: {', '.join(FLOWS)}")
    asked = _checked(flow, dict(parameters or {}))
    _log_to_server()
    # The heartbeat's thread is joined in steps of a second: a tax on every short run, and our leases tell who lives.
    settings = {PREFECT_API_URL: server.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings), surroundings.given(context, watcher):
        state: Any = flow(**asked, return_state=True)
        _send_what_is_queued()
        return _ended(server, state)


def _ended(server: Server, state: State[Any]) -> Ended:
    flow_run = str(state.state_details.flow_run_id or "")
    return Ended(
        state.name or state.type.value.title(),
        state.message or "",
        flow_run,
        f"{server.url}/runs/flow-run/{flow_run}",
    )


def _checked(flow: Flow[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The flow's own argument. Prefect's check would log what was given, whatever it is."""
    model = get_type_hints(flow.fn).get("what")
    if model is None:
        if given:
            raise BadSetting(f"flow {flow.name} takes no parameters")
        return {}
    try:
        return {"what": model.model_validate(given)}
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        told = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        raise BadSetting(f"flow {flow.name}: {told}") from None


@cache
def _log_to_server() -> None:
    """Prefect's own set-up of logging is off in this process (see `environment.LOGGING`): attach what it would have."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
            logger.addHandler(APILogHandler())


def _send_what_is_queued() -> None:
    """Log lines and task runs go to the server in the background; when a run has ended, they are there."""
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=_DRAIN)
