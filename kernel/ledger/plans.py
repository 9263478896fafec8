"""Writing plans: bindings, and at most one next delivery for each; a newer plan supersedes one that was not sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import Connection

from kernel.errors import ThroughlineError
from kernel.ids import beside, content_hash, derived_id, new_id
from kernel.ledger.states import NEXT, State
from kernel.store import Raced, Store, bulk
from kernel.store.columns import among
from kernel.store.tables import binding, delivery, golden


@dataclass(slots=True)
class Plan:
    """One write to be: what it changes at its binding, and why."""

    binding_id: str
    golden_id: str
    golden_version: int
    action: str
    trace_id: str
    mapping: str
    fields: dict[str, Any]
    refs: dict[str, str] = field(default_factory=dict)  # reference name -> golden id
    origins: dict[str, str] = field(default_factory=dict)  # vendor field -> member whose value it is
    before: dict[str, Any] | None = None
    basis: int = 0  # instant of the target state it was compared with: part of its identity
    wait_on: str | None = None
    doubted: bool = False  # an earlier send was given up unanswered: look what is there before this one is sent
    first: bool = False  # its binding is made with it: the ledger holds nothing of it yet
    parent: str | None = None
    retry: bool = False  # a person asked for it: a dead delivery that is the same write is made again
    error: ThroughlineError | None = None  # it cannot be rendered for this target: dead from the start
    id: str = field(default_factory=new_id)
    told: orjson.Fragment = field(init=False)  # the fields as JSON, made once: the key's and the body's part

    def __post_init__(self) -> None:
        """`fields` are final."""
        self.told = orjson.Fragment(orjson.dumps(self.fields, option=orjson.OPT_SORT_KEYS))


def new_binding(golden_id: str, anchor: str, connection: str, resource: str, now: int) -> dict[str, Any]:
    """A primary seat for a golden record in a target. Its ext_key is fixed here, for good, and the same for the same seat."""
    key = beside(anchor, "binding", connection, resource)
    return {
        "id": key,
        "golden_id": golden_id,
        "anchor": anchor,
        "connection": connection,
        "resource": resource,
        "slot": "primary",
        "ext_key": key,
        "vendor_id": None,
        "object_id": None,
        "created_at": now,
        "hold_until": None,
    }


def add_bindings(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert new bindings; Raced where another worker made one for the same seat."""
    if rows and bulk.insert_new(conn, binding, rows) != len(rows):
        raise Raced("another worker bound one of these records", cause="raced")


def op_key(plan: Plan) -> str:
    """Derived, so that planning again from the same facts is the same write: it is never made twice."""
    facts = [plan.binding_id, str(plan.action), plan.golden_version, plan.mapping, plan.basis, plan.told, plan.refs]
    return content_hash(facts)


def add_plans(
    conn: Connection, store: Store, run_id: str, sync: str, connection: str, resource: str, plans: Sequence[Plan]
) -> tuple[int, int]:
    """Write deliveries; (planned, superseded). A plan that already exists is not written again, unless it was superseded.

    One that a person asks for again, and that died, lives again: same key, same body.
    """
    if not plans:
        return 0, 0
    now = store.clock.now()
    bindings = [plan.binding_id for plan in plans if not plan.first]
    rows = bulk.select_in(conn, delivery, "binding_id", bindings, ["op_key", "id", "state"])
    fresh, known = _fresh({row.op_key: row for row in rows}, plans)
    again = [row_id for row_id, plan in known.items() if plan.retry and plan.error is None]
    revived = reopen(conn, run_id, again, now)
    superseded = supersede(conn, run_id, [plan.binding_id for plan in fresh.values()]) if rows else 0
    new = [_row(store, run_id, sync, connection, resource, key, plan, now) for key, plan in fresh.items()]
    if new and bulk.insert_new(conn, delivery, new) != len(new):
        raise Raced("another worker planned one of these records", cause="raced")
    return len(new) + len(revived), superseded


