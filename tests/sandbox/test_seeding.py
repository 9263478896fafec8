"""The demo's customers: the same every time, overlapping, and written wholly or not at all."""

from __future__ import annotations

from pathlib import Path

from sandbox.seeding import FILLERS, fill, invent
from sandbox.server import Box
from sandbox.state import State

NOW = 1_790_000_000


def test_the_same_world_every_time(tmp_path: Path) -> None:
    assert invent() == invent()
    for place in ("one", "other"):
        fill(tmp_path / place, FILLERS, NOW)
    same = [
        name for name in FILLERS if name not in ("shopify", "zendesk", "salesforce", "hubspot")
    ]  # random ids inside
    for name in same:
        assert (tmp_path / "one" / f"{name}.jsonl").read_bytes() == (tmp_path / "other" / f"{name}.jsonl").read_bytes()


def test_every_system_is_filled_once(tmp_path: Path) -> None:
    assert fill(tmp_path, FILLERS, NOW) == list(FILLERS)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    assert fill(tmp_path, FILLERS, NOW) == []
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl")} == before


def test_a_fill_that_was_killed_begins_anew(tmp_path: Path) -> None:
    (tmp_path / ".filling").mkdir()
    (tmp_path / ".filling" / "stripe.jsonl").write_text('{"op": "serial", "name": "customers", "value": 70}\n')
    fill(tmp_path, ["stripe"], NOW)
    state = State(tmp_path / "stripe.jsonl")
    assert state.ids("customers")[0] == "cus_00000000000001"
    state.close()


def test_nothing_happened_in_the_last_day(tmp_path: Path) -> None:
    fill(tmp_path, FILLERS, NOW)
    for name in FILLERS:
        state = State(tmp_path / f"{name}.jsonl")
        newest = max(change.at for change in state.changes)
        state.close()
        assert newest < (NOW - 86_400) * 1_000_000, name


def test_the_one_who_is_traced_is_in_four_systems_and_in_no_crm(tmp_path: Path) -> None:
    world = invent()
    fill(tmp_path, FILLERS, NOW)
    with Box(list(FILLERS), tmp_path) as box:
        email, text = (
            world.heroine.email,
            {name: str([box[name].state.all(r) for r in box[name].state.resources()]) for name in FILLERS},
        )
    assert {name for name, all_of_it in text.items() if email in all_of_it} == {
        "stripe",
        "shopify",
        "zendesk",
        "typeform",
    }
    assert len(world.people) >= 300
    assert sum(len(person.systems) > 1 for person in world.people) > 100
