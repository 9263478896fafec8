"""Leases outlive a long batch, and not a dead worker; workers on several machines share the database's clock."""

from __future__ import annotations

from threading import Event

import pytest

from kernel import leases
from kernel.clock import SECOND, ServerClock, SystemClock
from kernel.leases import LONGEST, TERM, Held, hold
from kernel.store import Store, open_store, tables
from kernel.vault import Vault
from tests.conftest import KEY, FakeClock


@pytest.fixture
def lent(store: Store) -> tuple[Store, FakeClock]:
    clock = FakeClock()
    store.clock = clock
    return store, clock


def test_a_batch_longer_than_the_term_keeps_its_lease(lent: tuple[Store, FakeClock]) -> None:
    store, clock = lent
    with hold(store, "deliver:x") as mine:
        for _ in range(6):
            clock.at += TERM // 2
            leases.beat()
        with pytest.raises(Held), hold(store, "deliver:x"):
            pass
        mine.renew()
    with hold(store, "deliver:x"):
        pass


def test_a_holder_that_hangs_loses_it_in_the_end(lent: tuple[Store, FakeClock]) -> None:
    store, clock = lent
    with hold(store, "deliver:x") as mine:
        for _ in range(LONGEST // (TERM // 2) + 4):
            clock.at += TERM // 2
            leases.beat()
        with hold(store, "deliver:x") as theirs:
            assert theirs.fence == mine.fence + 1
            leases.beat()
            with pytest.raises(Held):
                mine.renew()
            assert [row.fence for row in _leases(store)] == [theirs.fence]


def _leases(store: Store) -> list[object]:
    with store.read() as conn:
        return list(conn.execute(tables.lease.select()).all())


def test_one_that_was_lost_is_not_taken_back_by_a_beat(lent: tuple[Store, FakeClock]) -> None:
    store, clock = lent
    with hold(store, "deliver:x") as mine:
        clock.at += TERM + 1
        with hold(store, "deliver:x"):
            clock.at += TERM // 2
            leases.beat()
            with pytest.raises(Held):
                mine.renew()


def test_the_heart_beats_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = Event()
    store.clock = SystemClock()
    monkeypatch.setattr(leases, "TERM", 60_000)  # six hundredths of a second
    monkeypatch.setattr(leases, "_hearts", {})
    monkeypatch.setattr(leases.Lease, "beat", lambda self: beaten.set())
    with hold(store, "deliver:x"):
        assert beaten.wait(10)
    monkeypatch.setattr(leases, "TERM", 3600 * SECOND)  # this one need not beat any more


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_machines_whose_clocks_differ_agree(minutes: int) -> None:
    server, steady = FakeClock(), FakeClock(at=77)
    clock = ServerClock(server.now, lambda: steady.at * 1000)
    assert clock.now() == server.at
    steady.at += 30 * SECOND
    assert clock.now() == server.at + 30 * SECOND, "carried on by the steady clock"
    steady.at += 31 * SECOND
    server.at += 61 * SECOND + minutes * 1000
    assert clock.now() == server.at, "and set by the server again"


def test_a_server_that_is_away_stops_no_clock() -> None:
    steady, calls = FakeClock(at=0), []

    def told() -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError
        return 5_000_000

    clock = ServerClock(told, lambda: steady.at * 1000)
    steady.at += 90 * SECOND
    assert clock.now() == 95_000_000
    assert clock.now() == 95_000_000


@pytest.mark.postgresql
def test_on_postgresql_the_clock_is_the_servers(postgres_url: str) -> None:
    opened = open_store(postgres_url, Vault([KEY]))
    assert isinstance(opened.clock, ServerClock)
    assert abs(opened.clock.now() - SystemClock().now()) < 5 * SECOND
    opened.close()
