"""What was read already is mapped anew, read again by a window, sent again to a target, or written back to a file."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.console.conftest import Company


def test_a_remap_cures_what_was_parked_and_names_the_sync_that_carries_it_on(running: Company) -> None:
    running.edit("mappings/csv/deals.yaml", "from: [account, product]", "from: [account, product, sales_agent]")
    assert running.json("activate")["remap"] == ["files.deals"]
    told = running.json("sync", "remap", "files.deals")
    assert (told["inbound"]["read"], told["inbound"]["landed"], told["syncs"]) == (2, 2, ["deals"])
    assert running.letters() == []
    running.run("sync", "run", "deals", "--no-flow")
    assert len(running.box["hubspot"].state.all("deals")) == 2


def test_a_stream_that_nothing_maps_is_refused(running: Company) -> None:
    assert "no active mapping for csv.deal;" in running.run("sync", "remap", "files.deal", code=3).stderr
    assert "'files' is not a stream" in running.run("sync", "remap", "files", code=4).stderr


def test_a_window_is_read_again_and_changes_nothing(running: Company) -> None:
    told = running.json("sync", "backfill", "stripe.customers", "--start", "2020-01-01", "--end", "2100-01-01")
    assert (told["inbound"]["read"], told["inbound"]["unchanged"], told["syncs"]) == (3, 3, [])
    wrong = ("sync", "backfill", "stripe.customers", "--start", "soon", "--end", "2100-01-01")
    assert "2026-01-31" in running.run(*wrong, code=2).stderr
    early = ("sync", "backfill", "stripe.customers", "--start", "2100-01-01", "--end", "2020-01-01")
    assert "ends before it begins" in running.run(*early, code=2).stderr
    whole = ("sync", "backfill", "files.deals", "--start", "2020-01-01", "--end", "2100-01-01")
    assert "by a window" in running.run(*whole, code=4).stderr


def test_a_seeded_sync_writes_nothing_where_nothing_differs(running: Company) -> None:
    assert running.json("sync", "seed", "people")["marked"] > 0
    (told,) = running.json("sync", "run", "people", "--no-flow")["syncs"]
    assert told["outbound"]["planned"] == 0
    assert running.json("sync", "seed", "people", "--entity", "account")["marked"] > 0
    assert "it routes" in running.run("sync", "seed", "people", "--entity", "order", code=4).stderr


def test_bad_rows_go_back_as_csv_with_their_reasons(running: Company, tmp_path: Path) -> None:
    told = running.json("dead-letters", "export", "files.deals", str(tmp_path / "back.csv"))
    assert told["rows"] == 1
    with (tmp_path / "back.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = list(csv.DictReader(file))
    assert (row["opportunity_id"], row["cause"], row["line"]) == ("D2", "missing_required", "3")
    assert running.run("dead-letters", "list", "--ids", code=1).stdout.split() == [running.letters()[0]["id"]]


def test_an_address_names_its_reader_not_the_company(running: Company) -> None:
    told = running.json("identity", "merge", "ada@acme.io", "bob@globex.de", "--why", "one person")
    assert len(told["golden"]) == 1
