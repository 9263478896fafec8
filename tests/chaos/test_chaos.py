"""One small storm over every write class, and what the verdict calls lost, doubled, stale and stuck. `make chaos` runs large ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import verdict
from tests.chaos.__main__ import CLASSES, database_of, systems_of
from tests.chaos.storm import Plan, run
from tests.chaos.vendors import BY_SYSTEM
from tests.chaos.verdict import Held, Observed, Wanted, Written
from tests.mutants.catalogue import BY_NAME

ANN, BOB = Wanted("ann@x.example", "V2", None), Wanted("bob@x.example", "V1", "+12125550100")
SOUND = Observed(
    "crm",
    {ANN.email: ANN, BOB.email: BOB},
    frozenset({"eve@x.example"}),
    [Held("1", "k1", ANN.email, "V2", None), Held("2", "k2", BOB.email, "V1", "+12125550100")],
    [Written("1", "k1", "V1", True), Written("2", "k2", "V1", True), Written("1", "k1", "V2")],
    {"k1": "1", "k2": "2"},
    effects=("a-g0", "b-g0"),
)


def test_a_small_storm_loses_doubles_and_strands_nothing(tmp_path: Path) -> None:
    outcome = run(Plan(1, 60, list(CLASSES), "sqlite", kills=4, speed=20), tmp_path)
    assert outcome.bad == []
    assert outcome.kills.total() >= 4
    assert outcome.faults.total() > 0
    assert outcome.deliveries > 60


def test_what_is_as_it_should_be_is_left_in_peace() -> None:
    assert [each(SOUND) for each in (verdict.lost, verdict.doubled, verdict.stale, verdict.stuck)] == [[]] * 4


@pytest.mark.parametrize(
    ("which", "seen"),
    [
        (verdict.lost, replace(SOUND, held=SOUND.held[:1], bound={"k1": "1"})),
        (verdict.lost, replace(SOUND, bound={"k1": "1", "k2": "2", "k3": "3"})),
        (verdict.doubled, replace(SOUND, held=[*SOUND.held, Held("3", "k3", ANN.email, "V2", None)])),
        (verdict.doubled, replace(SOUND, held=[*SOUND.held, Held("3", "k1", "other@x.example", "V2", None)])),
        (verdict.doubled, replace(SOUND, effects=("a-g0", "a-g1"))),
        (verdict.doubled, replace(SOUND, log=[*SOUND.log, Written("3", "k1", "V2", True), Written("3", "", "")])),
        (verdict.stale, replace(SOUND, wanted={**SOUND.wanted, ANN.email: replace(ANN, last="V3")})),
        (verdict.stale, replace(SOUND, wanted={**SOUND.wanted, BOB.email: replace(BOB, phone=None)})),
        (verdict.stale, replace(SOUND, gone=frozenset({BOB.email}))),
        (verdict.stale, replace(SOUND, log=[*SOUND.log, Written("1", "k1", "V1")])),
        (verdict.stale, replace(SOUND, conflicts=1)),
        (verdict.stuck, replace(SOUND, pending={"letters open": 1})),
    ],
)
def test_what_is_not_is_told(which: object, seen: Observed) -> None:
    assert callable(which)
    assert len(which(seen)) == 1


def test_a_key_made_again_after_its_object_went_is_no_double() -> None:
    log = [*SOUND.log, Written("1", "", ""), Written("9", "k1", "V2", True)]
    assert verdict.doubled(replace(SOUND, log=log)) == []


def test_thirty_seeds_meet_every_write_class_on_both_databases() -> None:
    met = {(BY_SYSTEM[systems_of(seed)[0]].write_class, database_of(seed)) for seed in range(30)}
    assert met == {(write_class, database) for write_class in "ABCDE" for database in ("sqlite", "postgresql")}
    assert {systems_of(seed)[0] for seed in range(30)} == set(BY_SYSTEM)


def test_a_worker_can_be_given_a_defect() -> None:
    assert "M1" in BY_NAME  # python -m tests.chaos --seed 3 --mutant M1 must end badly
