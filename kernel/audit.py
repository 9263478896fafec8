"""The audit log: what people did, by whom, when and why. Holds ids and names, never a record's values. The only writer of `audit`."""

from __future__ import annotations

import orjson
from sqlalchemy import Connection

from kernel.ids import new_id
from kernel.store import Store
from kernel.store.tables import audit


def record(conn: Connection, store: Store, by: str, action: str, about: str, why: str, **facts: object) -> None:
    """One step of one person, in the transaction of what it did."""
    conn.execute(
        audit.insert().values(
            id=new_id(),
            at=store.clock.now(),
            by=by,
            action=action,
            about=about,
            why=why,
            facts=orjson.dumps(facts).decode(),
        )
    )
