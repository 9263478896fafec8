"""The pages written by hand name every state, exit code, event and folder that the program knows, and no other state."""

from __future__ import annotations

import re

import pytest

from connectors.base import WriteClass
from console.exits import MEANINGS
from console.verbs.dead_letters import STATES
from flows import states
from kernel.errors import Fate
from kernel.ledger.states import FOLLOWS
from kernel.records import Action
from tests.conftest import ROOT
from tests.docs.pages import DOCS, pages

NAMES = (DOCS / "reference/states-and-events.md").read_text(encoding="utf-8")
GUARANTEES = (DOCS / "explanation/guarantees.md").read_text(encoding="utf-8")


def listed(heading: str) -> set[str]:
    """The first column of the table below a heading."""
    section = NAMES.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def test_every_delivery_state_is_told() -> None:
    assert listed("Deliveries") == {str(state) for state in FOLLOWS}
    assert [action for action in Action if f"`{action}`" not in NAMES] == []


def test_every_letter_state_is_told() -> None:
    assert listed("Dead letters") == set(STATES) - {"any"}


def test_every_run_state_is_told() -> None:
    tables = (ROOT / "kernel/store/tables.py").read_text(encoding="utf-8")
    kept = re.search(r'_name\("state"\),  # (running, .*)', tables)
    assert kept is not None
    assert listed("Runs") == set(kept[1].split(", "))
    assert [
        n for n in (states.WITH_DEAD_LETTERS, states.AWAITING_APPROVAL, states.ALREADY_RUNNING) if n not in NAMES
    ] == []


def test_every_version_state_is_told() -> None:
    tables = (ROOT / "kernel/store/tables.py").read_text(encoding="utf-8")
    kept = re.search(r'_name\("state"\),  # (landed, .*)', tables)
    assert kept is not None
    assert listed("Versions") == {*kept[1].split(", "), "unchanged", "stale", "still_parked"}


def test_every_event_is_told() -> None:
    source = (ROOT / "flows/events.py").read_text(encoding="utf-8")
    assert set(re.findall(r'^[A-Z_]+ = "(throughline\.[a-z.-]+)"', source, re.MULTILINE)) == listed("Events")


def test_every_exit_code_is_told() -> None:
    page = (DOCS / "reference/cli.md").read_text(encoding="utf-8")
    assert [code for code in MEANINGS if f"| {int(code)} |" not in page] == []


def test_every_fate_and_write_class_is_told() -> None:
    assert [fate for fate in Fate if f"| {fate} |" not in GUARANTEES] == []
    assert [each for each in WriteClass if f"| {each} " not in GUARANTEES] == []


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "explanation", "reference"])
def test_every_page_is_in_the_index(folder: str) -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    hidden = [page.name for page in pages(folder) if f"]({folder}/{page.name})" not in index]
    assert [name for name in hidden if name != "performance.md" or "performance" in index] == []
