"""Verbs that decide: dead letters, identity, activation, syncs; each with who and why, each told exactly."""

from __future__ import annotations

import pytest

from tests.console.conftest import Company, seed


def _golden(company: Company, who: str) -> str:
    """The living golden record that somebody names."""
    (found,) = [each for each in company.json("identity", "show", who)["goldens"] if each["state"] != "merged"]
    return str(found["id"])


def test_an_edited_letter_goes_through_and_is_delivered(running: Company) -> None:
    (letter,) = running.letters()
    running.run("dead-letters", "edit", letter["id"], "--set", "account=Acme", "--why", "the file left it out")
    told = running.json("dead-letters", "replay", letter["id"], "--mode", "edited", "--by", "sam")
    (fate,) = told["replayed"]
    assert (fate["outcome"], fate["told"], fate["vendor_id"]) == ("went_through", "landed", "D2")
    assert told["errors"] == []
    assert running.letters() == []
    names = [each["properties"]["dealname"] for each in running.box["hubspot"].state.all("deals")]
    assert sorted(names) == ["Acme", "Acme"]
    store = running.store()
    with store.read() as conn:
        rows = conn.exec_driver_sql('SELECT "by", action, why FROM audit ORDER BY id').all()
    store.close()
    assert ("sam", "asked for replay", "") in [tuple(row) for row in rows]
    assert "the file left it out" in [row.why for row in rows]


def test_a_replay_that_fails_again_says_which_letter_it_is_now(running: Company) -> None:
    (letter,) = running.letters()
    (fate,) = running.json("dead-letters", "replay", letter["id"], "--mode", "verbatim", code=1)["replayed"]
    assert fate["outcome"] == "failed_again"
    assert [each["id"] for each in running.letters()] == [fate["letter_now"]]


def test_a_new_mapping_cures_letters_in_bulk(running: Company) -> None:
    running.edit("mappings/csv/deals.yaml", "from: [account, product]", "from: [account, product, sales_agent]")
    preview = running.json("mapping", "preview", "csv.deals", "--show-values")
    assert not preview["same_as_active"]
    assert {"part": "", "field": "state", "before": "parked", "after": "drawn"} in [
        change for each in preview["previews"] for change in each["changes"]
    ]
    assert [each["path"] for each in running.json("activate", "--dry-run", code=1)["changes"]] == [
        "mappings/csv/deals.yaml"
    ]
    assert "-      name: {from" in running.run("activate", "--dry-run", "--diff", code=1).stdout
    running.run("activate", "--by", "sam")
    told = running.json("dead-letters", "replay", "--cause", "missing_required", "--yes")
    assert [each["outcome"] for each in told["replayed"]] == ["went_through"]
    assert len(running.box["hubspot"].state.all("deals")) == 2


def test_a_refused_write_is_replayed_once_its_cause_is_gone(company: Company) -> None:
    seed(company)
    company.run("activate")
    company.run("sync", "run", "people", "--no-flow", code=1)
    assert {letter["cause"] for letter in company.letters()} == {"refused"}
    company.run("check", "hubspot", "--fix", code=None)
    told = company.json("dead-letters", "replay", "--connection", "hubspot", "--mode", "verbatim", "--yes")
    assert {each["outcome"] for each in told["replayed"]} == {"went_through"}
    assert all(each["vendor_id"] for each in told["replayed"])
    assert len(company.box["hubspot"].state.all("contacts")) == 2
    assert company.letters() == []


def test_what_is_overtaken_is_not_replayed(running: Company) -> None:
    (letter,) = running.letters()
    running.run("dead-letters", "discard", letter["id"], "--why", "a test row")
    told = running.json("dead-letters", "replay", letter["id"])
    assert [(each["outcome"], each["told"]) for each in told["replayed"]] == [("not_replayed", "was discarded")]
    running.run("sync", "run", "deals", "--no-flow")
    assert running.letters() == []


def test_bulk_steps_ask_first(running: Company) -> None:
    told = running.run("dead-letters", "discard", "--cause", "missing_required", "--why", "old", code=2)
    assert "--yes" in told.stderr
    assert len(running.letters()) == 1
    told = running.json("dead-letters", "discard", "--cause", "missing_required", "--why", "old", "--yes")
    assert told["discarded"] == 1


