"""What became of claimed deliveries, written in one transaction a batch; a result whose fence is old changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from kernel.errors import Broken
from kernel.ids import object_id
from kernel.ledger.claims import Claimed, has_next
from kernel.ledger.states import FOLLOWS, UNANSWERED, State
from kernel.store import Store, bulk
from kernel.store.tables import attempt, binding, delivery, target_state


@dataclass(slots=True)
class Settled:
    """The end, or the next state, of one claimed delivery."""

    claimed: Claimed
    state: State
    outcome: str  # for the attempt log: applied, refused, retry, unknown, found, missing, …
    cause: str = ""
    error: str = ""
    status: int | None = None
    request_id: str = ""
    vendor_id: str | None = None
    object_id: str | None = None  # of that vendor id, where it is known already
    fields: dict[str, Any] | None = None  # the binding's new target state
    present: bool = True  # the object exists at the target
    not_before: int = 0
    hold_until: int | None = None
    generation: int | None = None
    left: bool = True  # a request was made; else it counts as no attempt


def settle(
    conn: Connection,
    store: Store,
    run_id: str,
    connection: str,
    resource: str,
    results: Sequence[Settled],
    was: State = State.INFLIGHT,
    asks: bool = False,
) -> list[Settled]:
    """Write results; those still ours are returned, as written. PLANNED becomes SUPERSEDED where a newer plan stands ready.

    `asks`: a lost answer is settled by asking. Then what follows one that was given up unanswered looks first, too.
    """
    now = store.clock.now()
    ready = has_next(conn, [r.claimed.binding_id for r in results if r.state is State.PLANNED])
    for result in results:
        if result.state not in FOLLOWS[was]:
            raise Broken(f"a delivery may not go from {was} to {result.state}", trace_id=result.claimed.trace_id)
        if result.state is State.PLANNED and result.claimed.binding_id in ready:
            result.state, result.cause = State.SUPERSEDED, "newer_plan"
    mine = _write_states(conn, run_id, results, was)
    if asks:
        _look_first(conn, [r.claimed.binding_id for r in mine if r.cause == UNANSWERED and r.state is State.DEAD])
    _write_attempts(conn, results, now)
    _write_bindings(conn, store, connection, resource, mine, now)
    _release_waiting(conn, connection, [r.claimed.golden_id for r in mine if r.state is State.APPLIED], now)
    return mine


def _write_states(conn: Connection, run_id: str, results: Sequence[Settled], was: State) -> list[Settled]:
    ended = (State.APPLIED, State.NO_OP, State.SUPERSEDED, State.DEAD)
    rows = [
        {
            "state": r.state,
            "cause": r.cause or None,
            "error": r.error or None,
            "not_before": r.not_before,
            "settled_run": run_id if r.state in ended else None,
            "generation": r.claimed.generation if r.generation is None else r.generation,
            "attempts": r.claimed.attempts - (not r.left),
            "id": r.claimed.id,
            "was_fence": r.claimed.fence,
            "was_state": was,
        }
        for r in results
    ]
    where = ["id", "was_fence", "was_state"]
    if bulk.update(conn, delivery, rows, where) == len(rows):
        return list(results)
    # Somebody took over after our lease ran out: only the rows that still carry our fence are ours to speak for.
    found = bulk.select_in(conn, delivery, "id", [r.claimed.id for r in results], ["id", "fence", "state"])
    current = {row.id: (row.fence, row.state) for row in found}
    return [r for r in results if current.get(r.claimed.id) == (r.claimed.fence, r.state)]


def _look_first(conn: Connection, binding_ids: Sequence[str]) -> None:
    """The next plans of these bindings: sent blindly, they could create what the one given up has created."""
    next_ones = bulk.select_in(
        conn, delivery, "binding_id", binding_ids, ["id", "state"], "AND t.state IN ('PLANNED','WAITING')"
    )
    changes = [{"state": State.UNKNOWN, "wait_on": None, "id": row.id, "was_state": row.state} for row in next_ones]
    bulk.update(conn, delivery, changes, ["id", "was_state"])


def _write_attempts(conn: Connection, results: Sequence[Settled], now: int) -> None:
    bulk.insert_new(
        conn,
        attempt,
        [
            {
                "delivery_id": r.claimed.id,
                "n": r.claimed.attempts,
                "fence": r.claimed.fence,
                "sent_at": r.claimed.sent_at,
                "settled_at": now,
                "outcome": r.outcome,
                "status": r.status,
                "request_id": r.request_id or None,
                "error": r.error or None,
            }
            for r in results
            if r.left
        ],
    )


def _write_bindings(
    conn: Connection, store: Store, connection: str, resource: str, results: Sequence[Settled], now: int
) -> None:
    learned = [r for r in results if r.present and r.vendor_id is not None and r.vendor_id != r.claimed.vendor_id]
    taken_away = [r for r in results if r.state in (State.APPLIED, State.NO_OP) and not r.present]
    bulk.update(
        conn, binding, [{"vendor_id": None, "object_id": None, "id": r.claimed.binding_id} for r in taken_away], ["id"]
    )
    bulk.update(
        conn,
        binding,
        [
            {
                "vendor_id": r.vendor_id,
                "object_id": r.object_id or object_id(connection, resource, str(r.vendor_id)),
                "id": r.claimed.binding_id,
            }
            for r in learned
        ],
        ["id"],
    )
    held = [{"hold_until": r.hold_until, "id": r.claimed.binding_id} for r in results if r.hold_until]
    bulk.update(conn, binding, held, ["id"])
    states = [
        {
            "binding_id": r.claimed.binding_id,
            "updated_at": now,
            "present": int(r.present),
            "fields": store.seal(target_state, r.claimed.binding_id, r.fields),
        }
        for r in results
        if r.fields is not None
    ]
    bulk.upsert(conn, target_state, states)


def _release_waiting(conn: Connection, connection: str, golden_ids: Sequence[str], now: int) -> None:
    """Children that waited for these records' vendor ids may be claimed, unless they are held; one that misses another parent waits again."""
    columns = ["id", "connection", "state"]
    waiting = bulk.select_in(conn, delivery, "wait_on", golden_ids, columns, "AND t.state IN ('WAITING','HELD')")
    bulk.update(
        conn,
        delivery,
        [
            {
                "state": State.HELD if row.state == State.HELD else State.PLANNED,  # held: it waits for a person, too
                "wait_on": None,
                "not_before": now,
                "id": row.id,
                "was_state": row.state,
            }
            for row in waiting
            if row.connection == connection
        ],
        ["id", "was_state"],
    )
