"""One real Prefect server for all tests of flows, and a small office: Stripe and a CSV file in, HubSpot out."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import pytest
import structlog

from connectors.base import Connector
from connectors.hubspot import HubSpot
from console import simulated
from flows import Server, environment, run_flow, running_server, start_server, stop_server
from flows.server import remembered
from journey import activation
from journey.connecting import OpenConnections
from kernel import documents, log
from kernel.settings import load_connections
from kernel.store import Store, open_store, sqlite_url, tables
from kernel.vault import open_vault
from sandbox import Box
from tests.conftest import ROOT

if TYPE_CHECKING:
    from flows.running import Ended

T = TypeVar("T")
SYNC = """
sync: people
description: Customers of Stripe and accounts of a file, in HubSpot.
streams: [stripe.customers, files.accounts]
routes:
  - {entity: account, to: hubspot.companies}
  - {entity: contact, to: hubspot.contacts}
"""
ACCOUNTS = "account,sector,revenue,office_location\nAcme,software,12.5,United States\nGlobex,medical,,Germany\n"


@dataclass(frozen=True)
class Api:
    """The server's own record of what ran."""

    server: Server

    def filter(self, what: str, **body: Any) -> list[dict[str, Any]]:
        """Rows of flow_runs, task_runs, artifacts, logs, events or deployments."""
        answer = httpx.post(f"{self.server.api}/{what}/filter", json=body, timeout=20)
        answer.raise_for_status()
        found = answer.json()
        rows: list[dict[str, Any]] = found["events"] if isinstance(found, dict) else found
        return rows

    def tasks(self, flow_run: str, how_many: int) -> list[dict[str, Any]]:
        """The task runs of a flow run, once so many are recorded as ended: the server writes them down late."""
        wanted = {"flow_runs": {"id": {"any_": [flow_run]}}}

        def ended() -> list[dict[str, Any]] | None:
            rows = [row for row in self.filter("task_runs", **wanted) if row["state_type"] in ("COMPLETED", "FAILED")]
            return rows if len(rows) >= how_many else None

        return eventually(ended)

    def artifacts(self, flow_run: str) -> dict[str, Any]:
        """Key -> data of a flow run's artifacts."""
        rows = self.filter("artifacts", artifacts={"flow_run_id": {"any_": [flow_run]}})
        return {row["key"]: row["data"] for row in rows}

    def logs(self, flow_run: str) -> list[str]:
        """The messages of a flow run's log."""
        return [row["message"] for row in self.filter("logs", logs={"flow_run_id": {"any_": [flow_run]}})]


def eventually(look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """What `look` finds at last."""
    until = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)
    return found


@dataclass
class Office:
    """One THROUGHLINE_HOME and CONFIG with its simulators."""

    server: Server
    home: Path
    config: Path
    box: Box
    store: Store

    def flow(self, name: str, **parameters: Any) -> Ended:
        """Run a flow in this process."""
        return run_flow(name, self.server, parameters)

    def sync(self) -> Ended:
        """Run the sync."""
        return self.flow("sync", sync="people")

    def runs(self, kind: str = "sync") -> list[Any]:
        """The recorded runs of a kind, oldest first."""
        query = tables.run.select().where(tables.run.c.kind == kind).order_by(tables.run.c.started_at)
        with self.store.read() as conn:
            return list(conn.execute(query).all())

    def activate(self) -> None:
        """Make what is in the folder active."""
        activation.activate(self.store, self.config, load_connections(self.config / "connections.yaml"), "test")

    def connector(self, name: str) -> Connector:
        """An open connection."""
        described = load_connections(self.config / "connections.yaml")
        return OpenConnections(self.store, described, os.environ).open(name)

    def customer(self, **fields: Any) -> str:
        """A customer at Stripe."""
        return str(self.box["stripe"].make("customers", **fields)["id"])


