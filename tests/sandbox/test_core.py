"""The simulators' core: state that survives, faults that happen on the wire, webhooks that leave."""

from __future__ import annotations

import http.client
import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox.server
from sandbox import Box
from sandbox.server import find_simulators
from sandbox.state import State
from tests.conftest import ROOT
from tests.sandbox.toy import Toy


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Box]:
    monkeypatch.setattr(sandbox.server, "find_simulators", lambda: {"toy": Toy})
    with sandbox.start(["toy"], tmp_path) as box:
        yield box


@pytest.fixture
def client(box: Box) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {box['toy'].token}"}
    with httpx.Client(base_url=box.url("toy"), headers=headers, timeout=5, trust_env=False) as client:
        yield client


def test_journal_is_replayed_and_a_torn_last_line_dropped(tmp_path: Path) -> None:
    state = State(tmp_path / "v.jsonl")
    state.put("a", "1", {"id": "1", "v": 1}, key="k1")
    state.put("a", "1", {"id": "1", "v": 2})
    state.put("a", "2", {"id": "2"})
    state.delete("a", "2")
    state.remember("answer", [1])
    state.advance(60)
    assert state.serial("n") == 1
    state.close()
    with (tmp_path / "v.jsonl").open("ab") as torn:
        torn.write(b'{"op":"put","resour')
    again = State(tmp_path / "v.jsonl")
    assert again.all("a") == [{"id": "1", "v": 2}]
    assert [(c.op, c.id, c.key) for c in again.changes][0] == ("put", "1", "k1")
    assert again.recall("answer") == [1]
    assert again.serial("n") == 2
    again.close()
    third = State(tmp_path / "v.jsonl")
    assert third.serial("n") == 3
    third.close()


def test_an_index_that_trails_shows_what_was() -> None:
    state = State()
    state.freeze(1_000_000_000)
    state.put("a", "1", {"id": "1", "v": 1})
    state.put("a", "2", {"id": "2"})
    state.advance(100)
    state.put("a", "1", {"id": "1", "v": 2})
    state.delete("a", "2")
    state.put("a", "3", {"id": "3"})
    assert state.visible("a", 30) == [{"id": "1", "v": 1}, {"id": "2"}]
    assert state.visible("a", 0) == [{"id": "1", "v": 2}, {"id": "3"}]


def test_a_refused_credential_and_the_call_log(box: Box, client: httpx.Client) -> None:
    assert client.get("/things", headers={"Authorization": "Bearer no"}).status_code == 401
    assert client.get("/things?a=1").json() == {"data": []}
    assert [(call.path, call.query, call.status) for call in box["toy"].calls] == [
        ("/things", "", 401),
        ("/things", "a=1", 200),
    ]


@pytest.mark.parametrize("kind", ["reset", "dropped"])
def test_connection_faults(box: Box, client: httpx.Client, kind: str) -> None:
    box["toy"].faults.add(kind, apply=True)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.post("/things", json={"name": "x" * 3000})
    assert len(box["toy"].state.all("things")) == 1
    assert client.get("/things").status_code == 200


def test_timeout_and_late_apply(box: Box, client: httpx.Client) -> None:
    box["toy"].faults.add("timeout", seconds=0.4)
    with pytest.raises(httpx.ReadTimeout):
        client.post("/things", json={}, timeout=0.1)
    box["toy"].faults.add("late_apply")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.post("/things", json={})
    assert box["toy"].state.all("things") == []
    assert box["toy"].apply_late() == 1
    assert len(box["toy"].state.all("things")) == 1


def test_status_and_body_faults(box: Box, client: httpx.Client) -> None:
    faults = box["toy"].faults
    faults.add(429, retry_after=7, nth=2)
    faults.add(503, method="POST", apply=True)
    assert client.get("/things").status_code == 200
    limited = client.get("/things")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert client.post("/things", json={"n": 1}).status_code == 503
    assert client.get("/things").json() == {"data": [{"id": "t1", "n": 1}]}
    faults.clear()
    faults.add("truncated")
    assert client.get("/things").content == b'{"data":[{"id"'
    faults.add("html200")
    assert client.get("/things").headers["content-type"].startswith("text/html")
    faults.add("empty200", method="POST", apply=False)
    assert client.post("/things", json={}).content == b""
    assert len(box["toy"].state.all("things")) == 1


def test_duplicate_page_and_probability(box: Box, client: httpx.Client) -> None:
    client.get("/things")
    client.post("/things", json={})
    box["toy"].faults.add("duplicate_page", method="GET")
    assert client.get("/things").json() == {"data": []}
    assert client.get("/things").json() == {"data": [{"id": "t1"}]}
    box["toy"].faults.add(500, method="GET", times=None, probability=0.5, seed=1)
    statuses = [client.get("/things").status_code for _ in range(20)]
    assert set(statuses) == {200, 500}


def test_control_routes(box: Box) -> None:
    with httpx.Client(base_url=box.url("toy") + "/__sandbox__", trust_env=False) as control:
        assert control.post("/make", json={"resource": "things", "fields": {"key": "k"}}).json() == [
            {"id": "t1", "key": "k"}
        ]
        assert control.post("/faults", json={"kind": "500", "path": "^/x"}).json() == {"switches": 1}
        assert control.delete("/faults").json() == {"switches": 0}
        control.post("/state", json={"advance": 3600})
        assert control.get("/state").json()["objects"] == {"things": 1}
        assert control.get("/changes").json()[0]["key"] == "k"
        assert control.get("/objects/things").json() == [{"id": "t1", "key": "k"}]
        assert control.get("/calls").json() == []


def test_webhooks_are_signed_sent_and_kept_until_taken(box: Box) -> None:
    taken: list[bytes] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append(body)
            self.send_response(200 if len(taken) > 1 else 503)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        box["toy"].hook(f"http://127.0.0.1:{server.server_port}/in", "s", ["thing.*"])
        box["toy"].make("things", n=1)
        assert box["toy"].deliver() == [503]
        assert box["toy"].deliver() == [200]
        assert [json.loads(body) for body in taken] == [{"id": "t1", "n": 1}] * 2
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_records_are_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "toy" / "records").mkdir(parents=True)
    lines = ['{"id": "1", "a": 1}', '{"no": "id"}', "[1]", ""]
    (tmp_path / "toy" / "records" / "thing__src.jsonl").write_text("\n".join(lines))
    toy = Toy()
    assert toy.load(tmp_path) == {"thing__src.jsonl": 1}
    assert toy.load(tmp_path / "toy") == {"thing__src.jsonl": 0}


def test_a_process_of_its_own_keeps_ports_and_state_over_sigkill(tmp_path: Path) -> None:
    system = next(iter(find_simulators()), None)
    if system is None:
        pytest.skip("no simulator yet")
    ports = tmp_path / "ports.json"
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--home",
        str(tmp_path),
        "--systems",
        system,
        "--ports-file",
        str(ports),
    ]

    def up() -> tuple[subprocess.Popen[bytes], int]:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())["ready"][system]

    def ask(port: int, path: str, method: str = "GET", body: bytes | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(method, f"/__sandbox__{path}", body)
        told = json.loads(connection.getresponse().read())
        connection.close()
        return told

    first, port = up()
    before = ask(port, "/state", "POST", b'{"advance": 5}')
    first.kill()
    first.communicate()
    second, again = up()
    try:
        assert again == port
        assert ask(again, "/state")["now"] > before["now"]
    finally:
        second.send_signal(signal.SIGTERM)
        second.communicate()
    assert second.returncode == 0
