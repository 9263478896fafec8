"""Letters handed on: to other commands by id, to whoever made a file as rows with their reasons."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.console.conftest import Company


def test_bad_rows_go_back_as_csv_with_their_reasons(running: Company, tmp_path: Path) -> None:
    told = running.json("dead-letters", "export", "files.deals", str(tmp_path / "back.csv"))
    assert told["rows"] == 1
    with (tmp_path / "back.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = list(csv.DictReader(file))
    assert (row["opportunity_id"], row["cause"], row["line"]) == ("D2", "missing_required", "3")
    assert running.run("dead-letters", "list", "--ids", code=1).stdout.split() == [running.letters()[0]["id"]]
    assert "did you mean 'files'" in running.run("dead-letters", "export", "file.deals", "x.csv", code=2).stderr


def test_an_address_names_its_reader_not_the_company(running: Company) -> None:
    told = running.json("identity", "merge", "ada@acme.io", "bob@globex.de", "--why", "one person")
    assert len(told["golden"]) == 1
