"""Verbs for what waits: a removal that is too large is seen, shown, released and refused; a pause is told and ended."""

from __future__ import annotations

import pytest

from kernel.store import tables
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


@pytest.fixture
def shrunken(running: Company) -> Company:
    """A file no longer has one of its accounts, in a sync that lets nothing pass."""
    running.edit("flows/syncs/people.yaml", "routes:", "limits: {removals: {count: 0, share: 0}}\nroutes:")
    running.run("activate", "--by", "sam")
    running.edit("files/accounts.csv", "Globex,medical,,Germany\n", "")
    running.run("sync", "run", "people", "--no-flow", code=1)
    return running


def _living(company: Company) -> list[str]:
    store = company.store()
    with store.read() as conn:
        rows = conn.execute(tables.object_.select().where(tables.object_.c.resource == "accounts")).all()
    store.close()
    return sorted(row.vendor_id for row in rows if not row.deleted)


def test_objects_that_a_file_no_longer_shows_wait_and_are_deleted_by_the_run_after_the_release(
    shrunken: Company,
) -> None:
    (waiting,) = shrunken.json("approvals", "list", code=1)["approvals"]
    assert waiting["because"] == "a complete read no longer shows 1 of 2 objects; none is deleted"
    shown = shrunken.json("approvals", "show", waiting["id"])
    (gone,) = shown["objects"]
    assert gone["vendor_id"] == "Globex"
    assert "Globex" in shrunken.run("approvals", "show", waiting["id"]).stdout
    told = shrunken.run("approvals", "release", waiting["id"], "--by", "sam", "--why", "sold").stdout
    assert "1 objects are deleted by the next read of files.accounts" in told
    assert _living(shrunken) == ["Acme", "Globex"]
    ran = shrunken.json("sync", "run", "people", "--no-flow", code=None)
    assert "no longer shown by a complete read, and deleted" in str(ran["syncs"][0]["warnings"])
    assert _living(shrunken) == ["Acme"]
    assert "no longer shown by a complete read" in shrunken.run("trace", "Globex").stdout


def test_objects_that_a_person_says_are_there_stay(shrunken: Company) -> None:
    (waiting,) = shrunken.json("approvals", "list", code=1)["approvals"]
    told = shrunken.run("approvals", "refuse", waiting["id"], "--by", "sam", "--why", "the export was cut").stdout
    assert "1 objects stay" in told
    shrunken.run("sync", "run", "people", "--no-flow")
    assert (_living(shrunken), shrunken.json("approvals", "list")["approvals"]) == (["Acme", "Globex"], [])
