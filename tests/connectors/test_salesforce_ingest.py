"""Large writes by Bulk API 2.0, against the simulator, over real HTTP: what a cell tells, and what a job tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import open_connector
from connectors.salesforce import Salesforce
from connectors.salesforce.rows import Rows
from kernel.errors import Broken, Park, Retry, Stop, Unknown
from kernel.records import Action, WriteItem, WriteOutcome
from sandbox import Box
from sandbox.salesforce import Salesforce as Simulator
from sandbox.salesforce.records import Refused, Rule
from tests.conftest import FakeClock

Opener = Callable[..., Salesforce]
KEY = "Throughline_Key__c"
AWKWARD = [
    'a, "b"',
    "two\r\nlines",
    "=1+1",
    "@SUM(A1)",
    "-5",
    "\ttab",
    "Zoë 🙂",
    "NULL",
    "n/a",
    "'",
    ",",
    '"',
    "a\rb",
    "\ufeffbom",
]


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
def salesforce(vendor: Simulator) -> Iterator[Salesforce]:
    told = {"instance_url": vendor.base_url, "access_token": vendor.token}
    connector = open_connector(Salesforce, told, connection="sf_test", clock=FakeClock())
    assert isinstance(connector, Salesforce)
    yield connector
    connector.close()


def item(key: str, vendor_id: str | None = None, **fields: Any) -> WriteItem:
    return WriteItem(Action.UPSERT, key, f"op-{key}", {"LastName": "Lee", **fields}, vendor_id, trace_id=f"trace-{key}")


def by_job(connector: Salesforce, batch: list[WriteItem], job: str = "") -> list[WriteOutcome]:
    known: dict[int, WriteOutcome] = {}
    for step in connector.write_job("Contact", batch, job):
        assert not known.keys() & {place for place, _ in step.outcomes}
        known.update(step.outcomes)
    assert sorted(known) == list(range(len(batch)))
    return [known[place] for place in sorted(known)]


def contact(vendor: Simulator, key: str) -> dict[str, Any]:
    (found,) = [one for one in vendor.state.all("Contact") if one[KEY] == key]
    return found


def test_a_job_leaves_what_batches_would(salesforce: Salesforce, vendor: Simulator) -> None:
    told: list[dict[str, Any]] = [
        {"Title": "x", "Phone": None, "Department": ""},
        {"Title": None, "DoNotCall": True, "Birthdate": "1980-02-29"},
        {"Title": "  ", "DoNotCall": False},
        *({"Title": text, "Description": text * 2} for text in AWKWARD),
        {},
    ]
    old = {"Title": "old", "Phone": "+12125550100", "Department": "old", "DoNotCall": True}
    for road in ("batch", "job"):
        salesforce.write("Contact", [item(f"{road}{n}", **old) for n in range(len(told))])
    one = salesforce.write("Contact", [item(f"batch{n}", **fields) for n, fields in enumerate(told)])
    other = by_job(salesforce, [item(f"job{n}", **fields) for n, fields in enumerate(told)])
    differ = ("Id", KEY, "CreatedDate", "LastModifiedDate", "SystemModstamp")
    for n in range(len(told)):
        kept = [
            {k: v for k, v in contact(vendor, f"{road}{n}").items() if k not in differ} for road in ("batch", "job")
        ]
        assert kept[0] == kept[1]
        assert (one[n].created, other[n].created) == (False, False)
        mine, theirs = one[n].record, other[n].record
        assert mine is not None
        assert theirs is not None
        assert mine.raw.keys() == theirs.raw.keys()
    assert contact(vendor, "job0")["Phone"] is None
    assert contact(vendor, "job0")["Department"] is None
    assert contact(vendor, f"job{len(told) - 1}")["Title"] == "old"


def test_by_id_a_job_reaches_records_that_do_not_carry_our_key(salesforce: Salesforce, vendor: Simulator) -> None:
    made = [vendor.make("Contact")["Id"] for _ in range(3)]
    outcomes = by_job(salesforce, [item(f"k{n}", id, FirstName=f"F{n}") for n, id in enumerate(made)])
    assert [(o.vendor_id, o.created) for o in outcomes] == [(id, False) for id in made]
    assert [vendor.state.get("Contact", id)["FirstName"] for id in made] == ["F0", "F1", "F2"]  # type: ignore[index]
    assert contact(vendor, "k1")["Id"] == made[1]
    with pytest.raises(Broken, match="may not be written by key"):
        by_job(salesforce, [item("new"), item("k1", made[1])])


def test_each_row_ends_as_it_would_alone(salesforce: Salesforce, vendor: Simulator) -> None:
    gone = vendor.make("Contact")["Id"]
    vendor.remove("Contact", gone)
    vendor.records.admin.rules.append(Rule("Contact", lambda one: one.get("Title") == "no", "House rule", "Title"))
    bad = [item("a", Email="nonsense"), item("b", FirstName="x" * 300), item("c", Title="no"), item("d", Title="yes")]
    alone = salesforce.write("Contact", bad)
    by_key = by_job(salesforce, bad)
    for one, other in zip(alone, by_key, strict=True):
        assert type(one.error) is type(other.error)
        if one.error is not None and other.error is not None:
            assert (one.error.cause, one.error.field) == (other.error.cause, other.error.field)
            assert "nonsense" not in str(other.error)
            assert "House rule" not in str(other.error)
    (missing,) = by_job(salesforce, [item("e", gone)])
    assert isinstance(missing.error, Park)
    assert missing.error.cause == "not_found"


def test_a_resumed_job_tells_the_same_again(salesforce: Salesforce, vendor: Simulator) -> None:
    batch = [item(f"k{n}", Title="#N/A" if n == 4 else "x") for n in range(9)]
    steps = salesforce.write_job("Contact", batch)
    job = next(steps).job
    next(steps)  # closed
    steps.close()
    outcomes = by_job(salesforce, batch, job)
    settled = [replaced(one, outcome) for one, outcome in zip(batch, outcomes, strict=True)]
    again = by_job(salesforce, settled, job)  # their ids are known by now, the job is one by key all the same
    assert [o.vendor_id for o in again] == [o.vendor_id for o in outcomes]
    assert vendor.ingest.begun == [job]
    assert isinstance(outcomes[4].error, Retry)
    assert len(vendor.state.all("Contact")) == 8


def replaced(one: WriteItem, outcome: WriteOutcome) -> WriteItem:
    return item(one.ext_key, outcome.vendor_id, **one.fields)


def test_an_open_job_is_aborted_and_a_forgotten_one_tells_nothing(salesforce: Salesforce, vendor: Simulator) -> None:
    batch = [item(f"k{n}") for n in range(5)]
    steps = salesforce.write_job("Contact", batch)
    job = next(steps).job
    steps.close()
    outcomes = by_job(salesforce, batch, job)
    assert all(isinstance(o.error, Retry) and o.error.cause == "unprocessed" for o in outcomes)
    assert vendor.ingest.jobs[job]["state"] == "Aborted"
    assert vendor.state.all("Contact") == []
    vendor.ingest.drop()
    with pytest.raises(Unknown) as caught:
        by_job(salesforce, batch, job)
    assert caught.value.cause == "job_lost"


@pytest.mark.parametrize("spoil", ["lost", "twice", "strange", "short"])
def test_results_must_account_for_every_row_once(salesforce: Salesforce, vendor: Simulator, spoil: str) -> None:
    batch = [item(f"k{n}") for n in range(5)]
    steps = salesforce.write_job("Contact", batch)
    next(steps)
    next(steps)
    while vendor.ingest.jobs[vendor.ingest.begun[0]]["state"] != "JobComplete":
        vendor.ingest.looks = 0
        for job in vendor.ingest.jobs.values():
            job["_looks"] = 0
        salesforce._org.ingest_state(vendor.ingest.begun[0])
    told = vendor.ingest.jobs[vendor.ingest.begun[0]]["_told"]
    good = told["successful"]
    match spoil:
        case "lost":
            good.pop()
        case "twice":
            told["failed"].append(["", "UNKNOWN:x:--", *good[0][2:]])
        case "strange":
            good[0] = [*good[0][:2], *["elsewhere"] * (len(good[0]) - 2)]
        case "short":
            good[0] = good[0][:-1]
    with pytest.raises(Unknown, match="account for every row"):
        list(steps)


def test_two_rows_of_one_record_never_leave(salesforce: Salesforce, vendor: Simulator) -> None:
    with pytest.raises(Broken, match="same record"):
        by_job(salesforce, [item("k1"), item("K1")])
    assert vendor.ingest.begun == []
    with pytest.raises(Park):
        Rows("Contact", KEY, [item("k", Title="#N/A")], by_id=False)


def test_what_is_no_bulk_road_says_so_before_anything_leaves(salesforce: Salesforce, vendor: Simulator) -> None:
    with pytest.raises(Stop, match="no bulk road"):
        list(salesforce.write_job("User", [item("k")]))
    vendor.ingest.allowed = False
    with pytest.raises(Park):
        list(salesforce.write_job("Contact", [item("k")]))
    vendor.faults.add("reset", method="POST", path=r"/jobs/ingest$", apply=True)
    vendor.ingest.allowed = True
    with pytest.raises(Retry):
        list(salesforce.write_job("Contact", [item("k")]))


def test_an_error_names_its_field_whatever_the_message_holds(salesforce: Salesforce, vendor: Simulator) -> None:
    vendor.ingest.refuses = lambda row: Refused(
        "REQUIRED_FIELD_MISSING", "are missing: [LastName, X]: a:b --", "LastName"
    )
    (outcome,) = by_job(salesforce, [item("k")])
    assert outcome.error is not None
    assert (outcome.error.cause, outcome.error.field) == ("refused", "LastName")
    assert "REQUIRED_FIELD_MISSING" in str(outcome.error)