def test_two_people_are_merged_and_taken_apart_again(running: Company) -> None:
    ada, bob = _golden(running, "ada@acme.io"), _golden(running, "bob@globex.de")
    told = running.json("identity", "merge", ada, bob, "--why", "one person, two jobs", "--by", "sam")
    (merged,) = told["golden"]
    assert told["verdicts"] == 1
    assert told["syncs"] == ["people"]
    assert _golden(running, "bob@globex.de") == _golden(running, "ada@acme.io") == merged
    running.run("sync", "run", "people", "--no-flow", code=None)  # HubSpot may refuse an address its duplicate holds
    shown = running.json("identity", "show", merged)
    decisions = [each for golden in shown["goldens"] for each in golden["decisions"]]
    assert ("must", "sam", "one person, two jobs") in [(each["kind"], each["by"], each["why"]) for each in decisions]

    found = running.json("trace", "bob@globex.de")
    objects = {each["vendor_id"]: each["id"] for each in found["objects"]}
    leaving = f"{objects['cus_00000000000003']}:person"
    told = running.json("identity", "unmerge", merged, "--member", leaving, "--why", "two after all")
    assert sorted(told["golden"]) == sorted([ada, bob])
    assert _golden(running, "ada@acme.io") != _golden(running, "bob@globex.de")
    running.run("sync", "run", "people", "--no-flow")
    running.run("sync", "run", "people", "--no-flow")
    names = {each["properties"]["email"] for each in running.box["hubspot"].state.all("contacts")}
    assert names == {"ada@acme.io", "bob@globex.de"}
    assert _golden(running, "ada@acme.io") != _golden(running, "bob@globex.de"), "the verdict holds"


def test_a_merge_links_what_no_key_links_and_moves_links_along(running: Company) -> None:
    """References to a merged account follow it: they are drawn by the version, not by the verdict."""
    acme, globex = _golden(running, "files.accounts:Acme"), _golden(running, "files.accounts:Globex")
    deal = running.json("trace", "D1")["goldens"][0]
    before = next(each["golden"] for each in deal["links"] if each["field"] == "account")
    assert before == acme
    merged = running.json("identity", "merge", globex, acme, "--why", "bought")["golden"][0]
    deal = running.json("trace", "D1")["goldens"][0]
    assert next(each["golden"] for each in deal["links"] if each["field"] == "account") == merged


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["identity", "merge", "ada@acme.io", "ada@acme.io", "--why", "x"], "the same one"),
        (["identity", "merge", "ada@acme.io", "files.accounts:Acme", "--why", "x"], "different things"),
        (["identity", "merge", "ada@acme.io", "nobody@x.io", "--why", "x"], "no golden record"),
        (["identity", "merge", "ada@acme.io", "bob@globex.de"], "--why"),
        (["identity", "unmerge", "ada@acme.io", "--why", "x"], "--member"),
        (["identity", "unmerge", "ada@acme.io", "--member", "nobody", "--why", "x"], "not in this golden record"),
    ],
)
def test_wrong_verdicts_are_refused(settled: Company, line: list[str], told: str) -> None:
    assert told in settled.run(*line, code=None).stderr
    assert settled.json("identity", "show", "ada@acme.io")["goldens"][0]["state"] == "active"


def test_running_again_writes_nothing(running: Company) -> None:
    second, third = (running.json("sync", "run", "--all", "--no-flow")["syncs"] for _ in range(2))
    assert {each["state"] for each in second + third} == {"completed"}
    assert {each["outbound"]["planned"] for each in second + third} == {0}
    assert sum(each["inbound"]["landed"] for each in second) == 2  # what we wrote, read back: no edit
    assert sum(each["inbound"]["landed"] for each in third) == 0


def test_a_plan_shows_what_would_be_written_field_by_field(running: Company) -> None:
    ada, bob = _golden(running, "ada@acme.io"), _golden(running, "bob@globex.de")
    running.run("identity", "merge", ada, bob, "--why", "one person")
    (change,) = running.json("sync", "plan", "people", "--show-values")["changes"]
    assert (change["target"], change["action"]) == ("hubspot.contacts", "upsert")
    fields = {each["field"]: (each["before"], each["after"]) for each in change["fields"]}
    assert {"Bob", "Ada King"} == set(fields["firstname"])
    masked = running.run("sync", "plan", "people").stdout
    assert "firstname" in masked
    assert "Bob" not in masked
    assert len(running.json("sync", "plan", "people")["changes"]) == 1, "a plan keeps nothing"
