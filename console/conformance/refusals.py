"""Writing what is refused: one item's fate is its own, its field is named, its value is not, and nothing is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground, filled, uncertain
from console.conformance.writing import outcomes_of
from kernel.errors import Fate, ThroughlineError


@check("refuse.bad_value", per="writable")
def bad_value(g: Ground, resource: str) -> None:
    """One bad item among good ones: it alone is parked, its field named; the others are applied, in order."""
    _one_bad(g, resource, g.written(resource).refused)


@check("refuse.too_long", per="writable")
def too_long(g: Ground, resource: str) -> None:
    """A text that is too long is parked with its field, never cut."""
    _one_bad(g, resource, g.written(resource).too_long)


@check("refuse.unknown_choice", per="writable")
def unknown_choice(g: Ground, resource: str) -> None:
    """A picklist value the vendor does not know is parked with its field."""
    _one_bad(g, resource, g.written(resource).unknown_choice)


def _one_bad(g: Ground, resource: str, bad: Mapping[str, Any]) -> None:
    only_where(bad, "the vendor refuses nothing of the kind")
    connector, facts = g.ready(), g.written(resource)
    many = min(5, g.spec(resource).batch_size) if g.spec(resource).batch_size > 1 else 3
    items = [g.item(resource) for _ in range(many)]
    name = next(iter(bad))
    n = g.number()
    items[1] = g.item(resource, {**facts.fields, **bad}, n=n)
    outcomes = outcomes_of(g, connector, resource, items)
    for place, outcome in enumerate(outcomes):
        if place != 1:
            expect(outcome.error is None, f"a good item beside a bad one: {outcome.error}")
    error = outcomes[1].error
    expect(error is not None, f"{name} was taken")
    if error is not None:
        _parked(error, name, str(filled(bad, n)[name]))
    same(g.ours(resource, items[1].ext_key), [], "the objects of the refused item")


def _parked(error: ThroughlineError, name: str, value: str) -> None:
    same(error.fate, Fate.PARK, f"the fate of a refused value ({error})")
    leaf = name.rpartition(".")[2]
    expect(leaf.lower() in f"{error.field} {error}".lower() or not value, f"the field {name} is not named: {error}")
    expect(len(value) < 6 or value not in f"{error!s}{error!r}", "the error tells the refused value")


@check("refuse.read_only", per="writable")
def read_only(g: Ground, resource: str) -> None:
    """A field declared read-only is refused before anything is sent, beside others that are."""
    connector, declared = g.ready(), g.spec(resource).read_only
    only_where(declared, "no field is declared read-only")
    name = sorted(declared)[0]
    g.forget()
    bad = g.item(resource, {**g.written(resource).fields, name: "1"})
    error = g.write(connector, resource, [bad])[0].error
    expect(error is not None and error.fate is Fate.PARK, f"{name} is declared read-only and was not refused: {error}")
    expect(not g.calls() and not g.ours(resource, bad.ext_key), "it was sent all the same")
    if g.spec(resource).batch_size > 1:
        good = g.item(resource)
        outcomes = outcomes_of(g, connector, resource, [bad, good])
        expect(outcomes[0].error is not None and outcomes[1].error is None, "it takes others along")


@check("refuse.taken", per="writable")
def taken(g: Ground, resource: str) -> None:
    """A unique value another object has: adopted where declared, refused as a conflict where not, never doubled."""
    facts = g.written(resource)
    only_where(facts.taken, "no two objects may not share")
    connector = g.ready()
    item = g.item(resource)
    stranger = _stranger(g, resource, facts.taken, item.fields[facts.taken])
    outcome = g.write(connector, resource, [item])[0]
    if facts.adopts:
        same(outcome.vendor_id, stranger, f"the object that was adopted ({outcome.error})")
        same(g.ours(resource, item.ext_key), [stranger], "the objects with our key")
    else:
        expect(
            outcome.error is not None and outcome.error.cause == "conflict", f"a taken {facts.taken}: {outcome.error}"
        )
        same(g.ours(resource, item.ext_key), [], "the objects with our key")
    ours, id = g.create(connector, resource)
    thief = g.item(resource, {**facts.fields, facts.taken: ours.fields[facts.taken]})
    stolen = g.write(connector, resource, [thief])[0]
    expect(
        stolen.error is not None and stolen.error.fate is Fate.PARK, "an object with another key of ours is taken over"
    )
    same(g.ours(resource, ours.ext_key), [id], "the object whose value was wanted")


def _stranger(g: Ground, resource: str, name: str, value: Any) -> str:
    """An object with a value, made by somebody else."""
    return g.practice.stranger(resource, name, value)


@check("refuse.whole_batch", per="writable")
def whole_batch(g: Ground, resource: str) -> None:
    """A batch refused as a whole loses nothing: cut in halves, every good item is applied and none twice."""
    g.only_simulated()
    connector = g.ready()
    items = [g.item(resource) for _ in range(min(4, max(2, g.spec(resource).batch_size)))]
    g.sim.faults.add(400, *g.practice.writes(resource))
    for start in range(0, len(items), g.spec(resource).batch_size):
        part = items[start : start + g.spec(resource).batch_size]
        for item, outcome in zip(part, outcomes_of(g, connector, resource, part), strict=True):
            if outcome.error is not None:  # a person replays it
                expect(
                    g.written(resource).alone, "a good item of a refused batch is parked, though it was not sent alone"
                )
                same(outcome.error.fate, Fate.PARK, f"the fate of a refused batch's item ({outcome.error})")
                outcomes_of(g, connector, resource, [item])
    for item in items:
        same(len(g.ours(resource, item.ext_key)), 1, "the objects of an item of a refused batch")


@check("refuse.partial", per="writable")
def partial(g: Ground, resource: str) -> None:
    """A failure inside a good answer is the failure of that item, and a short answer leaves its items unknown."""
    size = g.spec(resource).batch_size
    only_where(g.practice.spoils and size > 2, "no answers about single items")
    connector = g.ready()
    items = [g.item(resource) for _ in range(4)]
    g.sim.faults.add("partial", *g.practice.writes(resource), index=2)
    outcomes = outcomes_of(g, connector, resource, items)
    same([place for place, one in enumerate(outcomes) if one.error is not None], [2], "the items that failed")
    if "wrong_length" in g.practice.spoils:
        more = [g.item(resource) for _ in range(4)]
        g.sim.faults.add("wrong_length", *g.practice.writes(resource), missing=1)
        outcomes = outcomes_of(g, connector, resource, more)
        silent = [one for item, one in zip(more, outcomes, strict=True) if one.error is not None]
        expect(silent, "an item the answer is silent about is told as applied")
        expect(all(uncertain(one) for one in silent), f"an item the answer is silent about: {silent[0].error}")
