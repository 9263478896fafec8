"""Retention: payloads go when their time is over; keyed hashes, op_keys and what is current stay. Short transactions only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, exists, or_, select

from dead_letter.parking import OPEN_STATES
from kernel.clock import SECOND
from kernel.ledger.states import State
from kernel.store import Store, bulk
from kernel.store.tables import (
    attempt,
    dead_letter,
    delivery,
    golden,
    member,
    object_,
    receipt,
    run,
    version,
)

BATCH = 1000
_DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days what is kept."""

    payloads: int = 30  # raw of versions that are not current, bodies, before-images, payloads of closed letters
    receipts: int = 30  # after they were processed; at least as long as a vendor sends again
    attempts: int = 90
    history: int = 400  # runs, versions that are not current, closed letters


@dataclass(frozen=True, slots=True)
class _Rule:
    """What ends in one table: which rows, and what they lose (nothing named: the whole row)."""

    what: str
    table: Table
    where: ColumnElement[bool]
    lose: tuple[str, ...] = ()


def prune(store: Store, kept: Retention, progress: Callable[[str, int], None] | None = None) -> dict[str, int]:
    """Apply the retention to every table; how many rows of each kind. May be stopped anywhere and called again."""
    done: dict[str, int] = {}
    for rule in _rules(store.clock.now(), kept):
        done[rule.what] = 0
        for rows in _matching(store, rule):
            with store.write("prune") as conn:
                done[rule.what] += _apply(conn, rule, rows)
            if progress:
                progress(rule.what, done[rule.what])
    return done


def _rules(now: int, kept: Retention) -> Iterator[_Rule]:
    payloads, history = now - kept.payloads * _DAY, now - kept.history * _DAY
    closed = dead_letter.c.state.not_in(OPEN_STATES)
    old = and_(version.c.state != "parked", _not_current())
    yield _Rule("raw", version, and_(version.c.read_at < payloads, version.c.raw.is_not(None), old), ("raw",))
    yield _Rule("versions", version, and_(version.c.read_at < history, old, ~_referred()))
    body = and_(delivery.c.planned_at < payloads, or_(delivery.c.body.is_not(None), delivery.c.before.is_not(None)))
    yield _Rule("bodies", delivery, and_(body, _over()), ("body", "before"))
    letter = and_(closed, dead_letter.c.last_at < payloads, dead_letter.c.payload.is_not(None))
    yield _Rule("letter payloads", dead_letter, letter, ("payload", "edited"))
    yield _Rule("letters", dead_letter, and_(closed, dead_letter.c.last_at < history))
    ended = receipt.c.processed_at < now - kept.receipts * _DAY
    yield _Rule("receipts", receipt, and_(receipt.c.state != "received", ended))
    yield _Rule("attempts", attempt, attempt.c.settled_at < now - kept.attempts * _DAY)
    yield _Rule("runs", run, and_(run.c.state != "running", run.c.started_at < history))


def _not_current() -> ColumnElement[bool]:
    """No object holds this version as its newest."""
    return ~exists().where(object_.c.id == version.c.object_id, object_.c.version == version.c.trace_id)


def _referred() -> ColumnElement[bool]:
    """Something that is still true was made from this version: its story can be told."""
    drawn = exists().where(member.c.object_id == version.c.object_id, member.c.version == version.c.trace_id)
    merged = exists().where(
        member.c.object_id == version.c.object_id,
        golden.c.id == member.c.golden_id,
        golden.c.trace_id == version.c.trace_id,
    )
    return or_(drawn, merged)


def _over() -> ColumnElement[bool]:
    """The delivery needs its body no more: it ended, and if it is dead, no open letter could send it again."""
    ended = delivery.c.state.in_((State.APPLIED, State.NO_OP, State.SUPERSEDED))
    letters = exists().where(dead_letter.c.about == delivery.c.id, dead_letter.c.state.in_(OPEN_STATES))
    return or_(ended, and_(delivery.c.state == State.DEAD, ~letters))


def _matching(store: Store, rule: _Rule) -> Iterator[Sequence[Any]]:
    """Batches of keys; what was pruned no longer matches, so a batch begins where the last one ended."""
    keys = list(rule.table.primary_key)
    after = ""
    while True:
        query = select(*keys).where(rule.where, keys[0] >= after).order_by(*keys).limit(BATCH)
        with store.read() as conn:
            rows = conn.execute(query).all()
        if not rows:
            return
        after = rows[-1][0]
        yield rows


def _apply(conn: Connection, rule: _Rule, rows: Sequence[Any]) -> int:
    keys = [row._asdict() for row in rows]
    if not rule.lose:
        return bulk.delete(conn, rule.table, keys)
    return bulk.update(conn, rule.table, [dict.fromkeys(rule.lose) | key for key in keys], list(keys[0]))
