"""Writes whose answer is lost: never told as applied or as not applied, found by our key, converging when sent again."""

from __future__ import annotations

from connectors.base import WriteClass
from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground, uncertain
from kernel.errors import Fate
from kernel.records import Action

SILENT = ("500", "503", "timeout", "reset", "dropped")
LOST = ("500", "503", "timeout", "reset", "truncated", "dropped", "html200", "empty200")


@check("doubt.unknown", per="writable")
def unknown(g: Ground, resource: str) -> None:
    """A reset before or after the write was applied: unknown, found or not found by our key, one object in the end."""
    for applied in (True, False):
        if g.sim is not None:
            _lost(g, resource, "reset", applied)
        else:
            _lost_here(g, resource, applied)


@check("doubt.every_way")
def every_way(g: Ground, resource: str) -> None:
    """Every way to lose an answer, of a write that was applied and of one that was not."""
    only_where(g.practice.written, "nothing is written")
    g.only_simulated()
    resource = next(iter(g.practice.written))
    for kind in LOST if g.practice.answers else SILENT:
        for applied in (True, False):
            _lost(g, resource, kind, applied)


def _lost(g: Ground, resource: str, kind: str, applied: bool) -> None:
    g.fresh()
    connector = g.ready()
    g.warm(connector, resource)
    connector.http.timeout = 0.2
    item, told = g.item(resource), f"{kind} {'after' if applied else 'before'} it was applied"
    method, path = g.practice.writes(resource)
    g.sim.faults.add(kind, method, path, apply=applied, seconds=0.5)
    g.forget()
    outcome = g.write(connector, resource, [item])[0]
    spoiled = [call for call in g.sim.calls if call.fault]
    expect(spoiled, "the practice's `writing` names no request that writes")
    connector.http.timeout = 10.0
    sent = [call for call in g.calls(method, path) if call.path == spoiled[0].path and call.body == spoiled[0].body]
    same(len(sent), 1, f"{told}: how often it was sent")
    expect(outcome.vendor_id is None or applied, f"{told}: told as applied")
    if outcome.error is not None:
        harmless = outcome.error.fate is Fate.RETRY and g.spec(resource).write_class is WriteClass.APPEND_ONLY
        expect(uncertain(outcome) or harmless, f"{told}: {outcome.error.fate} ({outcome.error.cause}), not unknown")
    g.clock.sleep(g.spec(resource).settle.total_seconds() + 1)
    there = g.ours(resource, item.ext_key)
    same(len(there), int(applied), f"{told}: the number of objects")
    expect(g.find(connector, resource, item.ext_key) in (None, there), f"{told}: `find` does not find what is there")
    again = g.write(connector, resource, [item])[0]
    same(g.ours(resource, item.ext_key), [again.vendor_id], f"{told}, sent again ({again.error}): the objects")


def _lost_here(g: Ground, resource: str, applied: bool) -> None:
    """The same, of a system without a simulator."""
    g.fresh()
    connector = g.ready()
    item = g.item(resource)
    losing = g.practice.losing(connector, applied=applied)
    only_where(losing is not None, "no answer can be lost")
    assert losing is not None
    with losing:
        outcome = g.write(connector, resource, [item])[0]
    expect(uncertain(outcome), f"a lost answer: {outcome.error}")
    there = g.ours(resource, item.ext_key)
    same(len(there), int(applied), "the number of objects after a lost answer")
    same(g.find(connector, resource, item.ext_key), there, "what `find` finds after a lost answer")
    again = g.write(connector, resource, [item])[0]
    same(g.ours(resource, item.ext_key), [again.vendor_id], f"sent again ({again.error}): the objects")


@check("doubt.late", per="writable")
def late(g: Ground, resource: str) -> None:
    """A request that lands long after its connection was lost makes no second object.

    Class D can promise that only once the settle time is over, within which a request lands or never does.
    """
    g.only_simulated()
    connector = g.ready()
    g.warm(connector, resource)
    item = g.item(resource)
    g.sim.faults.add("late_apply", *g.practice.writes(resource))
    outcome = g.write(connector, resource, [item])[0]
    expect(uncertain(outcome), f"a lost connection: {outcome.error}")
    declared = g.spec(resource)
    if declared.write_class is WriteClass.SEARCH_FIRST:
        expect(declared.max_processing < declared.settle, "the settle time ends before a request surely landed")
        g.clock.sleep(declared.max_processing.total_seconds())
        g.sim.apply_late()
        g.clock.sleep((declared.settle - declared.max_processing).total_seconds() + 1)
    again = g.write(connector, resource, [item])[0]
    expect(again.error is None, f"sent again: {again.error}")
    g.sim.apply_late()
    same(g.ours(resource, item.ext_key), [again.vendor_id], "the objects after the late one landed")


@check("doubt.delete", per="writable")
def delete(g: Ground, resource: str) -> None:
    """A delete whose answer is lost is unknown, and converges when sent again."""
    only_where(Action.DELETE in g.spec(resource).actions, "it cannot be deleted")
    g.only_simulated()
    for applied in (True, False):
        g.fresh()
        connector = g.ready()
        item, id = g.create(connector, resource)
        g.sim.faults.add("reset", nth=1, apply=applied)
        gone = g.item(resource, {}, key=item.ext_key, vendor_id=id, action=Action.DELETE)
        outcome = g.write(connector, resource, [gone])[0]
        expect(uncertain(outcome), f"a delete whose answer was lost: {outcome.error}")
        again = g.write(connector, resource, [gone])[0]
        same(again.vendor_id, id, f"the delete sent again ({again.error})")
        expect(g.practice.get(resource, id) is None, "it is still there")


@check("doubt.not_sent", per="writable")
def not_sent(g: Ground, resource: str) -> None:
    """Too many requests, or nobody at the address: surely not applied, so it is sent again, and once."""
    g.only_simulated()
    connector = g.ready()
    item = g.item(resource)
    g.sim.faults.add(429, *g.practice.writes(resource), retry_after=3)
    outcome = g.write(connector, resource, [item])[0]
    if g.spec(resource).schedule and outcome.error is not None:  # the waits are the engine's
        same(outcome.error.fate, Fate.RETRY, "the fate of a write answered 429")
        outcome = g.write(connector, resource, [item])[0]
    expect(outcome.error is None, f"a write after a 429: {outcome.error}")
    same(g.ours(resource, item.ext_key), [outcome.vendor_id], "the objects of a write after a 429")
    nobody = g.but(g.practice.address, "http://127.0.0.1:9")
    error = g.write(nobody, resource, [g.item(resource)])[0].error
    expect(error is not None and error.fate is Fate.RETRY, f"nobody at the address: {error and error.fate}, not retry")
