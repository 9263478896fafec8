"""Writing what is good: create, update, clear, link, delete; and that the same write again changes nothing."""

from __future__ import annotations

from dataclasses import replace

from connectors.base import Connector, WriteClass
from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground, filled
from kernel.ids import content_hash
from kernel.records import Action, WriteItem, WriteOutcome


@check("write.create", per="writable")
def create(g: Ground, resource: str) -> None:
    """A new object carries our key and the values; its outcome names it and shows it as the vendor holds it."""
    connector = g.ready()
    item = g.item(resource)
    outcome = g.write(connector, resource, [item])[0]
    expect(outcome.error is None, f"a good object is refused: {outcome.error}")
    same(g.ours(resource, item.ext_key), [outcome.vendor_id], "the objects with our key")
    expect(outcome.created is not False, "a new object is told as not created")
    if outcome.record is not None:
        same(outcome.record.id, outcome.vendor_id, "the id of the outcome's record")
        for name in item.fields:
            told = g.practice.value(resource, outcome.record.raw, name)
            expect(
                told in (None, g.held(resource, outcome.record.id, name)), f"the outcome's record shows another {name}"
            )
    found = g.find(connector, resource, item.ext_key)
    expect(found in (None, [outcome.vendor_id]), f"`find` finds {found} by our key")
    expect(not g.find(connector, resource, "no-such-key"), "`find` finds a key that nobody has")


@check("write.update", per="writable")
def update(g: Ground, resource: str) -> None:
    """An update by id, and by our key where that is all we know, changes the named fields and no others."""
    connector, facts = g.ready(), g.written(resource)
    item, id = g.create(connector, resource)
    rest = [name for name in facts.fields if name not in facts.change]
    before = {name: g.held(resource, id, name) for name in rest}
    sent = {**item.fields, **facts.change} if g.spec(resource).whole else facts.change
    changed = g.item(resource, sent, key=item.ext_key, vendor_id=id)
    outcome = g.write(connector, resource, [changed])[0]
    same(outcome.vendor_id, id, f"the object an update went to ({outcome.error})")
    expect(outcome.created is not True, "an update is told as a creation")
    for name in facts.change:
        expect(g.held(resource, id, name) not in (None, filled(facts.fields, 1).get(name)), f"{name} was not changed")
    same({name: g.held(resource, id, name) for name in rest}, before, "the fields an update does not name")
    if g.spec(resource).write_class is WriteClass.UPSERT:
        g.write(connector, resource, [replace(item, idempotency_key="another")])
        same(g.ours(resource, item.ext_key), [id], "the objects with our key after an upsert by it")


@check("write.unchanged", per="writable")
def unchanged(g: Ground, resource: str) -> None:
    """What is there already is applied again without a change and without a second object."""
    connector = g.ready()
    item, id = g.create(connector, resource)
    before = g.snapshot(resource)
    outcome = g.write(connector, resource, [replace(item, vendor_id=id, idempotency_key="once-more")])[0]
    same(outcome.vendor_id, id, f"the object a repeated write went to ({outcome.error})")
    same(g.snapshot(resource), before, "all objects after a repeated write")


@check("write.empty_values", per="writable")
def empty_values(g: Ground, resource: str) -> None:
    """Absent leaves a field alone, null clears it, an empty text is never written as a word for nothing."""
    connector, facts = g.ready(), g.written(resource)
    only_where(facts.clear, "no field may be emptied")
    item, id = g.create(connector, resource)
    full = g.held(resource, id, facts.clear)
    expect(full not in (None, ""), f"{facts.clear} was not written")
    g.write(connector, resource, [g.item(resource, facts.change, key=item.ext_key, vendor_id=id)])
    if facts.clear not in facts.change:
        same(g.held(resource, id, facts.clear), full, f"{facts.clear} when it is absent")
    for empty in (None, ""):
        g.write(connector, resource, [replace(item, vendor_id=id, idempotency_key=f"full-{empty!r}")])
        action = Action.CLEAR if empty is None and Action.CLEAR in g.spec(resource).actions else Action.UPSERT
        clearing = g.item(resource, {facts.clear: empty}, key=item.ext_key, vendor_id=id, action=action)
        outcome = g.write(connector, resource, [clearing])[0]
        expect(empty == "" or outcome.error is None, f"{facts.clear} cannot be cleared: {outcome.error}")
        held = g.held(resource, id, facts.clear)
        expect(
            held in (None, "", []) or (outcome.error and held == full), f"{facts.clear} holds {held!r} after {empty!r}"
        )


