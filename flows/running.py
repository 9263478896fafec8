"""Flows run in this process, against a server: what the console calls. Importing this imports Prefect."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from pydantic import ValidationError

from flows import limits, surroundings
from flows.backfill import backfill
from flows.prune import prune
from flows.publish import publish
from flows.receive import receive
from flows.reconcile import reconcile
from flows.remap import remap
from flows.replay import replay
from flows.seed import seed
from flows.server import Server
from flows.sync import sync
from journey.context import Context
from journey.syncing import Watcher
from kernel.errors import BadSetting

FLOWS: Mapping[str, Flow[..., Any]] = {
    each.name: each for each in (sync, backfill, remap, seed, replay, reconcile, receive, publish, prune)
}
"""Every flow, by name."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a flow run ended."""

    state: str  # Completed, WithDeadLetters, AwaitingApproval, Failed, AlreadyRunning
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
    asked = {"what": dict(parameters or {})} if flow.parameters.properties else {}
    _check(flow, asked)
    _log_to_server()
    # The heartbeat's thread is joined in steps of a second: a tax on every short run, and our leases tell who lives.
    settings = {PREFECT_API_URL: server.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings), surroundings.given(context, watcher):
        limits.ensure()
        state: Any = flow(**asked, return_state=True)
        return _ended(server, state)


def _ended(server: Server, state: State[Any]) -> Ended:
    flow_run = str(state.state_details.flow_run_id or "")
    return Ended(
        state.name or state.type.value.title(),
        state.message or "",
        flow_run,
        f"{server.url}/runs/flow-run/{flow_run}",
    )


def _check(flow: Flow[..., Any], asked: dict[str, Any]) -> None:
    try:
        flow.validate_parameters(asked)
    except (ValidationError, ValueError, TypeError) as error:
        raise BadSetting(f"flow {flow.name}: {_faults(error)}") from None


def _faults(error: Exception) -> str:
    cause = error if isinstance(error, ValidationError) else error.__cause__
    if isinstance(cause, ValidationError):
        faults = cause.errors(include_input=False, include_url=False)
        return "; ".join(f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in faults)
    return str(error)


@cache
def _log_to_server() -> None:
    """Prefect's own set-up of logging is off in this process (see `environment.LOGGING`): attach what it would have."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
            logger.addHandler(APILogHandler())
