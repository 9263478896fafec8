"""Events, and the automation of docs/how-to/alerts.md: what it says there is done here, on a real server."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from flows import events
from kernel import documents
from tests.conftest import ROOT
from tests.flows.conftest import Api, Deployed, Office, eventually

PAGE = (ROOT / "docs/how-to/alerts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("letters", "handled", "spike"),
    [(9, 9, False), (10, 200, True), (10, 201, False), (500, 1000, True), (0, 0, False)],
)
def test_a_spike_is_many_and_a_large_share(letters: int, handled: int, spike: bool) -> None:
    assert events.is_spike(letters, handled) is spike


def test_the_page_names_the_events_and_their_limits() -> None:
    assert {events.RUN_FAILED, events.DEAD_LETTERS} <= set(re.findall(r"`(throughline\.[a-z.-]+)`", PAGE))
    assert f"at least {events.SPIKE_LETTERS} dead letters, and at least {events.SPIKE_SHARE:.0%}"[:-1] in PAGE


def test_a_failed_sync_starts_the_deployment_that_the_page_describes(
    office: Office, api: Api, deployed: Deployed
) -> None:
    written = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert written is not None
    automation = documents.parse(written[1], file="alerts.md").value
    automation["actions"][0]["deployment_id"] = deployed["reconcile"]["id"]
    made = httpx.post(f"{api.server.api}/automations/", json=automation, timeout=20)
    made.raise_for_status()
    eventually(lambda: httpx.get(f"{api.server.api}/automations/{made.json()['id']}").is_success or None)

    def ran() -> list[dict[str, Any]] | None:
        found = api.filter("flow_runs", deployments={"id": {"any_": [deployed["reconcile"]["id"]]}})
        return found or None

    office.box["stripe"].faults.add("401", times=None)
    ended = office.sync()
    assert ended.state == "Failed"
    (flow_run, *_) = eventually(ran)
    assert flow_run["parameters"] == {"what": {"sync": "people", "most": 1000}}
    event = eventually(lambda: _told(api, office.runs()[0].id))
    assert event["resource"]["prefect.resource.id"] == "throughline.sync.people"
    assert event["payload"]["reasons"] == ["unauthorized"]


def _told(api: Api, run: str) -> dict[str, Any] | None:
    """The event of a failed run; the server writes events down late."""
    found = api.filter("events", filter={"event": {"name": [events.RUN_FAILED]}})
    return next((event for event in found if event["payload"]["run"] == run), None)
