"""What a person does about dead letters: edit (the original is kept), ask for a replay, discard. Each with who, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from dead_letter import inspecting
from kernel import audit
from kernel.errors import BadSetting
from kernel.store import Store, bulk
from kernel.store.tables import dead_letter, object_, version


class Mode(StrEnum):
    """How a letter is replayed."""

    VERBATIM = "verbatim"  # the same again: a version as it was read, a delivery as it was planned
    REMAP = "remap"  # from raw (or from the golden record), with today's mapping
    EDITED = "edited"  # the payload as a person corrected it


def edit(store: Store, letter_id: str, changes: dict[str, Any], by: str, why: str) -> dict[str, Any]:
    """Set values in a version's payload by dotted path (None removes); returns the edited payload.

    The original stays. A delivery's body is not edited by hand: correct the record or the mapping, and remap.
    """
    _require(by=by, why=why)
    letter = _open_letter(store, letter_id)
    if letter["kind"] != "version":
        raise BadSetting(
            "only a version's payload can be edited; for a delivery correct the source or the mapping and replay with --mode remap"
        )
    with store.write() as conn:
        row = conn.execute(
            select(dead_letter.c.payload, dead_letter.c.edited).where(dead_letter.c.id == letter["id"])
        ).one()
        payload = store.open(dead_letter, letter["id"], row.edited or row.payload)
        for path, value in changes.items():
            _set(payload, path.split("."), value)
        conn.execute(
            dead_letter.update()
            .where(dead_letter.c.id == letter["id"])
            .values(edited=store.seal(dead_letter, letter["id"], payload))
        )
        audit.record(conn, store, by, "edited dead letter", letter["id"], why, fields=sorted(changes))
    return dict(payload)


def request_replay(store: Store, letter_ids: Sequence[str], mode: Mode, by: str, why: str = "") -> int:
    """Mark open letters for replay; `journey.replay` carries it out. Asking twice is asking once. How many were marked."""
    _require(by=by)
    marked = 0
    now = store.clock.now()
    with store.write() as conn:
        rows = bulk.select_in(conn, dead_letter, "id", letter_ids, ["id", "edited"], "AND t.state = 'open'")
        for row in rows:
            if mode is Mode.EDITED and row.edited is None:
                raise BadSetting(f"letter {row.id} was not edited; edit it first or choose another mode")
        changes = [
            {"state": "replaying", "mode": mode, "last_at": now, "id": row.id, "was_state": "open"} for row in rows
        ]
        marked = bulk.update(conn, dead_letter, changes, ["id", "was_state"])
        for row in rows:
            audit.record(conn, store, by, "asked for replay", row.id, why, mode=mode)
    return marked


def discard(store: Store, letter_ids: Sequence[str], by: str, why: str) -> int:
    """Give up what open letters are about, with the reason on record. A discarded version ends in the state discarded."""
    _require(by=by, why=why)
    now = store.clock.now()
    with store.write() as conn:
        rows = bulk.select_in(
            conn, dead_letter, "id", letter_ids, ["id", "kind", "about", "object_id"], "AND t.state = 'open'"
        )
        closing = {"state": "discarded", "closed_by": by, "reason": why, "last_at": now}
        changed = bulk.update(
            conn, dead_letter, [{**closing, "id": row.id, "was_state": "open"} for row in rows], ["id", "was_state"]
        )
        versions = [row for row in rows if row.kind == "version"]
        bulk.update(
            conn,
            version,
            [{"state": "discarded", "trace_id": row.about, "was_state": "parked"} for row in versions],
            ["trace_id", "was_state"],
        )
        # The same content read again counts as unchanged: a person said that it is of no use.
        hashes = {
            row.trace_id: row.content_hash
            for row in bulk.select_in(
                conn, version, "trace_id", [r.about for r in versions], ["trace_id", "content_hash"]
            )
        }
        freed = [
            {"parked_hash": None, "landed_hash": hashes[r.about], "id": r.object_id, "was_parked_hash": hashes[r.about]}
            for r in versions
            if r.about in hashes
        ]
        bulk.update(conn, object_, freed, ["id", "was_parked_hash"])
        for row in rows:
            audit.record(conn, store, by, "discarded dead letter", row.id, why)
    return changed


def _open_letter(store: Store, letter_id: str) -> dict[str, Any]:
    letter = inspecting.find(store, letter_id)
    if letter["state"] != "open":
        raise BadSetting(f"letter {letter['id']} is {letter['state']}; only an open one can be changed")
    return letter


def _require(**told: str) -> None:
    for name, value in told.items():
        if not value.strip():
            raise BadSetting(f"say {name}: every step of a person is kept with who and why")


def _set(payload: Any, path: list[str], value: Any) -> None:
    for step in path[:-1]:
        payload = payload[int(step)] if isinstance(payload, list) else payload.setdefault(step, {})
    if isinstance(payload, list):
        payload[int(path[-1])] = value
    elif value is None:
        payload.pop(path[-1], None)
    else:
        payload[path[-1]] = value
