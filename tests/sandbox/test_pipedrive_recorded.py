"""The simulated company beside recorded exchanges of a real one, and the connector reading those recordings.

The recordings are of v1 but for one deal and one pipeline, so v2 is held to them through the same objects: what v1 tells
of a field, v2 must tell too. Paths that the connector does not use (v1 of what v2 has, notes, pipelines) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox
from connectors import connector_for, open_connector
from sandbox import Box
from sandbox.pipedrive import PipedriveSimulator
from tests.conftest import REAL
from tests.recordings import Exchange, differences, exchanges

SERVED = re.compile(r"(/api)?(/v1/(leads|users)(/[\w-]+)?|/v2/(deals|persons|organizations)(/\d+)?)$")
KNOWN: dict[str, str] = {
    r"\$\.data(\[\])?\.custom_fields": "null in the recording of a company without custom fields; an object here",
}
"""Differences in shape that stand, with their reasons."""


def served() -> list[Any]:
    if not (REAL / "pipedrive").is_dir():
        return []
    reads = (one for one in exchanges(REAL / "pipedrive") if SERVED.match(one.path) and one.method in ("GET", "DELETE"))
    return [pytest.param(one, id=one.name) for one in reads]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with sandbox.start(["pipedrive"]) as box:
        yield box


@pytest.fixture
def sim(box: Box, real: Path) -> PipedriveSimulator:
    found, url = box["pipedrive"], box.url("pipedrive")
    assert isinstance(found, PipedriveSimulator)
    type(found).__init__(found)
    found.base_url = url
    found.state.delete("users", "25760681")  # ours; the recorded one has the same id
    assert sum(found.load(real).values()) > 30
    return found


@pytest.mark.parametrize("one", served())
def test_the_simulator_answers_as_recorded(sim: PipedriveSimulator, one: Exchange) -> None:
    named = one.path.rpartition("/")[2]
    if one.method == "DELETE" or ("/v1/leads/" in one.path and sim.state.get("leads", named) is None):
        sim.make("leads", id=named)
    with httpx.Client(base_url=sim.base_url, headers={"x-api-token": sim.token}) as client:
        answer = client.request(one.method, one.path, params=one.query or None)
    assert answer.status_code == one.status
    told = [each for each in differences(one.response, answer.json()) if not any(re.search(k, each) for k in KNOWN)]
    assert told == []


def test_the_headers_of_both_limits_are_named_as_recorded(sim: PipedriveSimulator, real: Path) -> None:
    recorded = next((real / "pipedrive/http").glob("*list-users.json")).read_text()
    names = set(re.findall(r'"(x-(?:daily-)?ratelimit[\w-]+)"', recorded))
    answer = httpx.get(f"{sim.base_url}/api/v1/users", headers={"x-api-token": sim.token})
    assert len(names) == 5
    assert names <= set(answer.headers)


def test_a_recorded_v1_object_is_the_same_in_v2(sim: PipedriveSimulator, real: Path) -> None:
    """The one deal recorded in both versions: read by v1, shown by v2."""
    (both,) = [one for one in exchanges(real / "pipedrive") if one.path == "/v2/deals/1"]
    sim.state.delete("deals", "1")
    (v1,) = [one for one in exchanges(real / "pipedrive") if one.path == "/v1/deals/1" and one.method == "PUT"]
    sim.load_record("deals", v1.response["data"])
    shown = sim.state.get("deals", "1") or {}
    changed = {"title", "update_time"}  # by the recorded update itself
    wanted = {name: value for name, value in both.response["data"].items() if name not in changed}
    assert {name: shown.get(name) for name in wanted} == {**wanted, "custom_fields": {}}


def test_the_connector_reads_the_recordings(sim: PipedriveSimulator) -> None:
    settings = {"base_url": sim.base_url, "api_token": sim.token}
    connector = open_connector(connector_for("pipedrive"), settings, connection="real")
    counts = {}
    for resource in connector.resources:
        records = [record for page in connector.read(resource, None) for record in page.records]
        assert all(record.id and record.updated_at and not record.fault for record in records)
        counts[resource] = len(records)
        fetched = connector.fetch(resource, [record.id for record in records])
        assert [one.raw for one in fetched] == [one.raw for one in records]
    connector.close()
    assert {name for name, count in counts.items() if count} == set(counts) - {"activities"}
