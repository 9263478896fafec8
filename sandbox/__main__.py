"""Simulators as a process of their own: `python -m sandbox --home DIR --systems stripe,hubspot --ports-file FILE`.

Ports are written to the file as {"system": port} and taken from it at the next start, unless somebody has one of them by
then; one JSON line on standard output says that all answer, and so does DIR/serving.json. One process serves a folder:
a second one ends with code 3. SIGTERM and Ctrl-C end it; SIGKILL loses nothing, since the journals are written per change.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO

from sandbox.seeding import fill
from sandbox.server import HOST, Box, find_simulators

SERVED_ALREADY = 3
"""Exit code: another process serves this folder."""


def main() -> int:
    """Parse, serve, wait for a signal."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Serve vendor simulators on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--systems", default="", help="comma-separated; default: every simulator")
    parser.add_argument("--ports-file", type=Path, help="where ports are written, and read at the next start")
    parser.add_argument("--seed", action="store_true", help="fill systems without a journal with the demo's customers")
    parser.add_argument("--load", type=Path, help="folder of records to load (once per journal)")
    asked = parser.parse_args()
    systems = [name for name in asked.systems.split(",") if name] or sorted(find_simulators())
    done = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    lock = _alone(asked.home)
    if lock is None:
        return SERVED_ALREADY
    serving = asked.home / "serving.json"
    serving.unlink(missing_ok=True)
    if asked.seed:
        fill(asked.home, systems)
    ports = _remembered(asked.ports_file)
    with lock, Box(systems, asked.home, ports) as box:
        if asked.ports_file:
            _write(asked.ports_file, {**ports, **box.ports})
        loaded = {name: box[name].load(asked.load) for name in systems} if asked.load else {}
        _write(serving, {"ports": box.ports, "tokens": {name: box[name].token for name in systems}})
        print(json.dumps({"ready": box.ports, "loaded": loaded}), flush=True)  # noqa: T201 - this is its answer
        while not done.wait(2) and (asked.home / "lock").exists():
            pass  # whoever removed the folder wants no simulators either
        serving.unlink(missing_ok=True)
    return 0


def _alone(home: Path) -> IO[str] | None:
    """The folder's lock with our process id in it; None where another process holds it."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("a+")
    until = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:  # whoever looks whether we run holds it for a moment, too
            if time.monotonic() > until:
                lock.close()
                return None
            time.sleep(0.05)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _remembered(file: Path | None) -> dict[str, int]:
    """The ports of the last start; none of them where somebody else has one by now."""
    if file is None or not file.exists():
        return {}
    ports: dict[str, int] = json.loads(file.read_text())
    try:
        for port in ports.values():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
    except OSError:
        return {}
    return ports


def _write(file: Path, value: object) -> None:
    """Whole or not at all, for our own eyes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(value))
    os.replace(draft, file)


if __name__ == "__main__":
    sys.exit(main())
