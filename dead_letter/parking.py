"""Putting letters in, and closing them when the engine learns that they no longer matter. The only writer of dead_letter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from kernel.errors import ThroughlineError
from kernel.ids import new_id
from kernel.store import Store, bulk
from kernel.store.tables import dead_letter

OPEN_STATES = ("open", "replaying")


@dataclass(slots=True)
class Letter:
    """A version or a delivery that a person must look at, with all that is needed to replay it."""

    kind: str  # version, delivery
    about: str  # trace id of the version, or id of the delivery
    trace_id: str
    connection: str
    resource: str
    stage: str
    error: ThroughlineError
    payload: Any
    object_id: str | None = None
    rule: str = ""
    revision: str = ""
    attempts: int = 1


def rows(store: Store, run_id: str, letters: Iterable[Letter]) -> list[dict[str, Any]]:
    """Sealed rows, ready for the transaction that lands or settles what they are about."""
    now = store.clock.now()
    return [_row(store, run_id, letter, new_id(), now) for letter in letters]


def park(conn: Connection, sealed: Sequence[dict[str, Any]]) -> None:
    """Insert letters. An open letter about the same version or delivery is replaced: there is one at a time."""
    if not sealed:
        return
    _close(conn, "about", [row["about"] for row in sealed], "superseded", "failed again", sealed[0]["last_at"])
    bulk.insert(conn, dead_letter, sealed)


def close_objects(conn: Connection, object_ids: Sequence[str], state: str, reason: str, now: int) -> int:
    """Another version of these objects ended in a state: their letters are closed. How many were open."""
    return _close(conn, "object_id", object_ids, state, reason, now)


def resolve(conn: Connection, about: Sequence[str], now: int) -> int:
    """What these letters are about went through. How many were open."""
    return _close(conn, "about", about, "resolved", "went through", now)


def close_about(conn: Connection, about: Sequence[str], state: str, reason: str, now: int) -> int:
    """End letters by the version or delivery they are about. How many were open."""
    return _close(conn, "about", about, state, reason, now)


def close(conn: Connection, ids: Sequence[str], state: str, reason: str, now: int) -> int:
    """End letters by their ids, with the reason. How many were open."""
    return _close(conn, "id", ids, state, reason, now)


def _close(conn: Connection, column: str, keys: Sequence[str], state: str, reason: str, now: int) -> int:
    found = bulk.select_in(conn, dead_letter, column, keys, ["id", "state"], "AND t.state IN ('open','replaying')")
    changes = [
        {
            "state": state,
            "reason": reason,
            "closed_by": "throughline",
            "last_at": now,
            "id": row.id,
            "was_state": row.state,
        }
        for row in found
    ]
    return bulk.update(conn, dead_letter, changes, ["id", "was_state"])


def _row(store: Store, run_id: str, letter: Letter, letter_id: str, now: int) -> dict[str, Any]:
    error = letter.error
    return {
        "id": letter_id,
        "kind": letter.kind,
        "about": letter.about,
        "trace_id": letter.trace_id,
        "object_id": letter.object_id,
        "connection": letter.connection,
        "resource": letter.resource,
        "stage": letter.stage,
        "cause": error.cause,
        "field": error.field or None,
        "rule": letter.rule or None,
        "fate": error.fate,
        "message": error.message,
        "revision": letter.revision or None,
        "attempts": letter.attempts,
        "state": "open",
        "mode": None,
        "first_at": now,
        "last_at": now,
        "run_id": run_id,
        "closed_by": None,
        "reason": None,
        "payload": store.seal(dead_letter, letter_id, letter.payload),
        "edited": None,
    }
