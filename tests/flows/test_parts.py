"""The small parts of flows, without a server where that goes: states by name, tasks shared out, secrets from Prefect."""

from __future__ import annotations

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import states
from flows.sync import MOST_TASKS, _groups
from journey.counts import Counts, Inbound, Outbound
from journey.runs import Run
from journey.syncs import Stream
from kernel import documents
from kernel.errors import Stop
from tests.flows.conftest import Office


def _ended(state: str, *stopped: Stop) -> Run:
    counts = Counts(Inbound(read=5, landed=4, parked=1), Outbound(planned=2, applied=2))
    return Run(None, "sync", "people", None, counts, stopped=list(stopped), state=state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "name", "good"),
    [
        ("completed", "Completed", True),
        ("with_dead_letters", "WithDeadLetters", True),
        ("awaiting_approval", "AwaitingApproval", True),
        ("failed", "Failed", False),
    ],
)
def test_each_end_has_its_name(state: str, name: str, good: bool) -> None:
    final = states.final(_ended(state))
    assert (final.name, final.is_completed()) == (name, good)
    assert "read 5, landed 4, parked 1; planned 2, applied 2" in (final.message or "")


def test_a_failure_says_why_once() -> None:
    final = states.final(_ended("failed", Stop("no credential"), Stop("no credential")))
    assert (final.message or "").count("no credential") == 1


@pytest.mark.parametrize("how_many", [0, 1, 24, 25, 400])
def test_many_streams_share_few_tasks(how_many: int) -> None:
    streams = [Stream("c", f"r{n}") for n in range(how_many)]
    groups = _groups(streams)
    assert [stream for group in groups for stream in group] == streams
    assert len(groups) <= MOST_TASKS // 2


def test_a_connections_secret_may_be_a_prefect_block(office: Office) -> None:
    path = office.config / "connections.yaml"
    told = documents.read(path).value
    told["connections"]["stripe"]["settings"]["api_key"] = {"secret": "stripe-key"}
    path.write_text(documents.dump(told), encoding="utf-8")
    missing = office.sync()
    assert (missing.state, "no Prefect Secret block 'stripe-key'" in missing.message) == ("Failed", True)
    with temporary_settings({PREFECT_API_URL: office.server.api}):
        Secret(value=office.box["stripe"].token).save("stripe-key")
    assert office.sync().state == "Completed"