@check("write.class", per="writable")
def write_class(g: Ground, resource: str) -> None:
    """The declared class is the truth about what happens when the same write comes twice."""
    connector, declared = g.ready(), g.spec(resource)
    item, id = g.create(connector, resource)
    if declared.write_class is WriteClass.SEARCH_FIRST:
        g.clock.sleep(declared.settle.total_seconds() + 1)
    again = g.write(connector, resource, [item])[0]
    match declared.write_class:
        case WriteClass.UPSERT:
            other = g.write(connector, resource, [replace(item, idempotency_key="of-another-attempt")])[0]
            same([again.vendor_id, other.vendor_id], [id, id], "class A: the object of a second and third send")
        case WriteClass.IDEMPOTENCY_KEY:
            expect(declared.key_window is not None, "class B: it is not declared how long a key is remembered")
            same(again.vendor_id, id, "class B: the object of a second send with the same key")
            body = {**item.fields, **filled(g.written(resource).change, 9)}
            outcome = g.write(connector, resource, [replace(item, fields=body)])[0]
            expect(outcome.error is not None, "class B: a key is taken again with another body")
        case WriteClass.CONFLICT:
            same(again.vendor_id, id, "class C: the object a conflict names")
        case WriteClass.SEARCH_FIRST:
            same(again.vendor_id, id, "class D: the object of a second send, once the settle time is over")
        case WriteClass.APPEND_ONLY:
            g.clock.sleep(declared.settle.total_seconds() + 1)
            expect(again.vendor_id is not None, f"sent again it is not applied: {again.error}")
            expect(g.find(connector, resource, item.ext_key) != [], "what was written is not found")
            return
    same(g.ours(resource, item.ext_key), [id], "the objects with our key after repeated sends")


@check("write.replay", per="writable")
def replay(g: Ground, resource: str) -> None:
    """Any write replayed in any state converges: after two sends all is as after one."""
    connector, facts = g.ready(), g.written(resource)
    item, id = g.create(connector, resource)
    steps = [item, g.item(resource, facts.change, key=item.ext_key, vendor_id=id)]
    steps += [
        g.item(resource, {}, key=item.ext_key, vendor_id=id, action=action)
        for action in (Action.ARCHIVE, Action.DELETE)
        if action in g.spec(resource).actions
    ]
    for step in steps:
        first = g.write(connector, resource, [step])[0]
        expect(first.error is None, f"{step.action} is refused: {first.error}")
        once = g.snapshot(resource)
        second = g.write(connector, resource, [step])[0]
        same(second.vendor_id, first.vendor_id, f"the object a replayed {step.action} went to ({second.error})")
        same(g.snapshot(resource), once, f"all objects after a replayed {step.action}")


@check("write.delete", per="writable")
def delete(g: Ground, resource: str) -> None:
    """A delete takes the object away, by id or by our key; what is gone already counts as deleted."""
    only_where(Action.DELETE in g.spec(resource).actions, "it cannot be deleted")
    connector = g.ready()
    item, id = g.create(connector, resource)
    _, kept = g.create(connector, resource)
    for _ in range(2):
        gone = g.item(resource, {}, key=item.ext_key, vendor_id=id, action=Action.DELETE)
        outcome = g.write(connector, resource, [gone])[0]
        same(outcome.vendor_id, id, f"the outcome of a delete ({outcome.error})")
        expect(g.practice.get(resource, id) is None, "a deleted object is still there")
    expect(g.practice.get(resource, kept) is not None, "a delete took another object along")
    expect(not g.find(connector, resource, item.ext_key), "`find` finds what was deleted")
    only_where(g.find(connector, resource, "x") is not None, "nobody can say what is there")
    nobody = g.write(connector, resource, [g.item(resource, {}, key="nobodys-key", action=Action.DELETE)])[0]
    expect(
        nobody.error is not None and nobody.error.cause == "not_found", "a delete of what never was must say not_found"
    )


