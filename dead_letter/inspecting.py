"""Looking at dead letters: list, filter, group by cause, show. Payloads are opened only to show one letter, and that is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from kernel import audit
from kernel.causes import CAUSES
from kernel.clock import iso
from kernel.errors import BadSetting
from kernel.store import Store
from kernel.store.tables import attempt, dead_letter

_COLUMNS = [column for column in dead_letter.columns if column.name not in ("payload", "edited")]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters; an empty field does not filter."""

    state: str = "open"
    cause: str = ""
    connection: str = ""
    resource: str = ""
    stage: str = ""
    trace_id: str = ""
    run_id: str = ""  # the run that wrote them

    def clauses(self) -> list[ColumnElement[bool]]:
        """As conditions on the table."""
        wanted = {"state": self.state, "cause": self.cause, "connection": self.connection, "resource": self.resource}
        wanted |= {"stage": self.stage, "trace_id": self.trace_id, "run_id": self.run_id}
        return [dead_letter.c[name] == value for name, value in wanted.items() if value and value != "any"]


@dataclass(frozen=True, slots=True)
class Group:
    """Letters with the same cause at the same place."""

    cause: str
    connection: str
    resource: str
    field: str
    letters: int
    newest: str
    meaning: str
    fix: str


def listed(store: Store, wanted: Filter, limit: int = 50) -> list[dict[str, Any]]:
    """The newest letters, without their payloads."""
    query = (
        select(*_COLUMNS).where(*wanted.clauses()).order_by(dead_letter.c.last_at.desc(), dead_letter.c.id).limit(limit)
    )
    with store.read() as conn:
        return [_told(row) for row in conn.execute(query).all()]


def grouped(store: Store, wanted: Filter) -> list[Group]:
    """Letters by cause and place, the largest group first, each with what it means and what usually cures it."""
    place = (dead_letter.c.cause, dead_letter.c.connection, dead_letter.c.resource, dead_letter.c.field)
    query = select(*place, func.count(), func.max(dead_letter.c.last_at)).where(*wanted.clauses()).group_by(*place)
    with store.read() as conn:
        rows = conn.execute(query.order_by(func.count().desc())).all()
    return [_group(*row) for row in rows]


def count(store: Store, wanted: Filter) -> int:
    """How many letters."""
    with store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(dead_letter).where(*wanted.clauses())).scalar() or 0)


def ids(store: Store, wanted: Filter) -> list[str]:
    """The ids of all letters of a filter, oldest first."""
    with store.read() as conn:
        return list(
            conn.execute(select(dead_letter.c.id).where(*wanted.clauses()).order_by(dead_letter.c.id)).scalars()
        )


def find(store: Store, letter_id: str) -> dict[str, Any]:
    """One letter without its payload, by its id or an unambiguous beginning of it."""
    with store.read() as conn:
        rows = conn.execute(
            select(*_COLUMNS).where(dead_letter.c.id.startswith(letter_id, autoescape=True)).limit(3)
        ).all()
    if len(rows) != 1:
        raise BadSetting(f"{'no' if not rows else 'more than one'} dead letter begins with '{letter_id}'")
    return _told(rows[0])


def show(store: Store, letter_id: str, by: str) -> dict[str, Any]:
    """One letter with its payload, its attempts, what its cause means and the usual fix. Reading a payload is audited."""
    letter = find(store, letter_id)
    with store.write() as conn:
        row = conn.execute(
            select(dead_letter.c.payload, dead_letter.c.edited).where(dead_letter.c.id == letter["id"])
        ).one()
        attempts = conn.execute(
            select(attempt).where(attempt.c.delivery_id == letter["about"]).order_by(attempt.c.n)
        ).all()
        audit.record(conn, store, by, "read dead letter", letter["id"], "")
    cause = CAUSES.get(letter["cause"])
    return letter | {
        "payload": store.open(dead_letter, letter["id"], row.payload),
        "edited": store.open(dead_letter, letter["id"], row.edited),
        "tries": [_attempt(each) for each in attempts],
        "meaning": cause.meaning if cause else "",
        "fix": cause.fix if cause else "",
    }


def _attempt(row: Any) -> dict[str, Any]:
    return {
        "n": row.n,
        "sent_at": iso(row.sent_at),
        "outcome": row.outcome,
        "status": row.status,
        "request_id": row.request_id,
        "error": row.error,
    }


def _told(row: Any) -> dict[str, Any]:
    told = dict(row._mapping)
    return told | {"first_at": iso(row.first_at), "last_at": iso(row.last_at)}


def _group(cause: str, connection: str, resource: str, field: str | None, letters: int, newest: int) -> Group:
    known = CAUSES.get(cause)
    return Group(
        cause,
        connection,
        resource,
        field or "",
        letters,
        iso(newest),
        known.meaning if known else "",
        known.fix if known else "",
    )


def columns() -> Sequence[str]:
    """The names a letter has without its payload."""
    return [column.name for column in _COLUMNS]
