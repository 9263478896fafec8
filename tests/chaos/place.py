"""A home of its own for one storm: documents, connections, a database, and the worker processes that are started there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import connectors
from console import simulated
from journey import activation
from kernel import documents
from kernel.settings import load_connections
from kernel.store import Store, open_store
from kernel.vault import open_vault
from tests.chaos.pace import Pace
from tests.chaos.vendors import MORE, SOURCE, Target, Vendors
from tests.conftest import ROOT

HERE = Path(__file__).parent
SYNCS = {"storm": "users", "second": "organizations"}
"""Two syncs with the same routes, so that two workers plan and write the same records; only the first one's stream tells of people."""
_SETTINGS: dict[str, dict[str, object]] = {"pipedrive": {"limits": {"short": 120, "daily": 10**9}}}
STEWARDS = ("dictionary/entities", "mappings", "dedup/rules")


@contextmanager
def own_systems() -> Iterator[None]:
    """The storms' own connectors are found by scanning, like every other, while this lasts."""
    connectors.__path__.append(str(HERE / "systems"))
    try:
        yield
    finally:
        connectors.__path__.remove(str(HERE / "systems"))


@dataclass(slots=True)
class Place:
    """One HOME."""

    home: Path
    url: str
    pace: Pace
    environment: dict[str, str]
    mutant: str = ""  # of tests/mutants, in every worker
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, name: str, *, failpoint: str = "", calm: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker process; it dies at `failpoint` (name:nth)."""
        told = {**self.environment, "THROUGHLINE_FAILPOINT": failpoint}
        mutated = ["tests.mutants.mutated", self.mutant] if self.mutant else []
        command = [sys.executable, "-m", *mutated, "tests.chaos.worker", *(["--calm"] if calm else [])]
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=log, stderr=subprocess.STDOUT)
        self.started.append(process)
        return process

    def store(self) -> Store:
        """The store, as a worker opens it."""
        return open_store(self.url, open_vault(self.home, None), clock=self.pace)

    def defects(self) -> list[str]:
        """What workers said that they never should."""
        lines = [line for log in self.home.glob("*.log") for line in log.read_text(errors="replace").splitlines()]
        return [line[:300] for line in lines if line.startswith(("broken", "defect", "Traceback"))]


def build(home: Path, url: str, pace: Pace, vendors: Vendors) -> Place:
    """Write the documents and make them active."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / "config"
    for folder in STEWARDS:
        shutil.copytree(ROOT / folder, config / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(HERE / "mappings", config / "mappings", dirs_exist_ok=True)
    (config / "flows/syncs").mkdir(parents=True)
    for name, stream in SYNCS.items():
        written = documents.dump(_sync(name, stream, vendors.targets))
        (config / f"flows/syncs/{name}.yaml").write_text(written, encoding="utf-8")
    box = vendors.box
    described = {"connections": {f"{name}_main": _connection(name, box.url(name)) for name in box.systems}}
    (config / "connections.yaml").write_text(documents.dump(described), encoding="utf-8")
    tokens = simulated.environment({name: box[name].token for name in box.systems})
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")},
        **tokens,
        "PYTHONPATH": str(ROOT),
        "THROUGHLINE_HOME": str(home),
        "THROUGHLINE_CONFIG": str(config),
        "THROUGHLINE_DATABASE_URL": url,
    }
    place = Place(home, url, pace, environment)
    store = place.store()
    try:
        activation.activate(store, config, load_connections(config / "connections.yaml"), by="storm")
    finally:
        store.close()
    return place


def _connection(name: str, url: str) -> dict[str, object]:
    if name in MORE:
        settings: dict[str, object] = {"base_url": url, "token": {"env": simulated.variable(name)}}
    else:
        settings = simulated.settings(name, url) | _SETTINGS.get(name, {})
    return {"system": name, "settings": settings}


def _sync(name: str, stream: str, targets: list[Target]) -> dict[str, object]:
    routes = [
        {"entity": "contact", "to": f"{target.system}_main.{target.resource}", "on_last_member_gone": target.leaving}
        for target in targets
    ]
    return {
        "sync": name,
        "description": "People of the help desk, told to every target.",
        "schedule": "*/10 * * * *",
        "streams": [f"{SOURCE}_main.{stream}"],
        "routes": routes,
    }