def _fresh(known: Mapping[str, Any], plans: Sequence[Plan]) -> tuple[dict[str, Plan], dict[str, Plan]]:
    """The plans that do not exist yet, by key, and those that do, by id. `known`: deliveries of their bindings by key.

    One that was superseded and is wanted after all is planned again under a next key.
    """
    fresh: dict[str, Plan] = {}
    there: dict[str, Plan] = {}
    for plan in plans:
        key = op_key(plan)
        while (row := known.get(key)) is not None and row.state == State.SUPERSEDED:
            key = derived_id("again", key, row.id)
        if row is None:
            fresh[key] = plan
        else:
            there[row.id] = plan
    return fresh, there


def supersede(conn: Connection, run_id: str, binding_ids: Sequence[str]) -> int:
    """End the unsent plans of these bindings."""
    if not binding_ids:
        return 0
    old = bulk.select_in(conn, delivery, "binding_id", binding_ids, ["id", "state"], f"AND ({among(*NEXT, table='t')})")
    rows = [
        {"state": State.SUPERSEDED, "cause": "newer_plan", "settled_run": run_id, "id": row.id, "was_state": row.state}
        for row in old
    ]
    ended = bulk.update(conn, delivery, rows, ["id", "was_state"])
    if ended != len(rows):
        raise Raced("a plan was claimed while it was being superseded", cause="raced")
    return ended


def reopen(conn: Connection, run_id: str, delivery_ids: Sequence[str], now: int) -> set[str]:
    """DEAD deliveries are taken up again, same key, same body. Which were: none that anything newer has overtaken.

    Overtaken by a newer plan of the binding, or by a newer version of the record that needed none.
    """
    wanted = ["id", "binding_id", "golden_id", "golden_version", "cause", "not_before"]
    dead = bulk.select_in(conn, delivery, "id", delivery_ids, wanted, "AND t.state = 'DEAD'")
    bindings, goldens = [row.binding_id for row in dead], [row.golden_id for row in dead]
    planned = bulk.select_in(conn, delivery, "binding_id", bindings, ["id", "binding_id", "golden_version"])
    newest = {row.binding_id: row.id for row in sorted(planned, key=lambda row: (row.golden_version, row.id))}
    current = {row.id: row.version for row in bulk.select_in(conn, golden, "id", goldens, ["id", "version"])}
    again = [
        row
        for row in dead
        if newest[row.binding_id] == row.id and current.get(row.golden_id, row.golden_version) == row.golden_version
    ]
    changes = [
        {
            # Never answered: it may be there. UNKNOWN is sent again where that is harmless, else looked for first.
            "state": State.UNKNOWN if row.cause == "unknown_outcome" else State.PLANNED,
            "attempts": 0,
            "run_id": run_id,
            "settled_run": None,
            "not_before": max(now, row.not_before),
            "id": row.id,
            "was_state": State.DEAD,
        }
        for row in again
    ]
    bulk.update(conn, delivery, changes, ["id", "was_state"])
    return {row.id for row in again}


def _first_state(plan: Plan) -> State:
    if plan.error:
        return State.DEAD
    if plan.doubted:
        return State.UNKNOWN
    return State.WAITING if plan.wait_on else State.PLANNED


def _row(
    store: Store, run_id: str, sync: str, connection: str, resource: str, key: str, plan: Plan, now: int
) -> dict[str, Any]:
    delivery_id, error = plan.id, plan.error
    body = {"fields": plan.told, "refs": plan.refs, "of": plan.origins}
    return {
        "id": delivery_id,
        "op_key": key,
        "binding_id": plan.binding_id,
        "golden_id": plan.golden_id,
        "golden_version": plan.golden_version,
        "connection": connection,
        "resource": resource,
        "sync": sync,
        "action": plan.action,
        "state": _first_state(plan),
        "trace_id": plan.trace_id,
        "run_id": run_id,
        "settled_run": run_id if error else None,
        "cause": error.cause if error else None,
        "error": error.message if error else None,
        "mapping": plan.mapping,
        "generation": 0,
        "attempts": 0,
        "fence": 0,
        "not_before": now,
        "wait_on": None if plan.doubted else plan.wait_on,
        "planned_at": now,
        "parent": plan.parent,
        "body": store.seal(delivery, delivery_id, body),
        "before": None if plan.before is None else store.seal(delivery, delivery_id, plan.before),
    }
