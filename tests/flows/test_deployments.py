"""prefect.yaml: everything in it can be deployed offline, with module entrypoints, limits and schemas that hold."""

from __future__ import annotations

from typing import Any

import httpx
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import deploy, limits
from flows.publish import publish
from flows.running import FLOWS
from kernel import documents
from tests.conftest import ROOT
from tests.flows.conftest import Api, Deployed, Office

LISTED: list[dict[str, Any]] = documents.parse((ROOT / "prefect.yaml").read_text(), file="prefect.yaml").value[
    "deployments"
]


def test_every_flow_has_a_deployment(deployed: Deployed) -> None:
    assert {row["entrypoint"] for row in deployed.values()} == {f"flows.{name}.{name}" for name in FLOWS}
    assert set(deployed) == {each["name"] for each in LISTED}
    assert all(row["enforce_parameter_schema"] for row in deployed.values())
    assert all(row["work_pool_name"] == deploy.POOL for row in deployed.values())


def test_every_sync_has_a_deployment_with_its_schedule(deployed: Deployed) -> None:
    folder = ROOT / "flows/syncs"
    written = documents.read_folder(folder) if folder.is_dir() else []
    syncs = {document.value["sync"]: document.value for document in written}
    by_sync = {row["parameters"]["what"]["sync"]: row for row in deployed.values() if row["parameters"].get("what")}
    assert set(by_sync) == set(syncs)
    for name, sync in syncs.items():
        crons = [each["schedule"]["cron"] for each in by_sync[name]["schedules"]]
        assert crons == ([sync["schedule"]] if sync.get("schedule") else []), name


def test_no_schedule_is_active_before_somebody_says_so(deployed: Deployed) -> None:
    assert not any(schedule["active"] for row in deployed.values() for schedule in row["schedules"])


def test_a_second_run_of_a_deployment_is_cancelled(api: Api, deployed: Deployed) -> None:
    first, second = (_run(api, deployed["prune"], {}) for _ in range(2))
    assert _propose(api, first) == "PENDING"
    assert _propose(api, second) == "CANCELLED"


def test_a_run_with_a_wrong_parameter_is_refused(api: Api, deployed: Deployed) -> None:
    wanted = {"state": {"type": "SCHEDULED"}, "parameters": {"what": {"sync": "No Such Name"}}}
    answer = httpx.post(f"{api.server.api}/deployments/{deployed['sync']['id']}/create_flow_run", json=wanted)
    assert answer.status_code in (409, 422)


def test_the_limit_is_there_before_it_is_used_strictly(api: Api, deployed: Deployed) -> None:
    answer = httpx.get(f"{api.server.api}/v2/concurrency_limits/{limits.RUNS}", timeout=20)
    assert answer.json()["limit"] == limits.MOST_RUNS


def test_a_workers_run_without_the_limit_does_not_pass_silently(office: Office, api: Api) -> None:
    url = f"{api.server.api}/v2/concurrency_limits/{limits.RUNS}"
    with temporary_settings({PREFECT_API_URL: api.server.api}):
        limits.ensure()
        assert publish(return_state=True).name == "Completed"
        httpx.delete(url, timeout=20).raise_for_status()
        assert publish(return_state=True).name == "Failed"
        limits.ensure()
    assert [run.state for run in office.runs("publish")] == ["completed"]


def _run(api: Api, deployment: dict[str, Any], what: dict[str, Any]) -> str:
    wanted = {"state": {"type": "SCHEDULED"}, "parameters": {"what": what}}
    answer = httpx.post(f"{api.server.api}/deployments/{deployment['id']}/create_flow_run", json=wanted, timeout=20)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _propose(api: Api, flow_run: str) -> str:
    body = {"state": {"type": "PENDING"}, "force": False}
    answer = httpx.post(f"{api.server.api}/flow_runs/{flow_run}/set_state", json=body, timeout=20)
    answer.raise_for_status()
    return str(answer.json()["state"]["type"])
