"""Large pushes by Salesforce's bulk road: counted, killed at every step, and cut short by the vendor; over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import open_connector
from connectors.salesforce import Salesforce, ingest, rows
from journey.limits import Limit, Limits
from journey.outbound import delivering
from kernel import failpoints
from kernel.clock import SECOND
from kernel.documents import read_folder
from kernel.errors import RetryAt
from kernel.leases import Held
from mappings import loading
from sandbox import Box
from sandbox.salesforce import Salesforce as Simulator
from sandbox.salesforce.records import Refused
from tests.conftest import ROOT
from tests.journey.conftest import HERE, WORDS, World, route
from tests.journey.test_lost_answers import Killed

HOUR = 3600 * SECOND
LEAST = 200
LIMITS = Limits(changes=Limit(10_000, 1.0), hour=Limit(100_000, 5.0))
CONTACTS = "/composite/sobjects/Contact/Throughline_Key__c"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box(["salesforce"]) as box:
        yield box


@pytest.fixture
def vendor(box: Box) -> Simulator:
    simulator = box.blank("salesforce")
    assert isinstance(simulator, Simulator)
    return simulator


@pytest.fixture
def firm(world: World, vendor: Simulator) -> Iterator[World]:
    """Shop → Salesforce; from 200 writes on by a job."""
    both = [*read_folder(HERE / "config/mappings"), *read_folder(ROOT / "mappings/salesforce")]
    world.mappings = loading.from_documents(both, WORDS)
    told = {"instance_url": vendor.base_url, "access_token": vendor.token, "bulk_write_from": LEAST}
    target = open_connector(Salesforce, told, connection="salesforce", clock=world.clock)
    world.systems["salesforce"] = target  # type: ignore[assignment]
    world.streams, world.routes = ["shop.customers"], [route("contact", "salesforce.Contact", limits=LIMITS)]
    world.shop.page_size = 1000
    yield world
    target.close()


def people(world: World, count: int, **more: str | None) -> None:
    for n in range(count):
        world.shop.put("customers", str(n), **{"email": f"p{n}@x{n}.io", "first": "Ann", "last": f'L {n}, "Jr"'} | more)


def jobs(vendor: Simulator) -> list[str]:
    return [vendor.ingest.jobs[id]["state"] for id in vendor.ingest.begun]


def by_batch(vendor: Simulator) -> int:
    return sum(call.path.endswith(CONTACTS) for call in vendor.calls)


def kill_at(world: World, point: str, nth: int = 1) -> None:
    passed = Counter[str]()

    def strike(name: str) -> None:
        passed[name] += 1
        if name == point and passed[name] == nth:
            raise Killed

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            world.run()
    finally:
        failpoints.install(None)


def attempts(world: World) -> Counter[str]:
    return Counter(row.outcome for row in world.rows("attempt"))


def each_is_there_once(world: World, vendor: Simulator, count: int) -> None:
    found = [record["Email"] for record in vendor.state.all("Contact")]
    assert sorted(found) == sorted(f"p{n}@x{n}.io" for n in range(count))
    assert world.rows("job") == []


def test_some_thousands_go_by_one_job(firm: World, vendor: Simulator) -> None:
    people(firm, 3000)
    run = firm.run()
    assert run.counts.outbound.applied == 3000
    each_is_there_once(firm, vendor, 3000)
    assert (jobs(vendor), by_batch(vendor)) == (["JobComplete"], 0)
    assert attempts(firm) == {"created": 3000}
    calls = sum(call.method != "GET" or "/jobs/" in call.path for call in vendor.calls)
    assert calls <= 15  # 15 batches and 15 reads of what became of them otherwise
    people(firm, 3000, title="Baker")
    firm.run()
    assert (jobs(vendor), by_batch(vendor)) == (["JobComplete"] * 2, 0)
    assert [job["operation"] for job in vendor.ingest.jobs.values()] == ["upsert", "update"]
    assert {record["Title"] for record in vendor.state.all("Contact")} == {"Baker"}
    firm.run()
    assert len(jobs(vendor)) == 2


def test_a_few_go_in_batches(firm: World, vendor: Simulator) -> None:
    people(firm, LEAST - 1)
    firm.run()
    assert (jobs(vendor), by_batch(vendor)) == ([], 1)
    each_is_there_once(firm, vendor, LEAST - 1)


@pytest.mark.parametrize(
    ("point", "nth"), [("job.told", 2), ("job.told", 4), ("settle.before_commit", 1), ("job.forget.before_commit", 1)]
)
def test_a_job_whose_worker_died_is_gone_on_with(firm: World, vendor: Simulator, point: str, nth: int) -> None:
    people(firm, 300)
    kill_at(firm, point, nth)
    assert len(firm.rows("job")) == 1
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor)) == (["JobComplete"], 0)
    assert firm.states() == {"APPLIED": 300}


def test_what_was_settled_before_the_kill_is_not_settled_again(
    firm: World, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "PART", 100)
    people(firm, 300)
    kill_at(firm, "settle.committed", 2)
    assert firm.states() == {"APPLIED": 100, "INFLIGHT": 200} or firm.states() == {"APPLIED": 200, "INFLIGHT": 100}
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor), firm.states()) == (["JobComplete"], 0, {"APPLIED": 300})


def test_a_job_that_was_never_closed_is_aborted_and_its_rows_go_by_another(firm: World, vendor: Simulator) -> None:
    people(firm, 300)
    kill_at(firm, "job.keep.committed")
    assert jobs(vendor) == ["Open"]
    firm.run()
    firm.clock.at += HOUR
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor)) == (["Aborted", "JobComplete"], 0)
    assert firm.states() == {"APPLIED": 300}


def test_a_job_whose_id_was_never_kept_is_processed_never(firm: World, vendor: Simulator) -> None:
    people(firm, 300)
    kill_at(firm, "job.keep.before_commit")
    firm.clock.at += HOUR
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert jobs(vendor) == ["Open"]
    assert vendor.ingest.jobs[vendor.ingest.begun[0]].get("_rows") is None


@pytest.mark.parametrize(
    ("kind", "path", "options", "states"),
    [
        ("reset", r"/batches$", {"apply": True}, ["Aborted", "JobComplete"]),
        ("503", r"/batches$", {}, ["Aborted", "JobComplete"]),
        ("reset", r"/jobs/ingest/\w+$", {"apply": True}, ["JobComplete"]),
        ("reset", r"/jobs/ingest/\w+$", {}, ["Aborted", "JobComplete"]),
        ("reset", r"/jobs/ingest$", {"apply": True}, ["Open", "JobComplete"]),
    ],
)
def test_lost_answers_on_the_way(
    firm: World, vendor: Simulator, kind: str, path: str, options: dict[str, Any], states: list[str]
) -> None:
    method = "PUT" if "batches" in path else "PATCH" if "+" in path else "POST"
    vendor.faults.add(kind, method=method, path=path, **options)
    people(firm, 300)
    firm.run()
    firm.clock.at += HOUR
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), firm.states()) == (states, {"APPLIED": 300})


@pytest.mark.parametrize("end", ["Failed", "Aborted"])
def test_what_a_job_did_not_come_to_is_sent_again(firm: World, vendor: Simulator, end: str) -> None:
    vendor.ingest.fails, vendor.ingest.processed = end, 250
    people(firm, 600)
    firm.run()
    each_is_there_once(firm, vendor, 600)
    assert (jobs(vendor), by_batch(vendor)) == ([end] * 2, 1)
    assert attempts(firm) == {"created": 600, "retry": 350 + 100}


def test_a_job_that_fails_as_a_whole_ends_in_batches(firm: World, vendor: Simulator) -> None:
    people(firm, 300)
    vendor.ingest.fails = "Failed"
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor)) == (["Failed"] * 2, 2)


def test_without_a_bulk_api_everything_goes_in_batches(firm: World, vendor: Simulator) -> None:
    vendor.ingest.allowed = False
    people(firm, 300)
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor)) == ([], 2)


def test_refused_rows_are_parked_each_for_its_own_cause(firm: World, vendor: Simulator) -> None:
    told: dict[str, Callable[[], Refused]] = {
        "p1@x1.io": lambda: Refused("STRING_TOO_LONG", "Title: data value too large: (max length=80)", "Title"),
        "p2@x2.io": lambda: Refused("DUPLICATES_DETECTED", "Use one of these records?"),
        "p3@x3.io": lambda: Refused("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"),
        "p4@x4.io": lambda: Refused("DUPLICATE_VALUE", "duplicate value found: Throughline_Key__c duplicates value"),
    }
    vendor.ingest.refuses = lambda row: told[row["Email"]]() if row.get("Email") in told else None
    people(firm, 300)
    firm.run()
    assert firm.states() == {"APPLIED": 298, "DEAD": 2}
    letters = {(row.cause, row.field) for row in firm.rows("dead_letter")}
    assert letters == {("refused", "Title"), ("conflict", None)}
    assert attempts(firm) == {"created": 298, "refused": 2, "retry": 2}


def test_a_row_that_no_result_tells_of_is_known_to_nobody(firm: World, vendor: Simulator) -> None:
    vendor.ingest.loses = 3
    people(firm, 300)
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert by_batch(vendor) == 2
    assert attempts(firm) == {"unknown": 300, "applied": 300}  # nothing was taken from results that do not add up
    assert {row.error for row in firm.rows("attempt") if row.outcome == "unknown"} == {
        "the results of a job do not account for every row, each once"
    }


@pytest.mark.parametrize("lost", ["forgotten", "late"])
def test_a_job_that_takes_longer_than_a_run(firm: World, vendor: Simulator, lost: str) -> None:
    vendor.ingest.looks = 10_000
    people(firm, 300)
    run = firm.run()
    (error,) = run.stopped
    assert isinstance(error, RetryAt)
    assert error.cause == "bulk_running"
    assert firm.states() == {"UNKNOWN": 300}
    people(firm, 300, title="Baker")
    firm.run()
    assert firm.states() == {"UNKNOWN": 300, "PLANNED": 300}  # a newer version never overtakes
    for job in vendor.ingest.jobs.values():
        job["_looks"] = 0
    if lost == "forgotten":
        vendor.ingest.looks = 0
        vendor.ingest.drop()
    vendor.ingest.looks = 0
    firm.clock.at += HOUR
    firm.run()
    firm.clock.at += HOUR
    firm.run()
    each_is_there_once(firm, vendor, 300)
    assert {record["Title"] for record in vendor.state.all("Contact")} == {"Baker"}
    assert firm.states() == {"APPLIED": 600}


def test_what_no_cell_can_tell_and_what_fills_a_job_goes_on(
    firm: World, vendor: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_BYTES", 25_000)
    people(firm, 700)
    firm.shop.put("customers", "5", title="#N/A")
    firm.run()
    each_is_there_once(firm, vendor, 700)
    assert [record["Title"] for record in vendor.state.all("Contact") if record["Email"] == "p5@x5.io"] == ["#N/A"]
    assert len(jobs(vendor)) >= 2
    assert firm.states() == {"APPLIED": 700}


def test_a_worker_that_lost_its_lease_settles_nothing(firm: World, vendor: Simulator) -> None:
    vendor.ingest.looks = 10_000
    people(firm, 300)
    firm.run()
    for job in vendor.ingest.jobs.values():
        job["_looks"] = 0

    def overtaken(name: str) -> None:
        if name == "job.told":
            failpoints.install(None)
            firm.clock.at += HOUR
            assert delivering.deliver(firm.context(), "salesforce", "Contact") is None

    failpoints.install(overtaken)
    try:
        with pytest.raises(Held):
            delivering.deliver(firm.context(), "salesforce", "Contact")
    finally:
        failpoints.install(None)
    each_is_there_once(firm, vendor, 300)
    assert (jobs(vendor), by_batch(vendor), firm.states()) == (["JobComplete"], 0, {"APPLIED": 300})
