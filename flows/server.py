"""The local Prefect server: a process of its own on SQLite in HOME/prefect, started once and left running.

Never Prefect's ephemeral server: it forgets task runs when the process ends. Nothing here imports Prefect, so the server
comes up while its caller does something else.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flows.environment import for_child, server_elsewhere, server_variables
from kernel.errors import Stop

START_LIMIT = 240.0
"""Seconds a start may take; 8 to 17 were measured on two cores, 70 on a loaded machine."""

STOP_LIMIT = 15.0
"""Seconds after SIGTERM before SIGKILL."""

_PREFERRED_PORT = 4200
_POLL = 0.15
_LOG_LIMIT = 5_000_000
Told = Callable[[float], None]
_started: dict[int, subprocess.Popen[bytes]] = {}  # what this process started, so that it can be waited for


@dataclass(frozen=True, slots=True)
class Server:
    """A Prefect server that answers. `pid` is 0 where it is not ours to stop."""

    port: int
    pid: int
    home: str
    api: str

    @property
    def url(self) -> str:
        """The address of its screens."""
        return self.api.removesuffix("/api")


def start_server(home: Path, told: Told | None = None) -> Server:
    """The server of this HOME, started when it does not run; `told` is called with the seconds waited.

    Where PREFECT_API_URL names another server, that one is used and none is started.
    """
    if elsewhere := server_elsewhere():
        return Server(0, 0, str(home), elsewhere)
    known = remembered(home)
    if known is not None and _answers(known):
        return known
    with _one_starter(home):
        known = remembered(home)
        if known is not None and _answers(known):
            return known
        if known is not None:
            stop_server(home)
        server, process = _launch(home, _free_port(known.port if known else _PREFERRED_PORT))
        _file(home).write_text(json.dumps(asdict(server)))
        _wait(server, process, home, told)
        return server


def running_server(home: Path) -> Server | None:
    """The server of this HOME if it answers."""
    known = remembered(home)
    return known if known is not None and _answers(known) else None


def remembered(home: Path) -> Server | None:
    """The server that was started last, whether or not it still runs."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Server(**json.loads(_file(home).read_text()))
    return None


def stop_server(home: Path, limit: float = STOP_LIMIT) -> bool:
    """End the server by SIGTERM, by SIGKILL after `limit` seconds. False where none ran."""
    known = remembered(home)
    if known is None or not _is_server(known):
        return False
    deadline = time.monotonic() + limit
    os.kill(known.pid, signal.SIGTERM)
    while _is_server(known):
        if time.monotonic() > deadline:
            os.kill(known.pid, signal.SIGKILL)
            deadline = time.monotonic() + limit
        time.sleep(_POLL)
    if (ours := _started.pop(known.pid, None)) is not None:
        ours.wait()  # it is over; this takes its exit code, so that no zombie stays
    return True


def _file(home: Path) -> Path:
    return home / "prefect" / "server.json"


@contextmanager
def _one_starter(home: Path) -> Iterator[None]:
    """Of two starters, one starts and both use its server."""
    (home / "prefect").mkdir(parents=True, exist_ok=True)
    with open(home / "prefect" / "server.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(home: Path, port: int) -> tuple[Server, subprocess.Popen[bytes]]:
    spec = find_spec("prefect")
    if spec is None or spec.origin is None:
        raise Stop("Prefect is not installed; run: make setup", cause="no_prefect")
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(spec.origin).parent), "--factory"]
    command += ["prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port)]
    log = home / "prefect" / "server.log"
    fresh = "wb" if log.exists() and log.stat().st_size > _LOG_LIMIT else "ab"
    with open(log, fresh) as output:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [*command, "--log-level", "warning"],
            env=for_child(server_variables(home, port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
        )
    _started[process.pid] = process
    return Server(port, process.pid, str(home), f"http://127.0.0.1:{port}/api"), process


def _wait(server: Server, process: subprocess.Popen[bytes], home: Path, told: Told | None) -> None:
    began = time.monotonic()
    log = home / "prefect" / "server.log"
    while not _answers(server):
        waited = time.monotonic() - began
        if process.poll() is not None:
            raise Stop(f"the Prefect server ended while starting; its log: {log}", cause="prefect_server")
        if waited > START_LIMIT:
            stop_server(home)
            raise Stop(f"the Prefect server did not answer in {waited:.0f} s; its log: {log}", cause="prefect_server")
        if told:
            told(waited)
        time.sleep(_POLL)


def _answers(server: Server) -> bool:
    """It is healthy, and it is the one of its HOME: another may have taken the port since."""
    try:
        return bool(_get(server, "/health")) and _get(server, "/admin/settings").get("home") == _prefect_home(server)
    except (OSError, ValueError, AttributeError):
        return False


def _get(server: Server, path: str) -> Any:
    with urllib.request.urlopen(f"{server.api}{path}", timeout=5) as answer:  # nosec B310 # noqa: S310 - http on loopback
        return json.loads(answer.read())


def _prefect_home(server: Server) -> str:
    return str(Path(server.home) / "prefect")


def _is_server(server: Server) -> bool:
    """The process is there and is a Prefect server: its number may be another's by now."""
    ours = _started.get(server.pid)
    if ours is not None and ours.poll() is not None:
        return False
    try:
        os.kill(server.pid, 0)
    except OSError:
        return False
    with suppress(OSError):  # no /proc outside Linux: then the number must do
        return b"prefect.server.api.server" in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    return True


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Stop("no free port on 127.0.0.1", cause="prefect_server")
