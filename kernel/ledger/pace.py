"""How many writes to a target were planned lately, in steps of five minutes: a loop is noticed before it has cost much."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from kernel.clock import SECOND
from kernel.store import bulk
from kernel.store.tables import pace

HOUR = 3600 * SECOND
_STEP = 300 * SECOND


def add(conn: Connection, connection: str, resource: str, writes: int, now: int) -> None:
    """Count writes planned now (µs); what is older than two hours is forgotten."""
    if writes <= 0:
        return
    at = now // _STEP * _STEP
    row = {"connection": connection, "resource": resource, "at": at, "writes": 0}
    if bulk.insert_new(conn, pace, [row]):
        ours = (pace.c.connection == connection, pace.c.resource == resource)
        conn.execute(pace.delete().where(*ours, pace.c.at < now - 2 * HOUR))
    more = {"writes": writes, "connection": connection, "resource": resource, "at": at}
    bulk.add(conn, pace, [more], ["connection", "resource", "at"])


def recent(conn: Connection, connection: str, resource: str, now: int) -> int:
    """The writes of the last hour; those of the five minutes in which it began count in full."""
    ours = (pace.c.connection == connection, pace.c.resource == resource, pace.c.at > now - HOUR - _STEP)
    return int(conn.execute(select(func.coalesce(func.sum(pace.c.writes), 0)).where(*ours)).scalar() or 0)


def forget(conn: Connection, connection: str, resource: str) -> None:
    """Begin to count anew: a person saw it and lets it go on."""
    conn.execute(pace.delete().where(pace.c.connection == connection, pace.c.resource == resource))
