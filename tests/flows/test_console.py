"""The command line's way to flows: a sync as a flow, its numbers from our own tables, its address in Prefect's screens."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from console.cli import app
from tests.flows.conftest import Office


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_sync_runs_as_a_flow_and_is_told_from_its_row(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.running_server", lambda home: office.server)
    monkeypatch.setattr("flows.start_server", lambda home, told: office.server)
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    done = _run("sync", "run", "people", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)["syncs"]
    (row,) = office.runs()
    assert (told["run"], told["state"]) == (row.id, "completed")
    assert told["inbound"]["read"] == 3
    assert told["outbound"]["applied"] == 3
    assert told["url"].startswith(office.server.url)
    assert told["flow_run"] == row.flow_run
    status = json.loads(_run("up", "--status", "--json").stdout)
    assert status["url"] == office.server.url
    checks = json.loads(_run("check", "--json").stdout)["checks"]
    assert [each["ok"] for each in checks if each["about"] == "prefect"] == [True]
