"""What could not be measured is null with its reason, never nought; and the table says all of it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from tests.proof.__main__ import Proof
from tests.proof.telling import BEGIN, END, KEYS, PAGE, table, write_table


@pytest.fixture
def proof() -> Proof:
    """Nothing is run."""
    return Proof(Namespace(without="simulation,chaos,mutants,webhooks,quota,canaries", simulation_seeds=1, chaos_seeds=1, records=1, kills=1, start=0, keep=False))  # fmt: skip


def test_what_was_not_measured_is_null_and_says_why(proof: Proof) -> None:
    told = proof.gather()
    assert told["lost"] is None
    assert told["not_measured"]["lost"]
    assert {name for name in KEYS if told[name] is None} == set(told["not_measured"])
    assert {"machine", "versions", "date", "seconds"} <= set(told)


def test_figures_of_both_programs_are_one_sum(proof: Proof) -> None:
    proof.parts = {
        "simulation": {"seeds": 2, "lost": 0, "crash_points": 9},
        "chaos": {"seeds": 3, "lost": 1, "kills": 7},
    }
    told = proof.gather()
    assert (told["seeds"], told["lost"], told["kills"], told["crash_points_total"]) == (5, 1, 7, 9)
    assert told["crash_points_hit"] is None


def test_what_is_left_out_may_stand_as_it_was_measured(
    proof: Proof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = tmp_path / "proof.json"
    last.write_text('{"parts": {"chaos": {"lost": 0, "kills": 7}, "other": {}}}')
    monkeypatch.setattr("tests.proof.__main__.PROOF", last)
    proof.asked.keep = True
    told = proof.gather()
    assert (told["lost"], told["kills"], told["kept"]) == (0, 7, ["chaos"])
    assert "chaos as measured before" in table(told)


def test_the_table_has_a_row_for_every_figure(proof: Proof, tmp_path: Path) -> None:
    told = proof.gather() | {"lost": 0, "seeds": 10_000}
    drawn = table(told)
    assert drawn.count("\n| ") == len(KEYS) + 1
    assert "| 10,000 |" in drawn
    assert "| records lost | 0 |" in drawn
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(told, page)
    assert page.read_text() == f"before\n{BEGIN}\n{drawn}\n{END}\nafter\n"
    marks = PAGE.read_text()
    assert BEGIN in marks
    assert END in marks
