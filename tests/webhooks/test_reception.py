"""What `throughline up --webhooks` serves: a form posted to a real process is stored, landed, and told by SIGTERM to end well."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.opening import Desk
from console.reception import Landing, land_receipts
from journey import activation
from kernel.errors import Stop
from kernel.settings import Settings
from kernel.store.tables import receipt, run
from tests.conftest import ROOT
from tests.webhooks.conftest import Port
from tests.webhooks.vectors import FORM

SERVE = "import sys; from console.opening import desk; from console.reception import serve; from console.rendering import Screen\nwith desk(Screen(False)) as opened: serve(opened, '127.0.0.1', int(sys.argv[1]))"


@pytest.fixture
def company(tmp_path: Path) -> Desk:
    """One site's forms, activated."""
    config = tmp_path / "config"
    for folder in ("dictionary/entities", "mappings/web_form", "dedup/rules"):
        shutil.copytree(ROOT / folder, config / folder)
    (config / "flows/syncs").mkdir(parents=True)
    (config / "connections.yaml").write_text(
        "connections:\n  site: {system: web_form, settings: {origins: ['https://www.acme.example']}}\n"
    )
    environment = {"THROUGHLINE_HOME": str(tmp_path / "home"), "THROUGHLINE_CONFIG": str(config)}
    opened = Desk(Settings.from_environment(environment), environment)
    activation.activate(opened.store, config, opened.described, "tests")
    return opened


def test_a_served_form_is_landed_soon_and_the_process_ends_well(company: Desk) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = Port(probe.getsockname()[1])
    environment = {**os.environ, **company.environment, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port.port)], cwd=ROOT, env=environment)
    try:
        _until(lambda: port.send("/healthz", method="GET")[0] == 200)
        headers = {**FORM, "origin": "https://www.acme.example"}
        assert port.send("/forms/contact", b"email=ann%40acme.io&first_name=Ann", headers)[0] == 200
        _until(lambda: [row.state for row in _rows(company, "receipt")] == ["processed"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert [(row.kind, row.state) for row in _rows(company, "run")] == [("receive", "completed")]
    company.close()


def test_nothing_waiting_makes_no_run_and_nothing_active_says_so(company: Desk) -> None:
    assert land_receipts(company) == 0
    assert _rows(company, "run") == []
    company.close()


def test_a_round_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []
    three = threading.Event()

    def work() -> None:
        rounds.append(1)
        if len(rounds) == 3:
            three.set()
        raise (Stop("the vendor is away", cause="unreachable"), ValueError("ann@acme.io"), Stop("again"))[
            len(rounds) % 3
        ]

    landing = Landing(work, pause=0.01, again=0.01)
    landing.start()
    landing.arrived()
    assert three.wait(20)
    landing.end()
    assert not landing.is_alive()
    assert "ann@acme.io" not in caplog.text


def _rows(company: Desk, name: str) -> list[Any]:
    table = {"receipt": receipt, "run": run}[name]
    with company.store.read() as conn:
        return list(conn.execute(table.select()).all())


def _until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("it did not come true")
