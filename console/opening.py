"""From settings to what verbs work with: the store, the connections, the active revisions. Each is opened when first asked for."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from console import verb
from console.exits import Usage
from console.rendering import Screen
from journey import activation
from journey.connecting import OpenConnections
from journey.context import Context, Pins
from journey.syncs import Sync, parents_first
from kernel import log
from kernel.errors import BadSetting, ThroughlineError
from kernel.quota import Priority, asking_as
from kernel.settings import ConnectionSettings, Settings, load_connections
from kernel.store import Store, open_store
from kernel.vault import open_vault


class Desk:
    """What a verb works with. Nothing is opened before it is used."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """Use `desk`, which also closes."""
        self.settings, self.environment = settings, environment

    @cached_property
    def store(self) -> Store:
        """The store, migrated; made where there is none."""
        vault = open_vault(self.settings.home, self.settings.key)
        try:
            return open_store(self.settings.database_url, vault)
        except (ArgumentError, NoSuchModuleError, ImportError):
            raise BadSetting("THROUGHLINE_DATABASE_URL is not a database URL that can be used here") from None

    @cached_property
    def described(self) -> dict[str, ConnectionSettings]:
        """The connections of connections.yaml."""
        path = self.settings.connections_file
        if not path.exists():
            example = self.settings.config / "connections.example.yaml"
            raise BadSetting(f"there is no {path}; copy {example.name} to it and name your accounts")
        return load_connections(path)

    @cached_property
    def connections(self) -> OpenConnections:
        """The connections, each opened when it is first needed."""
        return OpenConnections(self.store, self.described, self.settings.variables(self.environment))

    @cached_property
    def pins(self) -> Pins:
        """The active revisions; says what to do where there are none."""
        return activation.pins(self.store, self.settings.home, self.described)

    def context(self) -> Context:
        """The surroundings of a new run."""
        return Context(self.store, self.pins, self.connections)

    def sync(self, name: str) -> Sync:
        """An active sync by name."""
        if name not in self.pins.syncs:
            raise unknown("sync", name, self.pins.syncs)
        return self.pins.syncs[name]

    def syncs(self, names: Iterable[str], every: bool) -> list[Sync]:
        """The named syncs as named, or all of them, parents first."""
        wanted = list(names)
        if every == bool(wanted):
            raise Usage("name one or more syncs, or give --all")
        if every:
            return parents_first(self.pins.syncs.values(), self.pins.dictionary)
        return [self.sync(name) for name in wanted]

    def active_pins(self) -> Pins | None:
        """The active revisions; None where nothing can be loaded: for verbs that can do with less."""
        try:
            return self.pins
        except ThroughlineError:
            return None

    def close(self) -> None:
        """Close what was opened."""
        if "connections" in self.__dict__:
            self.connections.close()
        if "store" in self.__dict__:
            self.store.close()


@contextmanager
def desk(screen: Screen) -> Iterator[Desk]:
    """A desk from the environment, with logging set up."""
    opened = Desk(Settings.from_environment(), os.environ)
    _log_to_file(opened.settings, screen)
    _say_whose_home(opened.settings, screen)
    try:
        with asking_as(Priority.PEOPLE):  # somebody waits; the runs that a verb starts are runs all the same
            yield opened
    finally:
        opened.close()
        _tell_no_more()


def _say_whose_home(settings: Settings, screen: Screen) -> None:
    own = settings.config / "connections.yaml"
    if settings.is_demo and own.exists():
        screen.warn(
            f"{settings.home} holds the demo: {own} is not used; for your accounts set another THROUGHLINE_HOME"
        )


def unknown(what: str, name: str, known: Iterable[str]) -> Usage:
    """A wrong name on the command line, with the nearest and all right ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return Usage(f"no {what} '{name}'{hint}; there are: {', '.join(names) or 'none'}")


def person(by: str) -> str:
    """Who does something; refused where nobody can be named."""
    name = (by or verb.os_user()).strip()
    if not name:
        raise Usage("say who does this: --by NAME")
    return name


class _Warnings(logging.Handler):
    """Shows warnings of the log to the person at the terminal."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("console"):  # told already
            return
        event = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        clean = dict(log.redact(None, record.levelname, event))
        text = str(clean.pop("event", ""))
        facts = " ".join(f"{name}={value}" for name, value in clean.items() if name not in _NOISE)
        self.screen.warn(f"{text} {facts}".rstrip())


_NOISE = ("level", "logger", "timestamp", "exc_info", "exception", "stack", "_record", "_from_structlog")


def _log_to_file(settings: Settings, screen: Screen) -> None:
    folder = settings.home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    log.configure("DEBUG" if verb.debug else "INFO", path=folder / "throughline.log")
    _tell_no_more()
    logging.getLogger().addHandler(_Warnings(screen))


def _tell_no_more() -> None:
    """A verb's screen ends with it; the log may live on in this process."""
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Warnings)]:
        root.removeHandler(old)
