"""Which of two versions is the newer, when clocks tell seconds, senders keep no order and people are faster than both."""

from __future__ import annotations

from typing import Any

import pytest

from dead_letter import deciding, inspecting
from journey.counts import Counts
from journey.inbound import reading, receiving
from journey.inbound.classifying import Arrival
from journey.interventions.replay import remap, replay_letters
from journey.syncs import Stream
from kernel.records import Delivered, SourceRecord, WebhookRequest
from tests.journey.conftest import World

CUSTOMERS = Stream("shop", "customers")


def _version(title: str, at: int) -> SourceRecord:
    return SourceRecord("1", {"id": "1", "email": "ann@acme.io", "last": "Archer", "title": title}, at)


def _land(world: World, title: str, at: int, how: Arrival = Arrival.READ) -> tuple[Counts, list[str]]:
    counts = Counts()
    return counts, reading.land_records(
        world.context(), CUSTOMERS, [_version(title, at)], counts, started_at=0, how=how
    )


def _title(world: World) -> str:
    (golden,) = world.golden()
    return str(golden["job_title"])


def test_a_pushed_version_that_ties_is_not_landed_but_named(world: World) -> None:
    _land(world, "newer", 5_000_000)
    counts, ties = _land(world, "older", 5_000_000, Arrival.PUSHED)
    assert (counts.inbound.stale, ties, _title(world)) == (1, ["1"], "newer")


def test_two_pushed_versions_that_tie_are_both_asked_for(world: World) -> None:
    counts = Counts()
    records = [_version("a", 5_000_000), _version("b", 5_000_000)]
    ties = reading.land_records(world.context(), CUSTOMERS, records, counts, started_at=0, how=Arrival.PUSHED)
    assert ties == ["1"]


def test_a_read_that_ties_is_the_newer(world: World) -> None:
    _land(world, "older", 5_000_000)
    counts, ties = _land(world, "newer", 5_000_000)
    assert (counts.inbound.landed, ties, _title(world)) == (1, [], "newer")


def test_a_remap_that_ties_is_the_older(world: World) -> None:
    _land(world, "landed meanwhile", 5_000_000)
    counts, _ = _land(world, "as it was stored", 5_000_000, Arrival.AGAIN)
    assert (counts.inbound.stale, _title(world)) == (1, "landed meanwhile")


@pytest.mark.parametrize("how", [Arrival.READ, Arrival.PUSHED])
def test_known_content_read_again_with_a_newer_time_outdates_what_was_before_it(world: World, how: Arrival) -> None:
    _land(world, "A", 5_000_000)
    again, _ = _land(world, "A", 9_000_000)
    late, _ = _land(world, "B", 7_000_000, how)  # A, B, A: the second one comes late
    assert (again.inbound.unchanged, late.inbound.stale, _title(world)) == (1, 1, "A")


def test_of_the_same_content_twice_in_one_batch_the_newer_time_counts(world: World) -> None:
    records = [_version("A", 5_000_000), _version("A", 9_000_000)]
    reading.land_records(world.context(), CUSTOMERS, records, Counts(), started_at=0)
    late, _ = _land(world, "B", 7_000_000)
    assert late.inbound.stale == 1


def test_a_webhook_that_ties_has_the_vendor_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop: Any = world.shop
    monkeypatch.setattr(type(shop), "webhook", lambda *_: _posted("older"), raising=False)
    monkeypatch.setattr(type(shop), "fetch", lambda *_: [_version("newest", 5_000_000)], raising=False)
    _land(world, "newer", 5_000_000)
    assert receiving.accept(world.store, world, "shop", WebhookRequest("POST", "", {}, b"{}")).status == 200
    receiving.process(world.context(), Counts())
    assert _title(world) == "newest"


def _posted(title: str) -> Delivered:
    return Delivered(records=[("customers", _version(title, 5_000_000))])


def test_a_correction_stands_while_the_vendor_still_holds_what_was_corrected(world: World) -> None:
    order = Stream("shop", "orders")
    bad = SourceRecord("o1", {"id": "o1", "number": ""}, 5_000_000)
    reading.land_records(world.context(), order, [bad], Counts(), started_at=0)
    (letter,) = inspecting.ids(world.store, inspecting.Filter())
    deciding.edit(world.store, letter, {"number": "1"}, by="eva", why="typo")
    deciding.request_replay(world.store, [letter], deciding.Mode.EDITED, by="eva")
    replay_letters(world.context(), Counts())
    seen = Counts()
    reading.land_records(world.context(), order, [bad], seen, started_at=0)
    assert (seen.inbound.unchanged, inspecting.ids(world.store, inspecting.Filter())) == (1, [])
    again = Counts()
    remap(world.context(), order, again)
    (golden,) = world.golden("order")
    assert (again.inbound.landed, golden["number"]) == (1, "1")