@check("write.archive", per="writable")
def archive(g: Ground, resource: str) -> None:
    """An archived object is archived as its vendor means it."""
    only_where(Action.ARCHIVE in g.spec(resource).actions, "it cannot be archived")
    connector = g.ready()
    item, id = g.create(connector, resource)
    outcome = g.write(
        connector, resource, [g.item(resource, {}, key=item.ext_key, vendor_id=id, action=Action.ARCHIVE)]
    )[0]
    same(outcome.vendor_id, id, f"the outcome of an archiving ({outcome.error})")
    expect(g.practice.archived(resource, g.practice.get(resource, id)), "the object is not archived")


@check("write.parent", per="writable")
def parent(g: Ground, resource: str) -> None:
    """A parent that is not there is told and never left out; once it is there the same write links to it."""
    connector = g.ready()
    reference, other = g.written(resource).parent
    only_where(reference, "it refers to nothing that is practised")
    gone, there = g.make(other, 2)
    expect(g.remove(other, gone), f"nobody can delete a {other}")
    item = g.item(resource, refs={reference: (other, gone)})
    outcome = g.write(connector, resource, [item])[0]
    expect(outcome.error is not None, "a parent that is not there is passed over in silence")
    now = replace(item, refs={reference: (other, there)}, idempotency_key=content_hash([item.ext_key, there]))
    outcome = g.write(connector, resource, [now])[0]
    expect(outcome.error is None, f"with its parent there the write is refused: {outcome.error}")
    same(g.practice.linked(resource, str(outcome.vendor_id), reference), there, "the parent it is linked to")
    same(len(g.ours(resource, item.ext_key)), 1, "the number of objects with our key")


@check("write.associate", per="writable")
def associate(g: Ground, resource: str) -> None:
    """A link is made and taken away, each time as often as it is asked for."""
    reference, other = g.written(resource).parent
    only_where(Action.ASSOCIATE in g.spec(resource).actions and reference, "no links of its own")
    connector = g.ready()
    item, id = g.create(connector, resource)
    end = g.make(other)[0]
    for action, wanted in ((Action.ASSOCIATE, end), (Action.DISSOCIATE, None)):
        for _ in range(2):
            link = g.item(resource, {}, key=item.ext_key, vendor_id=id, action=action, refs={reference: (other, end)})
            outcome = g.write(connector, resource, [link])[0]
            same(outcome.vendor_id, id, f"the outcome of {action} ({outcome.error})")
            same(g.practice.linked(resource, id, reference), wanted, f"the link after {action}")


@check("write.batch", per="writable")
def batch(g: Ground, resource: str) -> None:
    """A full batch in one go: outcomes complete and in order, for no more requests than it is worth."""
    connector, size = g.ready(), g.spec(resource).batch_size
    old = [g.create(connector, resource) for _ in range(min(2, size - 1))]
    items: list[WriteItem] = [g.item(resource) for _ in range(size - len(old))]
    for item, id in old:
        items.insert(len(items) // 2, replace(item, vendor_id=id, fields=filled(g.written(resource).change, 1)))
    g.warm(connector, resource)
    g.forget()
    outcomes = g.write(connector, resource, items)
    cost = len(g.calls())
    for place, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        expect(outcome.error is None, f"item {place} of a full batch: {outcome.error}")
        same(g.ours(resource, item.ext_key), [outcome.vendor_id], f"the object of item {place}")
    most = g.written(resource).calls
    expect(cost <= most, f"{size} items cost {cost} requests, {most} are allowed")


def outcomes_of(g: Ground, connector: Connector, resource: str, items: list[WriteItem]) -> list[WriteOutcome]:
    """The outcomes of a batch, each checked against what the vendor holds."""
    outcomes = g.write(connector, resource, items)
    for place, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if outcome.vendor_id is not None:
            same(g.ours(resource, item.ext_key), [outcome.vendor_id], f"the object of item {place}, told as applied")
    return outcomes
