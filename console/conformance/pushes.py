"""Large writes by the vendor's bulk road, where a connector declares one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.base import Connector, WriteClass
from console.conformance.checks import Unmet, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.errors import Fate, ThroughlineError
from kernel.records import WriteItem, WriteOutcome

_MANY = 25


@check("push.job")
def push_job(g: Ground, resource: str) -> None:
    """A large batch takes one job, by our key and by the vendor's id, and leaves what it leaves by the normal road."""
    resource, connector = _declared(g), g.ready()
    same(g.spec(resource).write_class, WriteClass.UPSERT, "the write class of a bulk road: what is lost is sent again")
    batch, ids = [g.item(resource) for _ in range(_MANY)], list[str | None]()
    for _ in ("by our key", "by id"):
        before = g.practice.pushes()
        outcomes = _push(connector, resource, batch)
        same(g.practice.pushes() - before, 1, "jobs begun")
        same([o.error for o in outcomes], [None] * _MANY, "the errors of good items")
        ids = ids or [o.vendor_id for o in outcomes]
        same([o.vendor_id for o in outcomes], ids, "the objects that were written")
        batch = [replace(item, vendor_id=id) for item, id in zip(batch, ids, strict=True)]
    by_hand, id = g.create(connector, resource, n=1, key="by-hand")
    again = _push(connector, resource, [g.item(resource, n=1, key="by-job")])[0]
    expect(again.vendor_id or again.error, "an item is neither applied nor refused")
    for name in g.written(resource).fields if again.vendor_id else ():
        same(
            g.held(resource, str(again.vendor_id), name),
            g.held(resource, id, name),
            f"{name}, by a job and by {by_hand.ext_key}",
        )


@check("push.item")
def push_item(g: Ground, resource: str) -> None:
    """One refused item of a job is parked as it would be alone; a null empties its field, what is not told stays."""
    resource, connector = _declared(g), g.ready()
    written = g.written(resource)
    item, id = g.create(connector, resource)
    alone = g.write(connector, resource, [g.item(resource, {**item.fields, **written.refused}, key="alone")])[0].error
    batch = [g.item(resource) for _ in range(3)]
    batch[1] = g.item(resource, {**batch[1].fields, **written.refused})
    error = _push(connector, resource, batch)[1].error
    expect(error is not None and alone is not None, "a refused value was not refused")
    told = [(each.fate, each.cause, each.field) for each in (error, alone) if each is not None]
    same(told[0], told[1], "fate, cause and field of a refused item, by a job and alone")
    kept = {name: g.held(resource, id, name) for name in item.fields if name != written.clear}
    _push(connector, resource, [g.item(resource, {written.clear: None}, key=item.ext_key, vendor_id=id)])
    expect(not g.held(resource, id, written.clear), f"null did not empty {written.clear}")
    same({name: g.held(resource, id, name) for name in kept}, kept, "the fields that were not told")


@check("push.resumable")
def push_resumable(g: Ground, resource: str) -> None:
    """Killed at each of its steps, a push goes on with its job by the id: nothing twice, nothing by another job."""
    resource, connector = _declared(g), g.ready()
    for killed_at in range(2, 20):
        batch, before = [g.item(resource) for _ in range(_MANY)], g.practice.pushes()
        steps, job, ended = connector.write_job(resource, batch), "", True
        for _ in range(killed_at):
            step = next(steps, None)
            job, ended = (job, True) if step is None else (step.job, False)
        outcomes = _push(g.open(), resource, batch, job)
        same(g.practice.pushes() - before, 1, "jobs begun")
        same([o.error for o in outcomes], [None] * _MANY, "the errors of good items, told again")
        for item, outcome in zip(batch, outcomes, strict=True):
            same(g.ours(resource, item.ext_key), [outcome.vendor_id], "the object of an item of a resumed job")
        if ended:
            return
    raise Unmet("a push has no end")


@check("push.unsent")
def push_unsent(g: Ground, resource: str) -> None:
    """A job that was told and never sent never will be: whoever resumes it hears that nothing was applied."""
    resource, connector = _declared(g), g.ready()
    batch = [g.item(resource) for _ in range(3)]
    steps = connector.write_job(resource, batch)
    first = next(steps)
    expect(first.job and not first.outcomes, "the first step does not tell the job alone")
    outcomes = _push(g.open(), resource, batch, first.job)
    same({o.error.fate if o.error else None for o in outcomes}, {Fate.RETRY}, "the fates of items that never left")
    g.clock.sleep(600)
    same([g.ours(resource, item.ext_key) for item in batch], [[]] * 3, "the objects of items that never left")


@check("push.lost")
def push_lost(g: Ground, resource: str) -> None:
    """Where the vendor has forgotten the job, what became of its items is unknown, and nothing else is said."""
    resource, connector = _declared(g), g.ready()
    batch = [g.item(resource) for _ in range(3)]
    steps = connector.write_job(resource, batch)
    job = [next(steps), next(steps)][-1].job
    g.practice.lose_jobs()
    for after in (steps, g.open().write_job(resource, batch, job)):
        try:
            told = [each for step in after for each in step.outcomes]
        except ThroughlineError as error:
            same(error.fate, Fate.UNKNOWN, "the fate of a push whose job is lost")
        else:
            raise Unmet(f"{len(told)} items of a lost job are told of")


def _declared(g: Ground) -> str:
    resource = g.practice.main
    spec = g.resources[resource].write
    only_where(spec and spec.bulk, "no bulk road declared")
    return resource


def _push(connector: Connector, resource: str, batch: Sequence[WriteItem], job: str = "") -> list[WriteOutcome]:
    """What a job tells of each item, each told once."""
    known: dict[int, WriteOutcome] = {}
    jobs = set[str]()
    for step in connector.write_job(resource, batch, job):
        jobs.add(step.job)
        for place, outcome in step.outcomes:
            expect(place not in known, f"item {place} of a job is told twice")
            known[place] = outcome
    same(len(jobs), 1, "the jobs that a push names")
    same(set(known), set(range(len(batch))), "the items of a job that are told of")
    return [known[place] for place in range(len(batch))]
