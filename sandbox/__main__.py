"""Simulators as a process of their own: `python -m sandbox --home DIR --systems stripe,hubspot --ports-file FILE`.

Ports are written to the file as {"system": port} and taken from it at the next start; one JSON line on standard output
says that all answer. SIGTERM and Ctrl-C end it; SIGKILL loses nothing, since the journals are written per change.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from sandbox.server import Box, find_simulators


def main() -> int:
    """Parse, serve, wait for a signal."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Serve vendor simulators on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the journals")
    parser.add_argument("--systems", default="", help="comma-separated; default: every simulator")
    parser.add_argument("--ports-file", type=Path, help="where ports are written, and read at the next start")
    parser.add_argument("--load", type=Path, help="folder of records to load (once per journal)")
    asked = parser.parse_args()
    systems = [name for name in asked.systems.split(",") if name] or sorted(find_simulators())
    ports = json.loads(asked.ports_file.read_text()) if asked.ports_file and asked.ports_file.exists() else {}
    done = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with Box(systems, asked.home, ports) as box:
        if asked.ports_file:
            asked.ports_file.parent.mkdir(parents=True, exist_ok=True)
            asked.ports_file.write_text(json.dumps({**ports, **box.ports}))
        loaded = {name: box[name].load(asked.load) for name in systems} if asked.load else {}
        print(json.dumps({"ready": box.ports, "loaded": loaded}), flush=True)  # noqa: T201 - this is its answer
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
