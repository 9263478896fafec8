"""Taking up what is due for one target, committed before the first byte leaves."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection

from journey.outbound.shard import Shard
from kernel.ledger import claims
from kernel.ledger.claims import Claimed
from kernel.ledger.states import State
from kernel.store import bulk
from kernel.store.tables import binding, delivery

CLAIM = 1000
"""Deliveries claimed at once where sending one twice is harmless (classes A and B)."""


def claim(shard: Shard, only: ColumnElement[bool] | None = None, most: int = CLAIM) -> list[Claimed]:
    """One committed transaction: fence, lease, vendor ids of parents bound, body frozen. A child without parent waits.

    `only`: of the planned ones those that meet a condition (a constant: queries are kept by it), and at most so many.
    """
    store = shard.ctx.store
    limit = min(most, CLAIM) if shard.resends else shard.spec.batch_size
    states = shard.to_send if only is None else {State.PLANNED: only}

    def work(conn: Connection) -> list[Claimed]:
        now = store.clock.now()
        here = shard.connection, shard.resource
        rows = claims.due(conn, *here, states, now, limit, forgotten=shard.forgotten(now))
        taken = claims.take(conn, store, rows, State.INFLIGHT, now)
        return _bind(conn, shard, taken)

    return store.transact(work, "claim")


def _bind(conn: Connection, shard: Shard, taken: Sequence[Claimed]) -> list[Claimed]:
    """Resolve references to vendor ids, once: a body that was sent before is sent again as it was."""
    wanted = {(end, shard.spec.references[name]) for each in taken for name, end in each.body["refs"].items()}
    seats: dict[tuple[str, str], str | None] = {}
    condition = "AND t.slot = 'primary'"
    for row in bulk.select_in(
        conn,
        binding,
        "golden_id",
        {end for end, _ in wanted},
        ["golden_id", "connection", "resource", "vendor_id"],
        condition,
    ):
        if row.connection == shard.connection:
            seats[(row.golden_id, row.resource)] = row.vendor_id
    ready: list[Claimed] = []
    waiting, frozen = [], []
    for each in taken:
        if "bound" not in each.body:
            ends = {name: (end, shard.spec.references[name]) for name, end in each.body["refs"].items()}
            missing = next((end for end, resource in ends.values() if not seats.get((end, resource))), None)
            if missing is not None:
                waiting.append(
                    {
                        "state": State.WAITING,
                        "wait_on": missing,
                        "attempts": each.attempts - 1,
                        "id": each.id,
                        "was_fence": each.fence,
                    }
                )
                continue
            each.body["bound"] = {name: (resource, seats[(end, resource)]) for name, (end, resource) in ends.items()}
            if ends:
                frozen.append(
                    {"body": shard.ctx.store.seal(delivery, each.id, each.body), "id": each.id, "was_fence": each.fence}
                )
        ready.append(each)
    bulk.update(conn, delivery, waiting, ["id", "was_fence"])
    bulk.update(conn, delivery, frozen, ["id", "was_fence"])
    return ready
