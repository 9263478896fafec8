"""What an activation sets in motion: a changed way out writes what differs and no more, a changed way in asks for a remap."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mappings
from journey.counts import Counts
from journey.interventions import effects
from journey.interventions.replay import remap
from journey.syncs import Stream
from kernel.revisions import Difference
from tests.journey.conftest import HERE, RESOURCES, WORDS, World

SYSTEMS = {name: name for name in RESOURCES}


def _change(world: World, tmp_path: Path, path: str, old: str, new: str) -> effects.Effects:
    folder = tmp_path / "config"
    shutil.copytree(HERE / "config", folder)
    file = folder / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    world.mappings = mappings.load(folder / "mappings", WORDS, known_resources=RESOURCES)
    return effects.set_in_motion(world.store, world.context().pins, Difference((), (path,), ()), SYSTEMS)


@pytest.fixture
def ann(world: World) -> World:
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Archer", title="Director")
    world.run()
    return world


def test_a_changed_way_out_sends_only_the_fields_that_differ(ann: World, tmp_path: Path) -> None:
    moved = _change(ann, tmp_path, "mappings/crm/contacts.yaml", "{path: jobtitle}", "{path: position}")
    assert (moved.marked, moved.remap) == ({"test": 1}, [])
    run = ann.run()
    assert (run.counts.inbound.read, run.counts.outbound.applied) == (0, 1)
    assert ann.crm.log[-1][3] == {"position": "Director"}


def test_a_changed_way_in_names_its_stream_and_a_remap_carries_it_out(ann: World, tmp_path: Path) -> None:
    moved = _change(
        ann, tmp_path, "mappings/shop/customers.yaml", "job_title: {path: title}", "department: {path: title}"
    )
    assert (moved.marked, moved.remap) == ({}, ["shop.customers"])
    remap(ann.context(), Stream("shop", "customers"), Counts())
    assert ann.golden()[0]["department"] == "Director"
    assert "job_title" not in ann.golden()[0]


def test_a_parked_version_is_cured_by_a_new_mapping(world: World, tmp_path: Path) -> None:
    world.shop.put("orders", "o1", number="", id_number="77")
    assert world.run().state == "with_dead_letters"
    moved = _change(
        world,
        tmp_path,
        "mappings/shop/orders.yaml",
        "number: {path: number}",
        "number: {first_of: [number, id_number]}",
    )
    assert moved.remap == ["shop.orders"]
    remap(world.context(), Stream("shop", "orders"), Counts())
    assert [order["number"] for order in world.golden("order")] == ["77"]
    assert [letter.state for letter in world.rows("dead_letter")] == ["resolved"]
