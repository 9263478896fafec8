"""What `throughline check` looks at. Each probe answers with checks, as connectors do; a probe that fails is a finding, not a crash."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import text

from console.opening import Desk
from journey import activation
from kernel import revisions
from kernel.clock import SECOND
from kernel.errors import ThroughlineError
from kernel.records import Check

_ROOM = 1024**3
_SKEW = 2.0
"""Seconds that the database's clock may differ from this machine's: leases and holds are counted on both."""

_PINNED = {"prefect": "3.8", "fastapi": "0."}
_NEEDED = ("prefect", "fastapi", "sqlalchemy", "pydantic", "httpx", "stripe", "hubspot-api-client", "simple-salesforce")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and what it is about: the machine, the store, the documents, Prefect, or a connection."""

    about: str
    check: Check

    def told(self) -> dict[str, Any]:
        """As data."""
        return {"about": self.about, **asdict(self.check)}


def machine(opened: Desk) -> Iterator[Check]:
    """Python, the libraries that matter, the data folder, the key file, room on the disk."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")
    for name in _NEEDED:
        yield _library(name)
    home = opened.settings.home
    free = shutil.disk_usage(home).free
    yield Check(
        "disk", free > _ROOM, f"{free / _ROOM:.1f} GiB free below {home}", "make room, or move THROUGHLINE_HOME"
    )
    yield _key_file(opened)


def _library(name: str) -> Check:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed", "make setup")
    right = version.startswith(_PINNED.get(name, ""))
    return Check(name, right, version, f"this release works with {name} {_PINNED.get(name, '')}*; make setup")


def _key_file(opened: Desk) -> Check:
    path = opened.settings.home / "key"
    if opened.settings.key:
        return Check("key", True, "from THROUGHLINE_KEY")
    if not path.exists():
        return Check("key", True, f"{path} is made when the store is opened first")
    mode = path.stat().st_mode & 0o777
    return Check("key", mode & 0o077 == 0, f"{path} has mode {mode:04o}", f"chmod 600 {path}")


def store(opened: Desk) -> Iterator[Check]:
    """Open and migrate the store; its clock beside this machine's."""
    opened_store = opened.store
    kind = "SQLite" if opened_store.sqlite else "PostgreSQL"
    yield Check("store", True, kind)
    if not opened_store.sqlite:
        with opened_store.read() as conn:
            there = conn.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar()
        skew = abs(float(there or 0) - opened_store.clock.now() / SECOND)
        yield Check("store clock", skew < _SKEW, f"{skew:.2f} s apart", "let both machines follow NTP")


def documents(opened: Desk) -> Iterator[Check]:
    """The stewards' files hold together, and are the active ones."""
    config = opened.settings.config
    activation.check(config, opened.described)
    yield Check("documents", True, f"sound, below {config}")
    if not revisions.active(opened.store):
        yield Check("active", False, "nothing is active yet", "throughline activate")
        return
    changes = revisions.difference(opened.store, config)
    count = sum(map(len, (changes.added, changes.changed, changes.removed)))
    fix = "throughline activate --dry-run --diff, then throughline activate"
    yield Check(
        "active", not changes, f"{count} files differ from what is active" if count else "as in the folder", fix
    )


def connection(opened: Desk, name: str) -> Iterator[Check]:
    """What the connector itself says of its account."""
    yield Check("settings", True, opened.connections.system(name))
    yield from opened.connections.open(name).check()


def probed(about: str, probe: Callable[[], Iterator[Check]]) -> Iterator[Finding]:
    """The findings of a probe; one that breaks off adds a failed check with what to do."""
    try:
        for check in probe():
            yield Finding(about, check)
    except ThroughlineError as error:
        yield Finding(about, Check("reach", False, str(error), _fix(error)))
    except OSError as error:
        yield Finding(about, Check("reach", False, f"{error.filename or ''} {error.strerror or error}".strip()))
    except Exception as error:  # a connector's defect must not hide the other findings
        yield Finding(about, Check("reach", False, f"the check crashed: {type(error).__name__}", "report it"))


def _fix(error: ThroughlineError) -> str:
    return {
        "unauthorized": "renew the credential that connections.yaml names",
        "unreachable": "check the network, the proxy and base_url",
        "store_unavailable": "check THROUGHLINE_DATABASE_URL and that the database runs",
        "bad_document": "correct the file; throughline activate --dry-run checks it again",
    }.get(error.cause, "")
