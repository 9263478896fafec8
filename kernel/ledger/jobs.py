"""The vendor's job that carries a target's deliveries while it runs: whoever takes over asks it by its id.

At most one a target: its shard is one worker's, and nothing else is sent there before the job has told all it knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from kernel.store import bulk
from kernel.store.tables import job


@dataclass(frozen=True, slots=True)
class Kept:
    """A job that may have been sent, and not all of whose answers are settled."""

    id: str  # the vendor's
    deliveries: Sequence[str]  # in the order in which they were given to the connector


def keep(conn: Connection, connection: str, resource: str, kept: Kept, now: int) -> None:
    """Remember a job, before its first record leaves."""
    row = {"connection": connection, "resource": resource, "vendor_id": kept.id, "begun_at": now}
    bulk.insert(conn, job, [row | {"deliveries": orjson.dumps(list(kept.deliveries)).decode()}])


def kept(conn: Connection, connection: str, resource: str) -> Kept | None:
    """The job of a target, if one may be running."""
    here = job.c.connection == connection, job.c.resource == resource
    row = conn.execute(job.select().where(*here)).first()
    return None if row is None else Kept(row.vendor_id, orjson.loads(row.deliveries))


def forget(conn: Connection, connection: str, resource: str, id: str) -> None:
    """All that the job can tell is settled."""
    bulk.delete(conn, job, [{"connection": connection, "resource": resource, "vendor_id": id}])
