"""What a target refused: not asked for again unchanged, one letter at a time, and a letter also for what cannot be rendered."""

from __future__ import annotations

import shutil
from pathlib import Path

import mappings
from dead_letter import deciding, inspecting
from dead_letter.deciding import Mode
from dead_letter.inspecting import Filter
from journey.counts import Counts
from journey.interventions.replay import replay_letters
from kernel.errors import Park
from kernel.records import WriteItem
from tests.journey.conftest import WORDS, World, route


def _refusing(world: World) -> None:
    def refuse(_resource: str, item: WriteItem) -> Park | None:
        return Park("too long", cause="too_long", field="lastname") if item.fields.get("lastname") == "Archer" else None

    world.routes = [route("contact", "crm.contacts")]
    world.crm.refuse = refuse
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Archer")
    assert world.run().counts.outbound.dead == 1


def _letters(world: World) -> list[str]:
    return [letter["id"] for letter in inspecting.listed(world.store, Filter())]


def test_what_was_refused_is_not_sent_again_unchanged(world: World) -> None:
    _refusing(world)
    (letter,) = _letters(world)
    world.shop.put("customers", "1", stage="lead")  # the record changes, what the CRM would be sent does not
    again = world.run()
    assert again.counts.inbound.landed == 1
    assert again.counts.outbound.planned == 0
    assert world.crm.calls == 1
    assert _letters(world) == [letter]


def test_a_changed_write_is_tried_and_takes_the_place_of_the_old_letter(world: World) -> None:
    _refusing(world)
    (old,) = _letters(world)
    world.shop.put("customers", "1", title="CFO")
    assert world.run().counts.outbound.dead == 1
    (new,) = _letters(world)
    assert new != old
    assert inspecting.show(world.store, old, "me")["state"] == "superseded"


def test_a_person_may_ask_for_the_same_write_again(world: World) -> None:
    _refusing(world)
    world.crm.refuse = None
    deciding.request_replay(world.store, _letters(world), Mode.REMAP, by="me")
    replay_letters(world.context(), Counts())
    assert world.run().counts.outbound.applied == 1
    assert _letters(world) == []


def test_what_cannot_be_rendered_for_a_target_has_a_letter(world: World, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).with_name("config") / "mappings", tmp_path / "mappings")
    for file, currency in (("shop/customers", "EUR"), ("crm/companies", "USD")):
        path = tmp_path / f"mappings/{file}.yaml"
        revenue = f"      annual_revenue: {{path: revenue, transform: [{{money: {{currency: {currency}}}}}]}}\n"
        path.write_text(path.read_text().rstrip("\n") + "\n" + revenue)
    world.mappings = mappings.load(tmp_path / "mappings", WORDS)
    world.routes = [route("account", "crm.companies")]
    world.shop.put("customers", "1", email="ann@acme.io", company="Acme", revenue="10.00")
    first = world.run()
    assert (first.counts.outbound.planned, first.counts.outbound.dead) == (1, 1)
    (letter,) = inspecting.listed(world.store, Filter())
    assert (letter["stage"], letter["cause"], letter["field"]) == ("plan", "bad_value", "annual_revenue")
    world.shop.put("customers", "1", title="CFO")
    world.run()
    assert _letters(world) == [letter["id"]]
    deciding.request_replay(world.store, _letters(world), Mode.REMAP, by="me")
    replay_letters(world.context(), Counts())
    world.run()
    (again,) = _letters(world)
    assert again != letter["id"]
