"""Simulators as a process of their own: `python -m sandbox --home DIR --systems stripe,hubspot --ports-file FILE`.

Ports are written to the file as {"system": port} and taken from it at the next start, unless one is taken; one JSON line
on standard output says that all answer. SIGTERM and Ctrl-C end it; SIGKILL loses nothing, since the journals are written per change.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

from sandbox.seeding import fill
from sandbox.server import HOST, Box, find_simulators


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
    ports = _remembered(asked.ports_file)
    done = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if asked.seed:
        fill(asked.home, systems)
    with Box(systems, asked.home, ports) as box:
        if asked.ports_file:
            asked.ports_file.parent.mkdir(parents=True, exist_ok=True)
            draft = asked.ports_file.with_suffix(".draft")
            draft.write_text(json.dumps({**ports, **box.ports}))
            os.replace(draft, asked.ports_file)
        loaded = {name: box[name].load(asked.load) for name in systems} if asked.load else {}
        print(json.dumps({"ready": box.ports, "loaded": loaded}), flush=True)  # noqa: T201 - this is its answer
        done.wait()
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
