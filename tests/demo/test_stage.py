"""The demo's HOME is its own, and its simulators are one process that is found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.demo import backstage, stage
from console.demo.backstage import Simulators
from kernel.errors import BadSetting
from kernel.settings import Settings, load_connections
from kernel.store import Store, open_store, sqlite_url
from kernel.store.tables import object_
from kernel.vault import Vault
from tests.conftest import KEY, ROOT

FOUND = Simulators(
    {"stripe": "http://127.0.0.1:1", "salesforce": "http://127.0.0.1:2"}, {"stripe": "s", "salesforce": "f"}
)


def _settings(home: Path, config: Path) -> Settings:
    return Settings.from_environment({"THROUGHLINE_HOME": str(home), "THROUGHLINE_CONFIG": str(config)})


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store in a HOME of its own."""
    monkeypatch.delenv("THROUGHLINE_DATABASE_URL", raising=False)
    opened = open_store(sqlite_url(tmp_path / "home" / "throughline.db"), Vault([KEY]))
    yield opened
    opened.close()


def test_in_the_demos_home_its_connections_count_whatever_the_checkout_holds(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home", tmp_path / "config")
    assert settings.connections_file == tmp_path / "config" / "connections.yaml"
    assert settings.variables({"A": "1"}) == {"A": "1"}
    stage.describe(settings, FOUND)
    described = load_connections(settings.connections_file)
    assert set(described) == {"stripe_main", "salesforce_main"}
    opened = described["stripe_main"].resolved(settings.variables({}))
    assert opened == {"base_url": "http://127.0.0.1:1", "api_key": "s"}
    assert (stage.folder(settings) / "environment").stat().st_mode & 0o077 == 0


def test_real_data_is_not_touched(tmp_path: Path, embedded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(tmp_path / "home", tmp_path / "config")
    stage.require_ours(settings, embedded)  # empty: nobody's
    row = {"id": "o", "connection": "crm", "resource": "contacts", "vendor_id": "1", "deleted": 0}
    with embedded.write() as conn:
        conn.execute(object_.insert().values(row))
    with pytest.raises(BadSetting, match="not the demo's"):
        stage.require_ours(settings, embedded)
    stage.describe(settings, FOUND)
    stage.require_ours(settings, embedded)
    monkeypatch.setenv("THROUGHLINE_DATABASE_URL", "postgresql://elsewhere/real")
    with pytest.raises(BadSetting, match="unset THROUGHLINE_DATABASE_URL"):
        stage.require_ours(settings, embedded)


def test_the_simulators_are_found_again_and_killed_they_come_back_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sandbox"
    monkeypatch.setattr(backstage, "SYSTEMS", ("stripe", "typeform"))
    assert backstage.serving(folder) is None
    first = backstage.start(folder, lambda _: None)
    try:
        assert backstage.start(folder, lambda _: None) == first
        second = subprocess.run(
            [sys.executable, "-m", "sandbox", "--home", str(folder), "--systems", "stripe"],
            cwd=ROOT, capture_output=True, check=False,
        )  # fmt: skip
        assert second.returncode == 3
        pid = int((folder / "lock").read_text())
        os.kill(pid, signal.SIGKILL)
        _wait_for_end(pid)
        assert backstage.serving(folder) is None
        assert backstage.start(folder, lambda _: None) == first
        assert json.loads((folder / "ports.json").read_text()).keys() == {"stripe", "typeform"}
    finally:
        assert backstage.stop(folder)
    assert not backstage.stop(folder)


def _wait_for_end(pid: int) -> None:
    process = next(each for each in backstage._started if each.pid == pid)
    process.wait(timeout=20)


def test_simulators_end_when_their_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backstage, "SYSTEMS", ("typeform",))
    backstage.start(tmp_path / "sandbox", lambda _: None)
    shutil.rmtree(tmp_path / "sandbox")
    assert backstage._started[-1].wait(timeout=60) == 0
