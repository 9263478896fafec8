"""For operators: `python -m flows environment` prints Prefect's variables for a shell, `python -m flows deploy` deploys.

eval "$(python -m flows environment)"
prefect worker start --pool throughline
"""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path

from flows import Server, environment, start_server
from kernel.errors import ThroughlineError
from kernel.settings import Settings


def main(arguments: list[str]) -> int:
    """0: done; 1: it could not be done; 2: not a verb of ours."""
    if arguments not in (["environment"], ["deploy"]):
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        server = start_server(Settings.from_environment().home)
        sys.stdout.write(_exports(server) if arguments == ["environment"] else _deployed(server))
    except ThroughlineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _exports(server: Server) -> str:
    chosen = environment.variables(Path(server.home), server.api)
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in chosen.items())


def _deployed(server: Server) -> str:
    environment.prepare(Path(server.home), server.api)
    return str(importlib.import_module("flows.deploy").deploy(server))  # after the variables are set


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
