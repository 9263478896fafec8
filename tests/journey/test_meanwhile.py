"""What happens between two steps of a worker because another one, or a person, went on: defects that seeds of the simulation found."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from connectors.base import WriteClass
from dead_letter import deciding, inspecting, parking
from dead_letter.deciding import Mode
from dead_letter.inspecting import Filter
from dead_letter.parking import Letter
from journey import pausing, runs
from journey.dirty import mark_rows
from journey.outbound import planning
from journey.outbound.delivering import deliver
from kernel.clock import SECOND
from kernel.errors import Park, Unknown
from kernel.ids import new_id
from kernel.leases import TERM, Held
from kernel.ledger import plans
from kernel.ledger.states import State
from kernel.records import WriteItem, WriteOutcome
from kernel.store import bulk
from kernel.store.tables import delivery, dirty, golden, target_state
from tests.journey.conftest import World, route
from tests.journey.memory import resource


def _written(world: World, write_class: WriteClass = WriteClass.UPSERT, applied: int = 1, **policies: Any) -> Any:
    """Ann, who is at the target, and who else is at the shop; the delivery that brought her there."""
    world.crm.resources["contacts"] = resource("contacts", write_class)
    world.routes = [route("contact", "crm.contacts", **policies)]
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee")
    assert world.run().counts.outbound.applied == applied
    return world.rows("delivery")[0]


def _change(world: World, id: str, **values: Any) -> None:
    with world.store.write() as conn:
        conn.execute(update(delivery).where(delivery.c.id == id).values(**values))


def test_a_child_whose_parent_came_while_it_was_planned_goes_on(world: World) -> None:
    _written(world)
    world.shop.put("customers", "1", last="Archer")
    world.run()
    (newest,) = [row for row in world.rows("delivery") if row.golden_version == 2]
    _change(world, newest.id, state=State.WAITING, wait_on=newest.golden_id, settled_run=None)  # its seat has an id
    assert world.run().counts.outbound.applied == 1


def test_what_was_found_by_asking_leaves_with_its_record(world: World) -> None:
    row = _written(world, on_last_member_gone="delete")
    with world.store.write() as conn:  # an answer was lost, the object was found: an id, and no state yet
        conn.execute(delete(target_state).where(target_state.c.binding_id == row.binding_id))
    world.shop.remove("customers", "1")
    world.run()
    assert world.crm.all("contacts") == []


def test_a_plan_behind_an_unanswered_send_stands_in_line(world: World) -> None:
    row = _written(world, WriteClass.IDEMPOTENCY_KEY)
    with world.store.write() as conn:
        conn.execute(delete(target_state).where(target_state.c.binding_id == row.binding_id))
        given_up = {"state": State.DEAD, "cause": "unknown_outcome"}
        conn.execute(update(delivery).where(delivery.c.id == row.id).values(given_up))
        now = world.clock.now()
        open_one = {
            **row._mapping,
            "id": new_id(),
            "op_key": "another",
            "state": State.UNKNOWN,
            "not_before": now + 10**12,
        }
        open_one |= {
            "settled_run": None,
            "body": world.store.seal(delivery, open_one["id"], {"fields": {}, "refs": {}}),
        }
        bulk.insert(conn, delivery, [open_one])
    world.shop.put("customers", "1", last="Archer")
    run = world.run()
    assert run.stopped == []
    assert world.states()["PLANNED"] == 1


def test_a_delivery_that_a_replay_takes_up_meanwhile_is_counted_once(world: World) -> None:
    row = _written(world)
    _change(world, row.id, state=State.PLANNED, settled_run=None, not_before=10**17)
    ctx, beside = world.context(), world.context()
    with runs.recorded(ctx, "sync", "test") as run, runs.recorded(beside, "replay", None):
        _change(world, row.id, state=State.DEAD, cause="refused", settled_run=ctx.run_id)
        letter = Letter("delivery", row.id, row.trace_id, "crm", "contacts", "deliver", Park("refused"), {})
        with world.store.write() as conn:
            parking.park(conn, parking.rows(world.store, ctx.run_id, [letter]))
            assert plans.reopen(conn, beside.run_id, [row.id], world.clock.now()) == {row.id}
    assert (run.counts.outbound.planned, run.counts.outbound.pending) == (1, 1)


def test_a_worker_that_was_thought_lost_and_ends_beside_its_successor_breaks_no_sums(world: World) -> None:
    world.shop.put("customers", "2", email="bob@acme.io", first="Bob", last="Ray")
    _written(world, applied=2)
    ann, bob = (row.id for row in world.rows("delivery"))
    _change(world, ann, state=State.PLANNED, settled_run=None)
    _change(world, bob, state=State.PLANNED, settled_run=None)
    slow = world.context()
    with ExitStack() as going_on:
        going_on.enter_context(runs.recorded(slow, "sync", "test"))
        _change(world, ann, state=State.SUPERSEDED, settled_run=slow.run_id)
        world.clock.at += TERM + SECOND
        with runs.recorded(world.context(), "sync", "test") as run:
            _change(world, bob, state=State.SUPERSEDED, settled_run=slow.run_id)
            going_on.close()
    assert (run.counts.outbound.planned, run.counts.outbound.superseded) == (1, 1)


def test_a_plan_is_made_again_where_another_worker_sent_what_it_undoes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _written(world)
    here = (world.store, "crm.contacts")
    pausing.pause(*here, ["test"], ["crm", "shop"], "eva", "so that it is planned and not sent")
    world.shop.put("customers", "1", last="Archer")
    world.run()
    pausing.resume(*here, "eva")
    world.shop.put("customers", "1", last="Lee")
    look, sent = planning.Scene, []

    def beside(*args: Any) -> Any:
        scene = look(*args)
        if not sent:
            other = world.context()
            with runs.recorded(other, "replay", None):
                sent.append(deliver(other, "crm", "contacts"))
        return scene

    monkeypatch.setattr(planning, "Scene", beside)
    world.run()
    assert sent
    assert [person["lastname"] for person in world.crm.all("contacts")] == ["Lee"]


def test_an_answer_that_comes_when_another_worker_took_over_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.routes = [route("contact", "crm.contacts")]
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee")
    write, met = world.crm.write, []

    def slow(resource: str, batch: Sequence[WriteItem]) -> Any:
        if met:
            return write(resource, batch)
        world.clock.at += 2 * TERM
        other = world.context()
        met.append(other)
        with runs.recorded(other, "replay", None):
            deliver(other, "crm", "contacts")
        return [WriteOutcome(error=Park("refused", cause="refused_by_target")) for _ in batch]

    monkeypatch.setattr(world.crm, "write", slow)
    with suppress(Held):
        world.run()
    assert met
    assert world.states() == {"UNKNOWN": 1}  # as the other left it: the request may have been applied
    assert world.rows("dead_letter") == []
    world.clock.at += 2 * TERM
    world.run()
    assert world.states() == {"APPLIED": 1}


@pytest.mark.parametrize("asked", [False, True])
def test_a_plan_that_is_not_written_closes_no_letter(world: World, asked: bool) -> None:
    def refuse(_resource: str, _item: WriteItem) -> Park:
        return Park("not today", cause="refused")

    world.routes = [route("contact", "crm.contacts")]
    world.crm.refuse = refuse
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee")
    world.run()
    (letter,) = inspecting.ids(world.store, Filter())
    if asked:  # and whoever was to do it was killed
        deciding.request_replay(world.store, [letter], Mode.VERBATIM, by="eva")
    ctx = world.context()
    with world.store.write() as conn:
        (row,) = conn.execute(select(golden.c.id, golden.c.entity, golden.c.trace_id)).all()
        bulk.upsert(conn, dirty, mark_rows(ctx, {row.id: (row.entity, "link", row.trace_id)}))
    planning.plan_sync(ctx, ctx.pins.syncs["test"])
    assert inspecting.show(world.store, letter, "me")["state"] == ("replaying" if asked else "open")


def test_a_newer_version_waits_until_the_first_of_two_sends_can_no_longer_land(world: World) -> None:
    """The second send was answered; the first one, unanswered, may still be on its way and would undo the newer version."""
    sent: list[tuple[str, int]] = []

    def lose_the_first(_resource: str, batch: Sequence[WriteItem]) -> None:
        sent.append((str(batch[0].fields.get("lastname")), world.clock.now()))
        if len(sent) == 1:
            raise Unknown("reset")

    world.routes = [route("contact", "crm.contacts")]
    world.crm.before_write = lose_the_first
    world.shop.put("customers", "1", email="ann@acme.io", first="Ann", last="Lee")
    world.run()
    world.shop.put("customers", "1", last="Archer")
    world.run()
    names, instants = zip(*sent, strict=True)
    assert names == ("Lee", "Lee", "Archer")
    landing = world.crm.resources["contacts"].write.max_processing  # type: ignore[union-attr]
    assert instants[2] - instants[0] >= landing.total_seconds() * SECOND
