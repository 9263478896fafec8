"""The sync as a Prefect flow: the same journey, with its end named, its steps recorded, and nothing personal told."""

from __future__ import annotations

import json

import pytest

from journey import pausing
from journey.outbound import planning
from kernel.errors import BadSetting
from kernel.leases import hold
from tests.flows.conftest import Api, Office


def test_a_sync_reads_plans_delivers_and_says_so(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    office.customer(email="bob@globex.de", name="Bob Fox")
    ended = office.sync()
    assert (ended.state, ended.ok) == ("Completed", True)
    assert ended.message.startswith("read 4, landed 4; planned ")
    (run,) = office.runs()
    assert (run.state, run.flow_run) == ("completed", ended.flow_run)
    assert json.loads(run.counts)["outbound"]["applied"] == 4

    tasks = {row["name"]: row for row in api.tasks(ended.flow_run, 6)}
    assert {name for name in tasks if not name.startswith(("plan", "deliver the rest"))} == {
        "read stripe.customers",
        "read files.accounts",
        "deliver hubspot.companies",
        "deliver hubspot.contacts",
    }
    (flow_run,) = api.filter("flow_runs", flow_runs={"id": {"any_": [ended.flow_run]}})
    assert {"stripe", "stripe.customers", "hubspot", "hubspot.contacts"} <= set(flow_run["tags"])
    assert (flow_run["name"], flow_run["parameters"]) == ("sync people", {"what": {"sync": "people"}})

    artifacts = api.artifacts(ended.flow_run)
    counts = {(row["row"], row["state"]): row["count"] for row in json.loads(artifacts["sync-people-counts"])}
    assert counts["inbound", "read"] == counts["inbound", "landed"] == 4
    assert artifacts["sync-people-progress"] == 100.0
    assert run.id in artifacts["sync-people-summary"]
    assert "ada" not in json.dumps([artifacts, api.logs(ended.flow_run), flow_run]).lower()

    again = office.sync()
    assert again.message.endswith("; planned 0")


def test_dead_letters_end_a_run_by_that_name_and_are_listed_by_cause_with_trace_ids(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    (office.config / "files/accounts.csv").write_text("account,sector,revenue,office_location\nAcme,software\n")
    ended = office.sync()
    assert (ended.state, ended.ok) == ("WithDeadLetters", True)
    (row,) = json.loads(api.artifacts(ended.flow_run)["sync-people-dead-letters"])
    assert (row["letters"], row["connection"], row["resource"]) == (1, "files", "accounts")
    assert any("trace" in line and "files.accounts" in line for line in api.logs(ended.flow_run))


def test_a_run_of_which_something_waits_for_a_person_ends_by_that_name(office: Office, api: Api) -> None:
    office.customer(email="ada@acme.io", name="Ada Lovelace")
    pausing.pause(office.store, "hubspot.contacts", [], ["hubspot"], "eva", "it is being moved")
    ended = office.sync()
    assert (ended.state, ended.ok) == ("AwaitingApproval", True)
    assert ended.message.startswith("waiting for a person: 1 · ")
    assert "`throughline resume hubspot.contacts`" in api.artifacts(ended.flow_run)["sync-people-summary"]
    pausing.resume(office.store, "hubspot.contacts", "eva")
    assert office.sync().state == "Completed"


def test_a_stream_that_stops_fails_alone_and_the_run_says_failed(office: Office, api: Api) -> None:
    office.box["stripe"].faults.add("401", times=None)
    ended = office.sync()
    assert (ended.state, ended.ok) == ("Failed", False)
    tasks = {row["name"]: row["state_name"] for row in api.tasks(ended.flow_run, 6)}
    assert tasks["read stripe.customers"] == "Stopped"
    assert tasks["read files.accounts"] == tasks["deliver hubspot.companies"] == "Completed"
    assert office.box["hubspot"].state.all("companies")


def test_a_crash_tells_prefect_its_kind_and_not_its_text(
    office: Office, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyError("ada@acme.io")

    monkeypatch.setattr(planning, "plan_sync", crash)
    ended = office.sync()
    assert ended.state == "Failed"
    assert "KeyError" in ended.message
    told = [ended.message, api.tasks(ended.flow_run, 3), api.logs(ended.flow_run), api.artifacts(ended.flow_run)]
    assert "ada@" not in json.dumps(told, default=str)
    assert office.runs()[0].state == "failed"


def test_a_sync_that_runs_already_is_left_alone(office: Office) -> None:
    with hold(office.store, "run:sync:people"):
        ended = office.sync()
    assert (ended.state, ended.ok) == ("AlreadyRunning", False)
    assert office.runs() == []


def test_a_wrong_name_is_told_with_the_right_ones(office: Office) -> None:
    ended = office.flow("sync", sync="peeple")
    assert ended.state == "Failed"
    assert "no active sync 'peeple'; there are: people" in ended.message


@pytest.mark.parametrize(
    ("flow", "parameters", "told"),
    [
        ("sync", {"sync": "People; drop"}, "sync: "),
        ("sync", {"sync": "people", "email": "ada@acme.io"}, "email: Extra"),
        ("backfill", {"stream": "a.b", "start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "window"),
        ("replay", {"cause": "bad_value"}, "say who asks"),
        ("prune", {"receipts": 1}, "receipts: "),
        ("sing", {}, "no flow 'sing'"),
    ],
)
def test_parameters_are_checked_before_anything_runs(
    office: Office, flow: str, parameters: dict[str, object], told: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        office.flow(flow, **parameters)
    assert told in str(refused.value)
    assert "ada@" not in str(refused.value)
