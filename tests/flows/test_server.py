"""The local server: one for each HOME, started once, reused while it is healthy, ended when asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import Server, running_server, start_server, stop_server
from flows.server import remembered
from tests.conftest import ROOT
from tests.flows.conftest import Started


@pytest.fixture(autouse=True)
def _nobody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_a_healthy_server_is_used_again(prefect_server: Server) -> None:
    home = Path(prefect_server.home)
    assert start_server(home) == running_server(home) == prefect_server
    assert prefect_server.url == f"http://127.0.0.1:{prefect_server.port}"
    assert os.getpgid(prefect_server.pid) == prefect_server.pid  # a Ctrl-C at the terminal is not for it


def test_another_homes_server_is_not_taken_for_ours(prefect_server: Server, tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    facts = {"port": prefect_server.port, "pid": 2**22 + 1, "home": str(tmp_path), "api": prefect_server.api}
    (tmp_path / "prefect/server.json").write_text(json.dumps(facts))
    assert remembered(tmp_path) is not None
    assert running_server(tmp_path) is None
    assert stop_server(tmp_path) is False
    assert running_server(Path(prefect_server.home)) is not None


def test_a_server_named_by_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example:4200/api")
    chosen = start_server(tmp_path)
    assert (chosen.url, chosen.pid) == ("http://prefect.example:4200", 0)
    assert not (tmp_path / "prefect").exists()


def test_a_taken_port_is_left_alone_and_the_waiting_is_told(prefect_server: Server, started: Started) -> None:
    assert prefect_server.port != started.taken_port
    assert started.told == sorted(started.told) != []


def test_starting_a_server_costs_no_import_of_prefect() -> None:
    code = "import sys, flows; sys.exit(any(name.split('.')[0] == 'prefect' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
