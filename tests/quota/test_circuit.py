"""The breaker: opened by what the vendor does to anybody, one probe at a time, closed by an answer; nothing is given up."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from connectors.http import Http
from journey.connecting import shared_budget
from journey.stories.budgets import circuits
from kernel.clock import SECOND
from kernel.errors import RetryAt, ThroughlineError, Unknown
from kernel.quota import Limit
from kernel.quota.circuit import FAILURES, FIRST, LONGEST, Circuit
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import Vault
from tests.conftest import KEY, FakeClock
from tests.quota.room import START


def test_it_opens_tries_once_and_waits_longer_each_time() -> None:
    circuit, at = Circuit(), START
    for n in range(FAILURES):
        assert (circuit.state(at), circuit.wait(at)) == ("closed", 0)
        circuit.failed(at)
        assert (n + 1 == FAILURES) == (circuit.wait(at) > 0)
    waits = []
    for _ in range(8):
        wait = circuit.wait(at)
        waits.append(wait)
        at += wait
        assert circuit.wait(at) == 0  # the probe
        assert circuit.state(at) == "half_open"
        assert circuit.wait(at) > 0  # and nobody else
        circuit.failed(at)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST, LONGEST)
    at += circuit.wait(at)
    assert circuit.wait(at) == 0
    circuit.answered()
    assert (circuit.state(at), circuit.wait(at)) == ("closed", 0)


def test_a_probe_that_was_never_reported_is_given_to_another() -> None:
    circuit = Circuit()
    circuit.failed(START, FAILURES)
    at = START + FIRST
    assert circuit.wait(at) == 0
    assert circuit.wait(at + 100 * SECOND) > 0
    assert circuit.wait(at + 151 * SECOND) == 0


@pytest.fixture
def kept(tmp_path: Path, clock: FakeClock) -> Store:
    return open_store(sqlite_url(tmp_path / "store.db"), Vault([KEY]), clock)


class Down:
    """A vendor that is down, or not."""

    def __init__(self) -> None:
        self.calls, self.answer = 0, 503

    def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self.answer == 0:
            raise httpx.ConnectError("no")
        return httpx.Response(self.answer, json={})


def workers(store: Store, vendor: Down, many: int = 2) -> list[Http]:
    """As many processes, by what they share."""
    limits = [Limit(1000, 10.0)]
    return [
        Http(
            connection="shop",
            base_url="https://vendor.test",
            clock=store.clock,
            budget=shared_budget(store, "shop", limits),
            transport=httpx.MockTransport(vendor),
        )
        for _ in range(many)
    ]


@pytest.mark.parametrize("answer", [500, 503, 0])
def test_a_vendor_that_is_down_for_an_hour_is_asked_a_few_times_by_all_together(
    kept: Store, clock: FakeClock, answer: int
) -> None:
    vendor = Down()
    vendor.answer = answer
    first, second = workers(kept, vendor)
    until = clock.now() + 3600 * SECOND
    while clock.now() < until:
        for http in (first, second):
            with pytest.raises(ThroughlineError):
                http.get("/x")
        clock.sleep(15.0)
    assert FAILURES <= vendor.calls <= 40
    (told,) = circuits(kept)
    assert (told["connection"], told["state"]) == ("shop", "open")
    vendor.answer = 200
    clock.sleep(LONGEST / SECOND)  # less than two probes' time
    assert first.get("/x").status == 200
    assert second.get("/x").status == 200
    assert circuits(kept) == []


def test_a_write_during_an_outage_is_unknown_or_unsent_and_says_which(kept: Store, clock: FakeClock) -> None:
    vendor = Down()
    (http,) = workers(kept, vendor, 1)
    errors: list[ThroughlineError] = []
    for _ in range(FAILURES + 1):
        with pytest.raises(ThroughlineError) as caught:
            http.send("POST", "/x", json={}, write=True)
        errors.append(caught.value)
    assert [type(error) for error in errors] == [*[Unknown] * FAILURES, RetryAt]
    assert [error.outage for error in errors[:-1]] == [*[False] * (FAILURES - 1), True]
    last = errors[-1]
    assert isinstance(last, RetryAt)
    assert (last.cause, last.sent, vendor.calls) == ("circuit_open", False, FAILURES)
    assert last.at > clock.now()


def test_refusals_of_records_and_limits_do_not_open_it(kept: Store, clock: FakeClock) -> None:
    vendor = Down()
    (http,) = workers(kept, vendor, 1)
    for vendor.answer in (400, 404, 409, 422) * 5:
        with pytest.raises(ThroughlineError):
            http.get("/x")
    assert circuits(kept) == []
