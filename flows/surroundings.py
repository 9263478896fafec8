"""What a flow run works with: store, vault, connections and pins, opened from the settings and closed at its end.

Secrets are read when a connection is opened: from the environment, or from Prefect Secret blocks, which only flows can offer.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import structlog
from prefect.blocks.system import Secret
from prefect.logging.handlers import PrefectConsoleHandler

from journey import activation
from journey.connecting import OpenConnections
from journey.context import Context
from journey.syncing import Watcher
from kernel import log
from kernel.errors import BadSetting
from kernel.ids import new_id
from kernel.settings import Settings, load_connections
from kernel.store import open_store
from kernel.vault import open_vault


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller of a flow in this process brings along: an open context, and somebody to tell of progress."""

    context: Context | None = None
    watcher: Watcher | None = None
    by_hand: bool = False


_given: ContextVar[Given] = ContextVar("given", default=Given())  # noqa: B039 - frozen


@contextmanager
def given(context: Context | None = None, watcher: Watcher | None = None) -> Iterator[None]:
    """Flows called inside this block use the given context and watcher."""
    token = _given.set(Given(context, watcher, by_hand=True))
    try:
        yield
    finally:
        _given.reset(token)


def by_hand() -> bool:
    """Whether somebody called this flow in his own process, rather than a worker."""
    return _given.get().by_hand


def watcher() -> Watcher:
    """Whom to tell of progress besides Prefect."""
    return _given.get().watcher or Watcher()


@contextmanager
def opened() -> Iterator[Context]:
    """A context for one run, its revisions pinned."""
    brought = _given.get().context
    if brought is not None:
        if isinstance(brought.connections, OpenConnections) and brought.connections.secret is None:
            brought.connections.secret = read_secret
        yield replace(brought, run_id=new_id())
        return
    settings = Settings.from_environment()
    if not structlog.is_configured():
        _set_up_log()
    store = open_store(settings.database_url, open_vault(settings.home, settings.key))
    described = load_connections(settings.connections_file)
    connections = OpenConnections(store, described, settings.variables(os.environ), read_secret)
    try:
        yield Context(store, activation.pins(store, settings.home, described), connections)
    finally:
        connections.close()
        store.close()


def _set_up_log() -> None:
    """In a worker's own process nobody else does. Prefect's console handler would tell every line again, unredacted."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, PrefectConsoleHandler)]:
        root.removeHandler(handler)
    log.configure()


def read_secret(name: str) -> str:
    """The value of a Prefect Secret block."""
    try:
        block = Secret.load(name)
    except ValueError:
        raise BadSetting(f"no Prefect Secret block '{name}'; make it in Prefect under Blocks", field=name) from None
    assert isinstance(block, Secret)
    return str(block.get())
