"""The variables that Prefect reads, set before it is imported. Nothing here imports it.

`python -m flows environment` prints them for a shell.
"""

from __future__ import annotations

import os
from pathlib import Path

LOGGING = Path(__file__).with_name("prefect_logging.json")
"""Prefect's logging inside our own process: levels only. Its default would close and replace the redacting handler."""

_LOGGING_NAME = "PREFECT_LOGGING_SETTINGS_PATH"
OURS = "PREFECT_API_URL_OF_THROUGHLINE"
"""Holds what `variables` set, to be told from what a person set."""


def server_variables(home: Path, port: int) -> dict[str, str]:
    """For the local server's process: SQLite below HOME, and no word to anyone outside."""
    return _quiet(home) | {
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect' / 'prefect.db'}",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api",  # else the browser asks port 4200
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",  # its own retention: 90 days of runs
    }


def variables(home: Path, api: str) -> dict[str, str]:
    """For a process that runs or deploys flows against a server."""
    return _quiet(home) | {
        "PREFECT_API_URL": api,
        OURS: api,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a server that forgets is worse than a clear error
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",  # results would be pickled to plain files
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_CLI_PROMPT": "false",
    }


def prepare(home: Path, api: str = "") -> None:
    """Set them for this process, before Prefect is imported; the server's address may come later."""
    chosen = variables(home, api) | {_LOGGING_NAME: str(LOGGING)}
    os.environ.update(chosen if api else {name: chosen[name] for name in chosen.keys() - {"PREFECT_API_URL", OURS}})


def server_elsewhere() -> str:
    """The server that somebody chose by PREFECT_API_URL; '' where nobody did, or where we did."""
    chosen = os.environ.get("PREFECT_API_URL", "")
    return "" if chosen == os.environ.get(OURS) else chosen


def for_child(chosen: dict[str, str]) -> dict[str, str]:
    """The environment of a process that we start: ours with `chosen`, and Prefect's own logging."""
    ours = {name: value for name, value in os.environ.items() if (name, value) != (_LOGGING_NAME, str(LOGGING))}
    return ours | chosen


def _quiet(home: Path) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
