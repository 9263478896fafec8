"""Verbs for what waits: a removal that is too large is seen, shown, released and refused; a pause is told and ended."""

from __future__ import annotations

import pytest

from tests.console.conftest import Company

ROUTE = "  - {entity: contact, to: hubspot.contacts}"
STRICT = """  - entity: contact
    to: hubspot.contacts
    when: {path: email, is: not_in, value: [bob@globex.de]}
    on_filter_exit: archive
    limits: {removals: {count: 0, share: 0}}"""


@pytest.fixture
def held(running: Company) -> Company:
    """A new filter leaves Bob out, and his removal from HubSpot waits."""
    running.edit("flows/syncs/people.yaml", ROUTE, STRICT)
    running.run("activate", "--by", "sam")
    running.run("sync", "run", "people", "--no-flow", code=1)
    return running


def test_a_plan_says_what_would_wait_before_anything_does(running: Company) -> None:
    running.edit("flows/syncs/people.yaml", ROUTE, STRICT)
    running.run("activate", "--by", "sam")
    (told,) = running.json("sync", "plan", "people")["would_wait"]
    assert (told["kind"], told["where"]) == ("removals", "hubspot.contacts")
    assert told["because"].startswith("1 removals in one plan")
    assert "would wait for a yes at hubspot.contacts" in running.run("sync", "plan", "people").output
    assert running.json("approvals", "list")["approvals"] == []


def _contacts(company: Company) -> int:
    return sum(not each.get("archived") for each in company.box["hubspot"].state.all("contacts"))


def test_what_waits_is_told_with_the_command_that_releases_it(held: Company) -> None:
    (waiting,) = held.json("approvals", "list", code=1)["approvals"]
    assert (waiting["kind"], waiting["where"], waiting["waiting"]) == ("removals", "hubspot.contacts", 1)
    assert held.json("status", code=1)["approvals"] == [waiting]
    assert waiting["command"] in held.run("status", code=1).stdout
    assert waiting["command"] in held.run("sync", "run", "people", "--no-flow", code=1).stderr
    (run, *_) = held.json("status", code=1)["runs"]
    assert run["state"] == "awaiting_approval"
    shown = held.json("approvals", "show", waiting["id"][:20])
    assert [each["action"] for each in shown["deliveries"]] == ["archive"]
    assert "bob" not in held.run("approvals", "show", waiting["id"]).output.lower()
    assert "waits for a person" in held.run("trace", shown["deliveries"][0]["id"]).stdout


def test_a_release_is_carried_out_by_the_next_run(held: Company) -> None:
    (waiting,) = held.json("approvals", "list", code=1)["approvals"]
    before = _contacts(held)
    held.run("approvals", "release", waiting["id"], code=2)
    told = held.json("approvals", "release", waiting["id"], "--by", "sam", "--why", "he left")
    assert (told["released"], told["already"]) == (1, False)
    assert held.json("approvals", "release", waiting["id"], "--by", "sam", "--why", "he left")["already"]
    held.run("sync", "run", "people", "--no-flow")
    assert _contacts(held) == before - 1
    assert held.json("approvals", "list")["approvals"] == []
    (told,) = held.json("approvals", "list", "--all")["approvals"]
    assert (told["state"], told["decided_by"], told["why"]) == ("released", "sam", "he left")


def test_a_refusal_is_seen_in_the_trace(held: Company) -> None:
    (waiting,) = held.json("approvals", "list", code=1)["approvals"]
    (delivery,) = held.json("approvals", "show", waiting["id"])["deliveries"]
    before = _contacts(held)
    assert held.json("approvals", "refuse", waiting["id"], "--by", "sam", "--why", "still a customer")["refused"] == 1
    told = held.run("trace", delivery["id"]).stdout
    assert "refused by sam: still a customer" in told
    held.run("sync", "run", "people", "--no-flow")
    assert _contacts(held) == before
    held.run("approvals", "release", waiting["id"], "--why", "after all", code=2)


def test_a_paused_sync_says_so_and_goes_on(running: Company) -> None:
    running.run("pause", "people", "--by", "sam", "--why", "a migration")
    assert running.json("pause", "people", "--by", "sam", "--why", "a migration")["already"]
    told = running.run("sync", "run", "people", "--no-flow", code=1)
    assert "throughline resume people" in told.stderr
    (waiting,) = running.json("approvals", "list", code=1)["approvals"]
    assert waiting["because"] == "paused by sam: a migration"
    running.run("resume", "people")
    running.run("resume", "people", code=1)
    running.run("sync", "run", "people", "--no-flow")
    running.run("pause", "pepole", "--why", "a slip", code=2)
    running.run("approvals", "show", "ffff", code=2)
