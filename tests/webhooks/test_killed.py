"""A receiver killed between the receipt's commit and its 200, and before it: the sender repeats, and there is one effect."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel.store.tables import receipt
from tests.conftest import ROOT
from tests.webhooks.conftest import Hooks, Port, standard_headers

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BODY = b'{"records":[{"id":"c1","email":"ann@acme.io","first":"Ann","updated":1}]}'


@contextmanager
def served(database: Path, failpoint: str = "") -> Iterator[tuple[subprocess.Popen[bytes], Port]]:
    """A receiver's process, answering."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = Port(probe.getsockname()[1])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "THROUGHLINE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "tests.webhooks.shop_server", str(database), str(port.port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if port.send("/healthz", method="GET")[0] == 200:
                    break
            except OSError:
                assert process.poll() is None, "the receiver ended while starting"
                time.sleep(0.05)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.parametrize(("point", "kept"), [("receipt.committed", 1), ("receipt.before_commit", 0)])
def test_a_killed_receiver_loses_and_doubles_nothing(hooks: Hooks, tmp_path: Path, point: str, kept: int) -> None:
    database = tmp_path / "store.db"
    headers = standard_headers("msg_1", int(time.time()), BODY)
    with served(database, point) as (process, port):
        with pytest.raises((http.client.HTTPException, OSError)):
            port.send("/hooks/shop", BODY, headers)
        assert process.wait(20) == -signal.SIGKILL
    assert len(hooks.receipts()) == kept
    with served(database) as (process, port):
        assert [port.send("/hooks/shop", BODY, headers)[0] for _ in range(3)] == [200] * 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    (row,) = hooks.receipts()
    assert hooks.world.store.open(receipt, row.id, row.request)["records"][0][1] == "c1"
    assert (hooks.process(), hooks.process()) == (1, 0)
    assert [each["first_name"] for each in hooks.world.golden()] == ["Ann"]
