"""Large reads by Bulk API 2.0, against the simulator, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import open_connector
from connectors.salesforce import Salesforce
from kernel.errors import Retry, RetryAt
from kernel.records import Page
from sandbox import Box
from sandbox.salesforce import Salesforce as Simulator
from tests.conftest import FakeClock

Opener = Callable[..., Salesforce]
KEY = "Throughline_Key__c"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box(["salesforce"]) as box:
        yield box


@pytest.fixture
def vendor(box: Box) -> Simulator:
    simulator = box.blank("salesforce")
    assert isinstance(simulator, Simulator)
    simulator.jobs.most = 10
    return simulator


@pytest.fixture
def opened(vendor: Simulator) -> Iterator[Opener]:
    made: list[Salesforce] = []

    def build(**settings: Any) -> Salesforce:
        told = {"instance_url": vendor.base_url, "access_token": vendor.token, "bulk_from": 20, **settings}
        connector = open_connector(Salesforce, told, connection="sf_test", clock=FakeClock(time.time_ns() // 1000))
        assert isinstance(connector, Salesforce)
        made.append(connector)
        return connector

    yield build
    for connector in made:
        connector.close()


def jobs(vendor: Simulator) -> int:
    return sum(call.path.endswith("/jobs/query") and call.method == "POST" for call in vendor.calls)


def whole(pages: list[Page]) -> dict[str, Any]:
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    plain = [(one.id, one.raw, one.updated_at) for page in pages for one in page.records]
    return {id: ({name: value for name, value in raw.items() if name != "attributes"}, at) for id, raw, at in plain}


def make(vendor: Simulator, count: int = 45) -> None:
    for n in range(count):
        vendor.make(
            "Account", Name=f'"A", {n}\nLtd', AnnualRevenue=n * 1.5, NumberOfEmployees=n, Website="https://x.example"
        )


def test_a_large_read_holds_what_its_pages_would(opened: Opener, vendor: Simulator) -> None:
    make(vendor)
    by_pages = whole(list(opened(bulk_from=1000).read("Account", None)))
    assert jobs(vendor) == 0
    pages = list(opened().read("Account", None))
    assert whole(pages) == by_pages
    assert jobs(vendor) == 1
    assert max(len(page.records) for page in pages) == 10


def test_a_killed_read_goes_on_with_its_job(opened: Opener, vendor: Simulator) -> None:
    make(vendor)
    seen, cursor, last = list[str](), None, False
    while not last:
        page = next(iter(opened().read("Account", cursor)))
        seen, cursor, last = seen + [one.id for one in page.records], page.cursor, page.last
    assert sorted(seen) == sorted(vendor.state.ids("Account"))
    assert jobs(vendor) == 1


def test_what_changes_while_a_job_runs_comes_with_the_next_read(opened: Opener, vendor: Simulator) -> None:
    make(vendor)
    vendor.jobs.looks = 3
    connector, late = opened(lookback=0.0), ""
    pages = []
    for page in connector.read("Account", None):
        pages.append(page)
        if not late:
            vendor.state.advance(30)
            late = vendor.state.ids("Account")[3]
            vendor.change("Account", late, Name="Late")
            vendor.state.advance(3600)
    assert late in {one.id for more in connector.read("Account", pages[-1].cursor) for one in more.records}


@pytest.mark.parametrize("how", ["Failed", "Aborted", "dropped", "forbidden"])
def test_without_its_job_a_read_goes_page_by_page(opened: Opener, vendor: Simulator, how: str) -> None:
    make(vendor)
    vendor.jobs.fails = how if how[0].isupper() else ""
    vendor.jobs.allowed = how != "forbidden"
    pages = []
    for page in opened().read("Account", None):
        pages.append(page)
        if how == "dropped":
            vendor.jobs.drop()
    assert set(whole(pages)) == set(vendor.state.ids("Account"))


def test_a_job_that_takes_too_long_is_left_to_a_later_run(opened: Opener, vendor: Simulator) -> None:
    make(vendor)
    vendor.jobs.looks = 1000
    reading = opened().read("Account", None)
    begun = next(reading)
    with pytest.raises(RetryAt) as caught:
        list(reading)
    assert caught.value.cause == "bulk_running"
    vendor.jobs.looks = 0
    for job in vendor.jobs.jobs.values():
        job["_looks"] = 0
    assert set(whole(list(opened().read("Account", begun.cursor)))) == set(vendor.state.ids("Account"))
    assert jobs(vendor) == 1


def test_a_window_of_many_goes_by_a_job(opened: Opener, vendor: Simulator) -> None:
    start = 1_700_000_000_000_000
    vendor.state.freeze(start)
    make(vendor)
    vendor.state.freeze(start + 3_600_000_000)
    make(vendor, 3)
    found = whole(list(opened().read("Account", None, window=(start, start + 60_000_000))))
    assert len(found) == 45
    assert jobs(vendor) == 1


def test_an_answer_cut_short_is_asked_again_or_refused(opened: Opener, vendor: Simulator) -> None:
    make(vendor)
    pages = opened().read("Account", None)
    seen = [next(pages)]
    while not seen[-1].records:
        seen.append(next(pages))
    job = next(iter(vendor.jobs.jobs))
    vendor.jobs.rows[job][15] = vendor.jobs.rows[job][15][:-2]
    with pytest.raises(Retry, match="cut short"):
        list(pages)
