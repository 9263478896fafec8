"""A worker that is killed in the middle: the next run goes on, and the lost one is called what it is."""

from __future__ import annotations

import signal
import subprocess
import sys

from flows import environment
from tests.conftest import ROOT
from tests.flows.conftest import Office

RUN = """
from flows import run_sync_flow, start_server
from kernel.settings import Settings
run_sync_flow("people", start_server(Settings.from_environment().home))
"""


def test_the_next_run_goes_on_after_a_kill_between_send_and_settle(office: Office) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    environ = environment.for_child({"THROUGHLINE_FAILPOINT": "send.answered", "PYTHONPATH": str(ROOT)})
    environ.pop(environment.OURS)  # the server of the tests is somebody else's to it
    killed = subprocess.run([sys.executable, "-c", RUN], env=environ, cwd=ROOT, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    sent = len(office.box["hubspot"].state.all("companies"))
    assert sent > 0
    assert [run.state for run in office.runs()] == ["running"]

    ended = office.sync()
    assert ended.state == "Completed"
    first, second = office.runs()
    assert (first.state, second.state) == ("abandoned", "completed")
    assert second.flow_run == ended.flow_run
    assert len(office.box["hubspot"].state.all("companies")) == sent
    assert len(office.box["hubspot"].state.all("contacts")) == 1
