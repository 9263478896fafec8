"""A plan that came true while a lost answer was being found out: what it would write is what the target holds by now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from journey import echo
from journey.outbound.sending import Sent
from journey.outbound.shard import Shard
from kernel.ledger.states import State
from kernel.records import Action
from kernel.store import bulk
from kernel.store.tables import delivery, target_state


def settle_redundant(shard: Shard, sent: Sequence[Sent]) -> None:
    """End, as no-op, the next plans of bindings whose doubtful send is settled now, where they would change nothing."""
    ids = [each.claimed.binding_id for each in sent if each.claimed.doubtful and each.error is None]
    if not ids:
        return
    store = shard.ctx.store

    def work(conn: Connection) -> None:
        columns = ["id", "binding_id", "action", "body"]
        plans = bulk.select_in(conn, delivery, "binding_id", ids, columns, f"AND t.state = '{State.PLANNED}'")
        rows = bulk.select_in(conn, target_state, "binding_id", [plan.binding_id for plan in plans], _STATE)
        held = {row.binding_id: store.open(target_state, row.binding_id, row.fields) for row in rows if row.present}
        ended = {"state": State.NO_OP, "cause": "held_already", "settled_run": shard.ctx.run_id}
        changes = [
            {**ended, "id": plan.id, "was_state": State.PLANNED}
            for plan in plans
            if plan.action in (Action.UPSERT, Action.ASSOCIATE)
            and _holds(store.open(delivery, plan.id, plan.body), held.get(plan.binding_id))
        ]
        bulk.update(conn, delivery, changes, ["id", "was_state"])

    store.transact(work, "redundant")


_STATE = ["binding_id", "present", "fields"]


def _holds(body: dict[str, Any], held: echo.Fields | None) -> bool:
    wanted = {**body["fields"], **{f"→{name}": end for name, end in body["refs"].items()}}
    return held is not None and all(
        echo.knows(held, name) and echo.base(held, name) == value for name, value in wanted.items()
    )
