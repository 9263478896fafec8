"""Planning: dirty golden records are rendered for each route and compared, field by field, with what the target holds.

Only what differs becomes a delivery. A reference whose other end has no vendor id yet makes the delivery WAIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from dead_letter import parking
from journey.context import Context
from journey.outbound import refused
from journey.outbound.comparing import Change, Comparison
from journey.outbound.gates import Gates, Weight
from journey.outbound.scene import Scene, referring
from journey.syncs import Sync
from kernel.leases import hold
from kernel.ledger import claims, plans
from kernel.store import Raced, again_on_race, bulk
from kernel.store.tables import binding, delivery, dirty, target_state

BATCH = 1000


@dataclass(slots=True)
class Planned:
    """What one planning did, or, in a dry run, would do."""

    planned: int = 0
    superseded: int = 0
    changes: list[Change] = field(default_factory=list)


def plan_sync(ctx: Context, sync: Sync) -> Planned:
    """Plan every record that is dirty for this sync, entity by entity in the order of its routes: parents first."""
    done = Planned()
    with hold(ctx.store, f"plan:{sync.name}") as lease:
        gates = Gates(ctx, sync)
        for entity in dict.fromkeys(route.entity for route in sync.routes):
            while marks := _marks(ctx, sync, entity, BATCH):
                lease.renew()
                planned, superseded = again_on_race(
                    ctx.store.clock, f"sync {sync.name}", partial(_plan_batch, ctx, sync, marks, gates)
                )
                done.planned += planned
                done.superseded += superseded
        gates.close()
    return done


def preview(ctx: Context, sync: Sync, limit: int) -> list[Change]:
    """What `plan_sync` would write now; nothing is kept."""
    changes: list[Change] = []
    for entity in dict.fromkeys(route.entity for route in sync.routes):
        marks = _marks(ctx, sync, entity, limit)
        with ctx.store.read() as conn:
            scene = Scene(ctx, conn, [mark.golden_id for mark in marks])
        for route in sync.routes:
            if route.entity == entity:
                changes += Comparison(ctx, scene, route, marks).changes()
    return changes


def _marks(ctx: Context, sync: Sync, entity: str, limit: int) -> list[Any]:
    query = (
        select(dirty)
        .where(dirty.c.sync == sync.name, dirty.c.entity == entity)
        .order_by(dirty.c.token, dirty.c.golden_id)
        .limit(limit)
    )
    with ctx.store.read() as conn:
        return bulk.plain(conn.execute(query))


def _plan_batch(ctx: Context, sync: Sync, marks: Sequence[Any], gates: Gates) -> tuple[int, int]:
    with ctx.store.read() as conn:
        scene = Scene(ctx, conn, [mark.golden_id for mark in marks])
        planners = [Comparison(ctx, scene, route, marks) for route in sync.routes if route.entity == marks[0].entity]
        for planner in planners:
            planner.plan()
        seated = [row["golden_id"] for planner in planners for row in planner.new_bindings]
        children = referring(ctx, conn, seated)
        too_often = [gates.too_often(conn, planner.route, planner.changed) for planner in planners]
    letters = parking.rows(ctx.store, ctx.run_id, [each for planner in planners for each in planner.letters()])

    def work(conn: Connection) -> tuple[int, int]:
        gates.begin()
        planned = superseded = 0
        if claims.pending(conn, scene.ids) != scene.pending:
            raise Raced("another worker moved what was on its way to one of these records", cause="raced")
        for planner, often in zip(planners, too_often, strict=True):
            plans.add_bindings(conn, planner.new_bindings)
            bulk.upsert(conn, target_state, planner.new_states)
            bulk.update(conn, binding, planner.reseated, ["id"])
            route = planner.route
            superseded += plans.supersede(conn, ctx.run_id, planner.obsolete)
            new, old = plans.add_plans(
                conn, ctx.store, ctx.run_id, sync.name, route.connection, route.resource, planner.plans
            )
            superseded += old
            planned += new
            made = len(planner.new_bindings)
            gates.weigh(conn, route, Weight(made, planner.removed, len(planner.changed), new, old), often)
            refused.overtaken(conn, planner.plans, ctx.store.clock.now())
        written = {row.id for row in bulk.select_in(conn, delivery, "id", [each["about"] for each in letters], ["id"])}
        parking.park(conn, [each for each in letters if each["about"] in written])
        bulk.delete(conn, dirty, [{"golden_id": m.golden_id, "sync": m.sync, "token": m.token} for m in marks])
        bulk.upsert(conn, dirty, children)
        return planned, superseded

    done = ctx.store.transact(work, "plan")
    gates.commit()
    return done
