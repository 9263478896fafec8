"""The vendors' SDKs repeat nothing by themselves: one layer, ours, decides; proven by counting what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from connectors import connector_for, open_connector
from connectors.base import Connector
from connectors.retry import ATTEMPTS
from kernel.errors import ThroughlineError
from kernel.records import Action, WriteItem
from sandbox import Box
from tests.conftest import FakeClock

READ = {"salesforce": "Account", "hubspot": "contacts", "stripe": "customers"}
FIELDS = {"salesforce": {"Name": "A"}, "hubspot": {"email": "a@x.io"}, "stripe": {"email": "a@x.io"}}
SETTINGS = {
    "salesforce": ("access_token", "instance_url"),
    "hubspot": ("access_token", "base_url"),
    "stripe": ("api_key", "base_url"),
}


@pytest.fixture
def opened(serve: Callable[..., Box], clock: FakeClock) -> Iterator[Callable[[str], tuple[Connector, Box]]]:
    made: list[Connector] = []

    def start(system: str) -> tuple[Connector, Box]:
        box = serve(system)
        secret, address = SETTINGS[system]
        told = {secret: box[system].token, address: box[system].base_url}
        made.append(open_connector(connector_for(system), told, connection=system, clock=clock))
        return made[-1], box

    yield start
    for connector in made:
        connector.close()


@pytest.mark.parametrize("system", sorted(SETTINGS))
@pytest.mark.parametrize("fault", ["429", "500", "503", "dropped"])
@pytest.mark.parametrize("attempts", [1, ATTEMPTS])
def test_a_read_arrives_as_often_as_our_policy_says(
    opened: Callable[[str], tuple[Connector, Box]], system: str, fault: str, attempts: int
) -> None:
    connector, box = opened(system)
    connector.http.attempts = attempts
    box[system].faults.add(fault, times=None)
    with pytest.raises(ThroughlineError):
        next(iter(connector.read(READ[system], None)))
    assert len(box[system].calls) == attempts


@pytest.mark.parametrize("system", sorted(SETTINGS))
@pytest.mark.parametrize(("fault", "calls"), [("429", ATTEMPTS), ("500", 1), ("503", 1), ("dropped", 1)])
def test_a_write_arrives_again_only_where_it_was_refused(
    opened: Callable[[str], tuple[Connector, Box]], system: str, fault: str, calls: int
) -> None:
    connector, box = opened(system)
    for method in ("POST", "PATCH"):
        box[system].faults.add(fault, method=method, times=None)
    resource = READ[system]
    item = WriteItem(Action.UPSERT, "k" * 32, "k" * 32, dict(FIELDS[system]), trace_id="t" * 32)
    try:
        (outcome,) = connector.write(resource, [item])
        assert outcome.error is not None
    except ThroughlineError:
        pass
    assert len([call for call in box[system].calls if call.method != "GET"]) == calls
