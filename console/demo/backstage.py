"""The simulators' process: started once, left running for the next demo, ended by SIGTERM with a deadline."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel.errors import Stop
from kernel.settings import CHECKOUT

SYSTEMS = ("stripe", "shopify", "zendesk", "typeform", "hubspot", "salesforce")
START_LIMIT, STOP_LIMIT = 90.0, 10.0
"""Seconds: a start takes about two, ten on a machine under load; SIGTERM needs one."""

_POLL = 0.05
_started: list[subprocess.Popen[bytes]] = []  # kept, or Python warns that they run on; so they shall
Told = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Simulators:
    """The served systems: their addresses and the credentials they take."""

    urls: Mapping[str, str]
    tokens: Mapping[str, str]


def start(folder: Path, told: Told) -> Simulators:
    """The simulators of this folder, filled and started where they do not run; `told` is called with the seconds waited."""
    found = serving(folder)
    if found is not None:
        return found
    process, began = _launch(folder), time.monotonic()
    _started.append(process)
    while (found := serving(folder)) is None:
        waited = time.monotonic() - began
        ours = process.poll()
        if waited > START_LIMIT or (ours is not None and _pid(folder) is None and serving(folder) is None):
            raise Stop(f"the simulators did not start; their log: {folder / 'log'}", cause="sandbox")
        told(waited)
        time.sleep(_POLL)
    return found


def serving(folder: Path) -> Simulators | None:
    """The simulators of this folder if a process serves them and all answer."""
    if _pid(folder) is None:
        return None
    try:
        written: dict[str, Any] = json.loads((folder / "serving.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    urls = {name: f"http://127.0.0.1:{port}" for name, port in written["ports"].items()}
    return Simulators(urls, written["tokens"]) if all(_answers(name, url) for name, url in urls.items()) else None


def stop(folder: Path, limit: float = STOP_LIMIT) -> bool:
    """End the simulators: SIGTERM, after `limit` seconds SIGKILL (their journals lose nothing). False where none ran."""
    pid = _pid(folder)
    if pid is None:
        return False
    deadline = time.monotonic() + limit
    os.kill(pid, signal.SIGTERM)
    while _pid(folder) == pid:
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + limit
        time.sleep(_POLL)
    for process in _started:
        process.poll()
    return True


def _launch(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sandbox", "--home", str(folder), "--systems", ",".join(SYSTEMS), "--seed"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own command, no shell
            [*command, "--ports-file", str(folder / "ports.json")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
        )


def _pid(folder: Path) -> int | None:
    """The process that holds the folder's lock: nobody else's number can be read there."""
    try:
        with (folder / "lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return int(lock.read() or 0) or None
    except (FileNotFoundError, ValueError):
        pass
    return None


def _answers(system: str, url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/__sandbox__/state", timeout=5) as answer:  # nosec B310 # noqa: S310 - http on loopback
            return bool(json.loads(answer.read()).get("system") == system)
    except (OSError, ValueError):
        return False
