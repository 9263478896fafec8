"""The connectors' benchmark does the work it measures, and nothing is asked of a replay that was not recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks import connectors
from benchmarks.replay import Recording, replaying


@contextmanager
def replayed(recording: Path) -> Iterator[None]:
    port = urlsplit(Recording.load(recording).settings["instance_url"]).port
    assert port is not None
    with replaying(recording, port) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("job", ["read", "bulk read", "write"])
def test_a_recorded_job_is_done_again_with_and_without_the_connector(tmp_path: Path, job: str) -> None:
    recording = tmp_path / "recording"
    connectors.record("salesforce", job, 1000, recording)
    told = Recording.load(recording)
    assert told.records >= 1000
    with replayed(recording):
        assert connectors.measure("salesforce", job, recording, bare=False) > 0
        assert connectors.measure("salesforce", job, recording, bare=True) > 0


def test_every_system_over_http_is_measured() -> None:
    assert {system for system, _ in connectors.jobs()} >= {"hubspot", "salesforce", "shopify", "stripe", "zendesk"}
