"""Rotating refresh tokens: kept sealed, renewed once for all workers, and never lost with a lost answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connectors import connector_for, open_connector
from connectors.base import Connector
from kernel.credentials import StoredTokens
from kernel.errors import Retry, Stop
from kernel.leases import Held
from kernel.store import Store, open_store, sqlite_url, tables
from kernel.vault import Vault
from sandbox import Box
from sandbox.quickbooks import QuickbooksSimulator
from tests.conftest import KEY, ROOT, FakeClock

TOKENS = "/oauth2/v1/tokens/bearer"

WORKER = """
import json, sys
from connectors import connector_for, open_connector
from kernel.credentials import StoredTokens
from kernel.store import open_store
from kernel.vault import Vault
told = json.loads(sys.argv[1])
store = open_store(told["store"], Vault([bytes.fromhex(told["key"])]))
tokens = StoredTokens(store, "books")
connector = open_connector(connector_for("quickbooks"), told["settings"], connection="books", tokens=tokens)
for turn in sys.stdin:
    print(len(next(connector.read("customers", None)).records), flush=True)
"""


@pytest.fixture
def sim(serve: Callable[..., Box]) -> QuickbooksSimulator:
    sim = serve("quickbooks")["quickbooks"]
    assert isinstance(sim, QuickbooksSimulator)
    sim.make("customers")
    return sim


def settings(sim: QuickbooksSimulator, **other: Any) -> dict[str, Any]:
    client, secret = sim.client
    told = {"client_id": client, "client_secret": secret, "refresh_token": sim.first_refresh, "realm_id": sim.realm}
    return {**told, "base_url": sim.base_url, "auth_url": sim.base_url, **other}


def asked(sim: QuickbooksSimulator) -> list[str]:
    """The refresh tokens that were sent, in order."""
    return [call.body.decode().rpartition("refresh_token=")[2] for call in sim.calls if call.path == TOKENS]


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(sqlite_url(tmp_path / "kept.db"), Vault([KEY]))
    yield opened
    opened.close()


@pytest.fixture
def books(sim: QuickbooksSimulator, kept: Store, clock: FakeClock) -> Iterator[Callable[..., Connector]]:
    """`books()` → a connector as another worker opens it: nothing in memory, all in the store."""
    with ExitStack() as opened:

        def open_one(**other: Any) -> Connector:
            tokens = StoredTokens(kept, "books")
            made = open_connector(
                connector_for("quickbooks"), settings(sim, **other), connection="books", clock=clock, tokens=tokens
            )
            opened.callback(made.close)
            return made

        yield open_one


def read(connector: Connector) -> int:
    return len(next(iter(connector.read("customers", None))).records)


def test_four_processes_renew_once_each_time_and_the_store_tells_nobody(
    sim: QuickbooksSimulator, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    open_store(sqlite_url(path), Vault([KEY])).close()
    told = json.dumps({"store": sqlite_url(path), "key": KEY.hex(), "settings": settings(sim)})
    command = [sys.executable, "-c", WORKER, told]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    sim.faults.add("slow", "POST", TOKENS, times=None, seconds=0.5)  # the others come while one is asking
    workers = [
        subprocess.Popen(command, env=environ, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        for turn in (1, 2):
            sim.token = f"access-{turn}"
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "1\n"
            assert len(asked(sim)) == turn
    finally:
        for worker in workers:
            worker.communicate()
    assert asked(sim) == ["sandbox-refresh-0", "sandbox-refresh-1"]
    held = b"".join(file.read_bytes() for file in tmp_path.glob("store.db*"))
    for secret in (b"sandbox-refresh", b"access-1", b"access-2"):
        assert secret not in held


def test_a_worker_that_starts_later_goes_on_with_what_is_kept(
    sim: QuickbooksSimulator, books: Callable[..., Connector], clock: FakeClock
) -> None:
    assert read(books()) == read(books()) == 1
    assert asked(sim) == ["sandbox-refresh-0"]
    clock.sleep(3600)
    assert read(books()) == 1
    assert asked(sim) == ["sandbox-refresh-0", "sandbox-refresh-1"]


@pytest.mark.parametrize("kind", ["reset", "truncated", "500"])
def test_a_lost_answer_to_a_refresh_is_asked_for_again_with_the_same_token(
    sim: QuickbooksSimulator, books: Callable[..., Connector], clock: FakeClock, kind: str
) -> None:
    sim.faults.add(kind, "POST", TOKENS, apply=True)
    assert read(books()) == 1
    assert asked(sim) == ["sandbox-refresh-0", "sandbox-refresh-0"]
    clock.sleep(3600)
    assert read(books()) == 1
    assert asked(sim)[-1] == "sandbox-refresh-1"


def test_the_former_token_is_kept_until_the_new_one_has_worked(
    sim: QuickbooksSimulator, books: Callable[..., Connector], clock: FakeClock
) -> None:
    assert read(books()) == 1
    sim.state.remember("tokens", {"current": "sandbox-refresh-0", "former": "", "count": 7})  # it forgot what it gave
    clock.sleep(3600)
    assert read(books()) == 1
    assert asked(sim)[1:] == ["sandbox-refresh-1", "sandbox-refresh-0"]
    clock.sleep(3600)
    assert read(books()) == 1
    assert asked(sim)[3:] == ["sandbox-refresh-8"]


def test_a_process_killed_before_the_new_token_was_kept_locks_nobody_out(
    sim: QuickbooksSimulator, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path / "store.db")
    open_store(url, Vault([KEY])).close()
    told = json.dumps({"store": url, "key": KEY.hex(), "settings": settings(sim)})
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = {**environ, "THROUGHLINE_FAILPOINT": "credential.write.before_commit"}
    runs = [
        subprocess.run([sys.executable, "-c", WORKER, told], env=env, cwd=ROOT, input="go\n", capture_output=True, text=True)
        for env in (killed, environ)
    ]  # fmt: skip
    assert [run.stdout for run in runs] == ["", "1\n"]
    assert asked(sim) == ["sandbox-refresh-0", "sandbox-refresh-0"]


def test_when_every_token_is_refused_it_stops_and_says_what_to_do(
    sim: QuickbooksSimulator, books: Callable[..., Connector]
) -> None:
    sim.state.remember("tokens", {"current": "somebody-elses", "former": "", "count": 1})
    with pytest.raises(Stop, match="throughline check books") as stopped:
        read(books())
    assert stopped.value.cause == "unauthorized"
    assert "sandbox-refresh" not in str(stopped.value)


def test_a_newly_configured_token_starts_anew(
    sim: QuickbooksSimulator, books: Callable[..., Connector], clock: FakeClock
) -> None:
    assert read(books()) == 1
    sim.state.remember("tokens", {"current": "from-a-new-consent", "former": "", "count": 10})
    clock.sleep(3600)
    assert read(books(refresh_token="from-a-new-consent")) == 1
    assert asked(sim)[1:] == ["from-a-new-consent"]


def test_who_comes_while_another_renews_waits_for_its_token(
    sim: QuickbooksSimulator, books: Callable[..., Connector], kept: Store, clock: FakeClock
) -> None:
    assert read(books()) == 1
    sim.token = "another"
    with StoredTokens(kept, "books").hold(), pytest.raises(Retry) as waited:
        read(books())
    assert waited.value.cause == "locked"
    assert sum(clock.slept) >= 60
    assert len(asked(sim)) == 1
    assert read(books()) == 1


def test_a_newer_token_of_another_worker_is_not_written_over(store: Store) -> None:
    one, other = StoredTokens(store, "books"), StoredTokens(store, "books")
    assert one.read() == (0, None)
    assert one.write(0, {"refresh": "a"})
    assert not other.write(0, {"refresh": "b"})
    assert other.write(1, {"refresh": "c"})
    assert not one.write(1, {"refresh": "d"})
    assert one.read() == (2, {"refresh": "c"})
    with one.hold(), pytest.raises(Held), other.hold():
        pass
    with store.read() as conn:
        (row,) = conn.execute(tables.credential.select()).all()
    assert b"refresh" not in row.content