@dataclass(frozen=True)
class Started:
    """The server, and what was seen while it started."""

    server: Server
    told: list[float]
    taken_port: int


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A Prefect server: the port it last had is taken meanwhile, and two callers start it at once. Ended by SIGTERM."""
    home = tmp_path_factory.mktemp("prefect")
    (home / "prefect").mkdir()
    told: list[float] = []
    found: list[Server] = []
    with pytest.MonkeyPatch.context() as patch, socket.socket() as taken:
        patch.delenv("PREFECT_API_URL", raising=False)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = Server(taken.getsockname()[1], 2**22 + 1, str(home), "http://127.0.0.1:9/api")
        (home / "prefect/server.json").write_text(json.dumps(asdict(before)))
        starters = [threading.Thread(target=lambda: found.append(start_server(home, told.append))) for _ in range(2)]
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join()
        assert len(found) == 2
        assert found[0] == found[1]
        yield Started(found[0], told, before.port)
    assert stop_server(home) is True
    assert (running_server(home), stop_server(home)) == (None, False)
    kept = remembered(home)
    assert kept is not None
    assert kept.port == found[0].port  # the next one has the same address, where it is free


@pytest.fixture(scope="session")
def prefect_server(started: Started) -> Server:
    """The one server of all tests."""
    return started.server


Deployed = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def deployed(prefect_server: Server) -> Deployed:
    """What prefect.yaml lists, put on the server; by name."""
    # Imported here: it imports Prefect, which the tests of the server do without.
    importlib.import_module("flows.deploy").deploy(prefect_server)
    return {row["name"]: row for row in Api(prefect_server).filter("deployments")}


@pytest.fixture
def scrubbed() -> Iterator[None]:
    """The variables that Prefect reads, as they were before the test."""
    before = dict(os.environ)
    yield
    for name in [name for name in os.environ if name not in before]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """The log as a process of ours would set it up, taken away after the test."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    path = tmp_path / "log.jsonl"
    log.configure(path=path)
    yield path
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def api(prefect_server: Server) -> Api:
    """Looking at the server."""
    return Api(prefect_server)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stewards' folders with one sync."""
    config = tmp_path_factory.mktemp("config")
    for folder in ("dictionary/entities", "mappings", "dedup/rules"):
        shutil.copytree(ROOT / folder, config / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (config / "flows/syncs").mkdir(parents=True)
    (config / "flows/syncs/people.yaml").write_text(SYNC)
    (config / "files").mkdir()
    (config / "files/accounts.csv").write_text(ACCOUNTS)
    return config


@pytest.fixture
def office(
    prefect_server: Server,
    configured: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scrubbed: None,
    logged: Path,
) -> Iterator[Office]:
    """An office with everything active and nothing run."""
    home, config = tmp_path / "home", tmp_path / "config"
    shutil.copytree(configured, config)
    with Box(["stripe", "hubspot"]) as box:
        told = simulated.connections({name: box.url(name) for name in box.systems})
        files = {"folder": str(config / "files"), "files": {"accounts": {"file": "accounts.csv", "id": "account"}}}
        told["connections"]["files"] = {"system": "csv", "settings": files}
        (config / "connections.yaml").write_text(documents.dump(told), encoding="utf-8")
        secrets = simulated.environment({name: box[name].token for name in box.systems})
        paths = {"THROUGHLINE_HOME": str(home), "THROUGHLINE_CONFIG": str(config)}
        for name, value in (secrets | paths).items():
            monkeypatch.setenv(name, value)
        for name in ("THROUGHLINE_KEY", "THROUGHLINE_DATABASE_URL"):
            monkeypatch.delenv(name, raising=False)
        environment.prepare(Path(prefect_server.home), prefect_server.api)
        store = open_store(sqlite_url(home / "throughline.db"), open_vault(home, None))
        made = Office(prefect_server, home, config, box, store)
        made.activate()
        hubspot = made.connector("hubspot")
        assert isinstance(hubspot, HubSpot)
        for resource in ("companies", "contacts"):
            hubspot.ensure_key(resource)
        yield made
        hubspot.close()
        store.close()
