"""A vendor changes its answers: nothing is dropped in silence, no stream crashes, and the run that meets it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from journey.counts import Counts
from journey.inbound.shapes import Shape
from journey.syncs import Stream
from kernel.records import SourceRecord
from tests.drift.figures import SYSTEMS, recordings_of, system_tried
from tests.drift.local import LocalRig, csv_rig
from tests.drift.mutants import Mutant
from tests.drift.rig import MAPPINGS, judged

STREAM = Stream("acct", "customers")


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_mutant_is_silent(system: str) -> None:
    verdicts, broken = system_tried(system, seed=1, mutants=40)
    assert broken == [], "\n".join(broken)
    assert verdicts["reported"] > 0
    assert verdicts["stopped"] > 0


@pytest.mark.parametrize("system", [name for name in SYSTEMS if recordings_of(name) is not None])
def test_no_mutant_of_a_recording_is_silent(system: str, real: Path) -> None:
    _, broken = system_tried(system, seed=2, mutants=16, recorded=real)
    assert broken == [], "\n".join(broken)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LocalRig]:
    """A file of contacts that was read before."""
    rig = csv_rig(tmp_path)
    yield rig
    rig.store.close()


def test_the_same_seed_gives_the_same_mutants(file: LocalRig) -> None:
    assert file.mutants(7, 40) == file.mutants(7, 40) != file.mutants(8, 40)


def test_without_the_look_at_shapes_mutants_are_silent(file: LocalRig, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Mutant("gone", ("last_name",))
    assert judged(file, gone) == (
        "reported",
        "acct.contacts last_name is gone: the mapping reads it and no record has it | ",
    )
    monkeypatch.setattr(Shape, "look", lambda *_: None)
    assert judged(file, gone)[0] == "silent"


def test_a_lost_header_stops_and_tells_no_cell(file: LocalRig) -> None:
    outcome = file.run(Mutant("paging", (), "no header"))
    assert outcome.stop is not None
    assert "Lovelace" not in outcome.told
    assert outcome.cursor in (None, "null")


def test_a_mapped_field_that_is_gone_is_told_in_every_run_until_it_is_back(file: LocalRig) -> None:
    gone = Mutant("gone", ("last_name",))
    told = [list(file.run(gone, keep=n > 0).counts.warnings) for n in range(2)]
    assert told[0] == told[1] == ["acct.contacts last_name is gone: the mapping reads it and no record has it"]
    assert not file.run(None, keep=True).counts.warnings


def look(shape: Shape, *raws: dict[str, object]) -> list[str]:
    """The warnings of one batch."""
    counts = Counts()
    shape.look([SourceRecord(str(n), dict(raw)) for n, raw in enumerate(raws)], counts)
    return [what.removeprefix("acct.customers ") for what in counts.warnings]


def known(*raws: dict[str, object]) -> Shape:
    """The shape of a stream that showed these records in an earlier run."""
    mapping = MAPPINGS.get("stripe.customers")
    assert mapping is not None
    first = Shape(STREAM, mapping)
    assert look(first, *raws) == []
    kept = {path: [sorted(kinds), first._steady[path]] for path, kinds in first._kinds.items()}
    return Shape(STREAM, mapping, json.loads(json.dumps(kept)))


def test_what_differs_is_told_by_name_and_never_by_value() -> None:
    usual: dict[str, object] = {"id": "c", "email": "ada@acme.io", "balance": 1, "address": {"city": "Bonn"}}
    changed = {"id": "c", "balance": "secret", "address": {"city": "Bonn", "lines": ["x"]}, "tier": "secret"}
    assert look(known(*[usual] * 6), changed, changed) == [
        "email is gone: the mapping reads it and no record has it",
        "balance is text now and was number",
        "address.lines is a new field and no mapping reads it",
        "tier is a new field and no mapping reads it",
    ]


def test_few_records_and_empty_fields_prove_nothing() -> None:
    usual: dict[str, object] = {"id": "c", "email": "a@b.io", "address": None}
    assert look(known(*[usual] * 4), {"id": "c", "address": None}) == []
    assert look(known(*[usual] * 6), {"id": "c", "email": None, "address": {"city": "Bonn"}}) == []


def test_a_field_that_some_records_have_is_not_gone() -> None:
    usual: dict[str, object] = {"id": "c", "email": "a@b.io"}
    assert look(known(*[usual] * 6), *[{"id": "c"}] * 1_600, usual) == []


def test_names_that_may_be_data_are_never_told() -> None:
    usual: dict[str, object] = {"id": "c", "by": {"x": 1}}
    told = look(known(*[usual] * 6), {"id": "c", "by": {"ada@acme.io": 1, "4155550123": 2, "x": 1}})
    assert told == ["by.* is a new field and no mapping reads it"]
