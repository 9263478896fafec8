"""Every connection's budgets, its breaker, and how long the work to do will take at today's limits. Reads only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from sqlalchemy import Connection, func, select

from connectors import connector_for
from journey.syncs import Stream, Sync
from kernel.clock import SECOND, iso
from kernel.ledger.states import State
from kernel.quota import Priority
from kernel.quota.account import Account
from kernel.quota.standing import Standing, standings, time_for
from kernel.quota.stored import accounts
from kernel.store import Store
from kernel.store.tables import checkpoint, delivery, dirty, object_, run

Told = dict[str, Any]
_TO_SEND = (State.PLANNED, State.WAITING, State.UNKNOWN)
_UNFINISHED = ("running", "partial", "failed", "abandoned")


class Described(Protocol):
    """Names the connections' systems."""

    def system(self, name: str) -> str:
        """The system of a connection; BadSetting for one that is not described."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do at one connection."""

    connection: str
    what: str
    records: int
    calls: int
    priority: Priority = Priority.RUNS


def budgets(store: Store) -> list[Told]:
    """Every limit of every connection that was called: what is used, what runs may still use, when it is full again."""
    return [
        _told(name, account, now, each)
        for name, (account, now) in accounts(store).items()
        for each in standings(account, now)
    ]


def _told(connection: str, account: Account, now: int, each: Standing) -> Told:
    until, _, why = account.block
    return {
        "connection": connection,
        "budget": each.limit.called,
        "limit": each.limit.calls,
        "seconds": each.limit.length / SECOND or None,
        "used": each.used,
        "left": each.left,
        "full_at": None if each.full_at is None else iso(each.full_at),
        "blocked_until": iso(until) if until > now else None,
        "blocked_by": why if until > now else None,
    }


def circuits(store: Store) -> list[Told]:
    """The connections whose vendor failed lately: the breaker's state, and when it is tried next."""
    return [
        {
            "connection": connection,
            "state": account.circuit.state(now),
            "failures": account.circuit.failures,
            "open_since": iso(account.circuit.opened_at) if account.circuit.opened_at else None,
            "next_try_at": iso(account.circuit.next_at) if account.circuit.opened_at else None,
        }
        for connection, (account, now) in accounts(store).items()
        if account.circuit.failures
    ]


def forecasts(store: Store, described: Described, syncs: Mapping[str, Sync]) -> list[Told]:
    """What is to be done at each connection: records, calls, and how long those take at today's limits."""
    with store.read() as conn:
        work = [
            *_deliveries(conn, described),
            *_to_plan(conn, described, syncs),
            *_backfills(conn, described),
        ]
    known = accounts(store)
    return [_forecast(store, known, described, each) for each in work if each.calls]


def backfill_forecast(store: Store, described: Described, stream: Stream) -> Told | None:
    """How long a backfill of a whole stream takes; None where nobody knows how many records it has."""
    with store.read() as conn:
        records = _known(conn, stream)
    if not records:
        return None
    return _forecast(store, accounts(store), described, _reading(described, stream, records))


def _forecast(store: Store, known: Mapping[str, tuple[Account, int]], described: Described, work: Work) -> Told:
    account, now = known.get(work.connection, (Account(), store.clock.now()))
    if not account.limits:
        account = Account(limits=tuple(connector_for(described.system(work.connection)).limits))
    wait = account.circuit.next_at - now if account.circuit.opened_at else 0
    needs = max(time_for(account, work.calls, now, work.priority), wait)
    return {
        "connection": work.connection,
        "work": work.what,
        "records": work.records,
        "calls": work.calls,
        "seconds": round(needs / SECOND),
        "done_at": iso(now + needs),
    }


def _deliveries(conn: Connection, described: Described) -> Iterator[Work]:
    by = (delivery.c.connection, delivery.c.resource)
    query = select(*by, func.count()).where(delivery.c.state.in_(_TO_SEND)).group_by(*by).order_by(*by)
    for connection, resource, records in conn.execute(query).all():
        yield _writing(described, Stream(connection, resource), records, "deliver to")


def _to_plan(conn: Connection, described: Described, syncs: Mapping[str, Sync]) -> Iterator[Work]:
    """At most: what does not differ is not sent."""
    by = (dirty.c.sync, dirty.c.entity)
    rows = conn.execute(select(*by, func.count()).group_by(*by).order_by(*by)).all()
    for name, entity, records in rows:
        for route in syncs[name].routes if name in syncs else ():
            if route.entity == entity:
                target = Stream(route.connection, route.resource)
                yield _writing(described, target, records, f"plan ({name}) for")


def _writing(described: Described, target: Stream, records: int, what: str) -> Work:
    declared = connector_for(described.system(target.connection)).resources.get(target.resource)
    size = declared.write.batch_size if declared is not None and declared.write is not None else 1
    return Work(target.connection, f"{what} {target}", records, math.ceil(records / size))


def _backfills(conn: Connection, described: Described) -> Iterator[Work]:
    """Those whose last run did not come to its end, by what is known of their streams."""
    newest = select(run.c.sync, func.max(run.c.started_at).label("at")).where(run.c.kind == "backfill")
    last = newest.group_by(run.c.sync).subquery()
    query = select(run.c.sync, run.c.state, run.c.counts).join(
        last, (run.c.sync == last.c.sync) & (run.c.started_at == last.c.at)
    )
    for name, state, counts in conn.execute(query.where(run.c.kind == "backfill").order_by(run.c.sync)).all():
        if state in _UNFINISHED:
            stream = Stream(*name.split(".", 1))
            read = orjson.loads(counts).get("inbound", {}).get("read", 0)
            yield _reading(described, stream, max(0, _known(conn, stream) - read))


def _reading(described: Described, stream: Stream, records: int) -> Work:
    declared = connector_for(described.system(stream.connection)).resources.get(stream.resource)
    page = declared.page if declared is not None else 1
    return Work(stream.connection, f"backfill {stream}", records, math.ceil(records / page), Priority.BACKFILLS)


def _known(conn: Connection, stream: Stream) -> int:
    """How many records a stream had when it was last read to its end, or as many as were ever read of it."""
    here = checkpoint.c.connection == stream.connection, checkpoint.c.resource == stream.resource
    told = conn.execute(select(func.max(checkpoint.c.complete_count)).where(*here)).scalar()
    there = object_.c.connection == stream.connection, object_.c.resource == stream.resource
    return int(told or conn.execute(select(func.count()).where(*there)).scalar_one())


def told_time(seconds: float) -> str:
    """A length of time as people say it: 40 s, 12 min, 3.2 h, 2.1 d."""
    for size, name in ((86_400, "d"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{math.ceil(seconds / 60)} min" if seconds >= 60 else f"{math.ceil(seconds)} s"
