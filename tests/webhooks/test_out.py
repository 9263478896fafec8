"""Outgoing webhooks through the real engine: the receiver's own record is compared with what happened at the source."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mappings
from connectors import open_connector
from connectors.webhook_out import SCHEDULE, WebhookOut
from kernel.clock import SECOND
from sandbox import Box
from sandbox.webhook_out import WebhookOutSimulator
from tests.conftest import ROOT
from tests.journey.conftest import HERE, WORDS, World, route

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def sim(world: World, serve: Callable[..., Box], tmp_path: Path) -> Iterator[WebhookOutSimulator]:
    """Shop → an outgoing webhook, both entities; the receiver's clock follows the engine's."""
    sim = serve("webhook_out")["webhook_out"]
    assert isinstance(sim, WebhookOutSimulator)
    settings = {"url": f"{sim.base_url}/in", "webhook_secret": sim.token, "timeout": 0.5}
    out = open_connector(WebhookOut, settings, connection="webhook_out", clock=world.clock)
    world.systems["webhook_out"] = out  # type: ignore[assignment]
    folder = shutil.copytree(HERE / "config/mappings", tmp_path / "mappings")
    shutil.copytree(ROOT / "mappings/webhook_out", folder / "webhook_out")
    world.mappings = mappings.load(folder, WORDS)
    world.routes = [route("account", "webhook_out.accounts"), route("contact", "webhook_out.contacts")]
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", company="Acme")
    yield sim
    out.close()


def run(world: World, sim: WebhookOutSimulator, after: float = 0) -> Any:
    world.clock.at += int(after * SECOND)
    sim.state.freeze(world.clock.at)
    return world.run()


def test_records_arrive_whole_with_their_references(world: World, sim: WebhookOutSimulator) -> None:
    run(world, sim)
    (company,), (person,) = sim.state.all("accounts"), sim.state.all("contacts")
    assert (company["name"], company["domain"]) == ("Acme", "acme.io")
    assert (person["email"], person["first_name"], person["account_id"]) == ("ann@acme.io", "Ann", company["id"])
    world.shop.put("customers", "1", title="CTO")
    run(world, sim)
    (person,) = sim.state.all("contacts")
    assert (person["job_title"], person["email"], person["account_id"]) == ("CTO", "ann@acme.io", company["id"])
    assert len(sim.effects()) == 3
    run(world, sim)
    assert (len(sim.effects()), sim.repeats) == (3, 0), "nothing changed, nothing is told"


@pytest.mark.parametrize("fault", ["timeout", "reset", 500, 503])
def test_a_lost_answer_is_told_again_under_the_same_id(
    world: World, sim: WebhookOutSimulator, fault: str | int
) -> None:
    sim.faults.add(fault, times=1, apply=True, seconds=1)
    run(world, sim)
    run(world, sim, 60)
    assert (len(sim.effects()), sim.repeats, sim.conflicts) == (2, 1, 0)
    assert world.states() == {"APPLIED": 2}


def test_the_waits_between_attempts_are_the_standard_s(world: World, sim: WebhookOutSimulator) -> None:
    world.routes = [route("contact", "webhook_out.contacts")]
    sim.faults.add(500, times=None)
    run(world, sim)
    for wait in SCHEDULE:
        run(world, sim, max(0.0, wait.total_seconds() - 30))  # not before its time
        run(world, sim, 60)
    (row,) = world.rows("delivery")
    assert row.state == "DEAD"
    sent = [each.sent_at for each in sorted(world.rows("attempt"), key=lambda each: each.n)]
    assert len(sent) == len(sim.calls) == len(SCHEDULE) + 1
    for before, after, wait in zip(sent, sent[1:], SCHEDULE, strict=False):
        assert 0 <= (after - before) / SECOND - wait.total_seconds() < 90
    assert [letter.cause for letter in world.rows("dead_letter")] == ["server_error"]


def test_an_unsubscribed_address_stops_the_run_and_loses_nothing(world: World, sim: WebhookOutSimulator) -> None:
    sim.unsubscribed = True
    stopped = run(world, sim)
    assert stopped.state == "failed"
    assert {error.cause for error in stopped.stopped} == {"unsubscribed"}
    assert len(sim.calls) == 1, "nothing more is sent to it"
    sim.unsubscribed = False
    run(world, sim, 1)
    assert world.states() == {"APPLIED": 2}
    assert len(sim.effects()) == 2


def test_a_contact_that_leaves_is_told_as_deleted(world: World, sim: WebhookOutSimulator) -> None:
    world.routes = [route("contact", "webhook_out.contacts", on_source_delete="delete", on_last_member_gone="delete")]
    run(world, sim)
    world.shop.remove("customers", "1")
    run(world, sim)
    assert sim.state.all("contacts") == []
    assert [sim.state.get("_deliveries", id)["type"] for id in sim.effects()] == ["contact.created", "contact.deleted"]  # type: ignore[index]
