"""Verbs that make or start something: a new connector, the simulators, the Prefect server, the demo."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import connectors
from console import simulated
from console.scaffolding import FILES, scaffold
from kernel.settings import load_connections
from sandbox import Box, server
from tests.conftest import ROOT
from tests.console.conftest import Company


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("scaffolded_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_new_connector_works_as_it_is_written(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Box]
) -> None:
    told = company.json("connector", "new", "acme_crm", "--root", str(tmp_path))
    assert told["files"] == [path.format(name="acme_crm") for path in FILES.values()]
    assert "already there" in company.run("connector", "new", "acme_crm", "--root", str(tmp_path), code=2).stderr
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(tmp_path / "connectors")])
    simulator = _loaded(tmp_path / "sandbox/acme_crm.py").AcmeCrmSimulator
    known = server.find_simulators()
    monkeypatch.setattr(server, "find_simulators", lambda: {**known, simulator.system: simulator})
    tests = _loaded(tmp_path / "tests/connectors/test_acme_crm.py")
    tests.test_reads_everything_once_and_then_only_what_changed(serve)
    tests.test_writing_twice_makes_one_record(serve)
    tests.test_a_missing_record_is_a_tombstone(serve)
    tests.test_a_refused_token_is_told_with_its_fix(serve)
    listed = [each["system"] for each in company.json("connector", "list")["connectors"]]
    assert "acme_crm" in listed
    (company.config / "mappings/acme_crm").mkdir()
    mapping = (tmp_path / "mappings/acme_crm/records.yaml").read_text(encoding="utf-8")
    (company.config / "mappings/acme_crm/records.yaml").write_text(mapping, encoding="utf-8")
    assert company.json("mapping", "test", "acme_crm.records")["examples"] == 2
    sys.modules.pop("connectors.acme_crm", None)


def test_what_is_scaffolded_has_the_style_of_the_house(tmp_path: Path) -> None:
    scaffold("acme_crm").write(tmp_path)
    for asked in (["check", "--ignore", "S105"], ["format", "--check"]):  # tests here may hold sample secrets
        command = [sys.executable, "-m", "ruff", *asked, "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout


def test_simulators_run_until_they_are_told_to_end(company: Company, tmp_path: Path) -> None:
    records = tmp_path / "some/stripe/records"
    records.mkdir(parents=True)
    (records / "customer.jsonl").write_text('{"id": "cus_1", "object": "customer", "created": 1}\n', encoding="utf-8")
    written = tmp_path / "connections.yaml"
    command = [sys.executable, "-m", "console.cli", "sandbox", "--systems", "stripe,typeform", "--json"]
    command += ["--load", str(tmp_path / "some"), "--connections", str(written)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    try:
        assert set(told["ready"]) == {"stripe", "typeform"}
        assert told["loaded"]["stripe"] == {"customer.jsonl": 1}
        described = load_connections(written)
        token = dict(line[7:].strip().split("=", 1) for line in written.with_suffix(".env").read_text().splitlines())
        assert described["stripe_main"].resolved(token)["base_url"] == told["ready"]["stripe"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads((company.home / "sandbox/ports.json").read_text()).keys() == {"stripe", "typeform"}


def test_each_simulator_is_reached_by_the_connection_written_for_it() -> None:
    systems = sorted(set(server.find_simulators()) & set(connectors.find_connectors()))
    with Box(systems) as box:
        tokens = simulated.environment({name: box[name].token for name in systems})
        for name in systems:
            settings = {
                key: tokens[value["env"]] if isinstance(value, dict) else value
                for key, value in simulated.settings(name, box.url(name)).items()
            }
            opened = connectors.open_connector(connectors.connector_for(name), settings, connection=name)
            refused = [each for each in opened.check() if not each.ok and "401" in each.detail]
            opened.close()
            assert refused == []


def test_the_example_of_connections_fits_every_connector() -> None:
    described = load_connections(ROOT / "connections.example.yaml")
    assert {each.system for each in described.values()} == set(connectors.find_connectors())
    for each in described.values():
        names = {
            value["env"]: "whsec_dGVzdA=="
            for value in each.written.values()
            if isinstance(value, dict) and "env" in value
        }
        connectors.open_connector(
            connectors.connector_for(each.system), each.resolved(names), connection=each.name
        ).close()


def test_without_a_server_up_says_so(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert company.json("up", "--status", code=1)["running"] is False
    assert company.json("up", "--stop") == {"running": False, "stopped": False}
