"""What ops start by hand: remap, seed, backfill, reconcile, prune. Each says what it did, and none of them doubles anything."""

from __future__ import annotations

from tests.console.conftest import Company


def test_a_remap_with_the_same_mapping_lands_again_and_changes_nothing(running: Company) -> None:
    told = running.json("sync", "remap", "stripe.customers")
    assert (told["name"], told["state"], told["inbound"]["landed"] > 0) == ("stripe.customers", "completed", True)
    again = running.json("sync", "run", "--all", "--no-flow", code=None)["syncs"]
    assert sum(each["outbound"]["applied"] for each in again) == 0


def test_a_seed_compares_everything_and_writes_nothing_that_is_there(running: Company) -> None:
    assert running.json("sync", "seed", "people")["marked"] > 0
    again = running.json("sync", "run", "people", "--no-flow", code=None)["syncs"]
    assert again[0]["outbound"]["applied"] == 0
    assert "routes no 'order'" in running.run("sync", "seed", "people", "--entity", "order", code=None).stderr


def test_a_window_is_read_again(running: Company) -> None:
    line = ["sync", "backfill", "stripe.customers", "--from", "2020-01-01", "--to", "2035-01-01"]
    told = running.json(*line, code=None)
    assert (told["state"], told["inbound"]["landed"]) == ("completed", 0)
    assert "before" in running.run(*line[:3], "--from", "2030-01-01", "--to", "2020-01-01", code=2).stderr
    assert "window" in running.run("sync", "backfill", "files.accounts", *line[3:], code=None).stderr


def test_a_whole_stream_is_read_again_and_half_a_window_is_none(running: Company) -> None:
    told = running.json("sync", "backfill", "stripe.customers", code=None)
    assert (told["state"], told["inbound"]["read"], told["inbound"]["unchanged"]) == ("completed", 3, 3)
    assert running.json("sync", "backfill", "files.accounts")["inbound"]["unchanged"] == 2
    refused = running.run("sync", "backfill", "stripe.customers", "--from", "2020-01-01", code=2).stderr
    assert "neither" in refused


def test_both_sides_of_a_target_are_counted(running: Company) -> None:
    told = running.json("sync", "reconcile", "hubspot.contacts")["targets"][0]
    assert told["bound"] == told["held"] + told["unmarked"]
    gone = next(iter(running.box["hubspot"].state.all("contacts")))
    running.box["hubspot"].state.delete("contacts", gone["id"])
    found = running.json("sync", "reconcile", "hubspot.contacts", code=1)["targets"][0]
    assert found["missing"] == 1


def test_wrong_names_are_refused_with_the_right_ones(running: Company) -> None:
    assert "connection.resource" in running.run("sync", "remap", "stripe", code=None).stderr
    assert "customers" in running.run("sync", "remap", "stripe.custmers", code=None).stderr


def test_prune_says_what_went(running: Company) -> None:
    assert set(running.json("prune")["pruned"].values()) == {0}
