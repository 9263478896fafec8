"""Questions that wait for a person: what is held, why, how much of it. The only writer of `approval`.

A question is about exactly one set of deliveries, by its fingerprint. Where that set changes the question is overtaken by
another one, with another id: whoever releases, releases what was shown. Holds names and counts only, never values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Connection, select

from kernel.errors import BadSetting
from kernel.ids import new_id
from kernel.store import Store, bulk
from kernel.store.tables import approval


class Kind(StrEnum):
    """What a question is about."""

    REMOVALS = "removals"  # one plan would take away, archive or clear too much at a target
    CHANGES = "changes"  # one plan would change too many objects that a target holds
    WRITES_TO_TARGET = "writes_to_target"  # too many writes to one target within an hour
    WRITES_TO_RECORD = "writes_to_record"  # too many writes of the same records to one target within an hour
    SHRUNKEN_READ = "shrunken_read"  # a complete read brought far fewer records than the one before
    PAUSE = "pause"  # a person stopped a sync, a connection or a target


HOLDING = (Kind.REMOVALS, Kind.CHANGES, Kind.WRITES_TO_TARGET, Kind.WRITES_TO_RECORD)
"""The kinds of question whose deliveries are HELD until somebody answers."""


class Answer(StrEnum):
    """Where a question stands."""

    GATHERING = "gathering"  # its plan is not finished: it cannot be released yet
    ASKED = "asked"
    RELEASED = "released"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"  # the set changed, or nothing is left to ask


OPEN = (Answer.GATHERING, Answer.ASKED)


@dataclass(slots=True)
class Question:
    """One question. `facts`: how many, of how many, which limit, and why, as names and numbers."""

    kind: str
    sync: str | None = None
    connection: str | None = None
    resource: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    state: str = Answer.ASKED
    run_id: str | None = None
    asked_at: int = 0
    decided_at: int | None = None
    decided_by: str | None = None
    why: str | None = None
    id: str = field(default_factory=new_id)

    @property
    def place(self) -> str:
        """The target or stream it is about; else the sync or connection."""
        if self.connection and self.resource:
            return f"{self.connection}.{self.resource}"
        return self.connection or self.sync or ""


def open_questions(conn: Connection, *kinds: str, locked: bool = False) -> list[Question]:
    """What waits for a person, oldest first; of these kinds, where some are named. `locked`: nobody decides them meanwhile."""
    query = select(approval).where(approval.c.state.in_(OPEN)).order_by(approval.c.asked_at, approval.c.id)
    query = query.with_for_update() if locked else query
    return [_question(row) for row in conn.execute(query.where(approval.c.kind.in_(kinds)) if kinds else query)]


def newest(conn: Connection, most: int, kind: str = "") -> list[Question]:
    """The newest questions, whatever became of them."""
    query = select(approval).order_by(approval.c.asked_at.desc(), approval.c.id.desc()).limit(most)
    return [_question(row) for row in conn.execute(query.where(approval.c.kind == kind) if kind else query)]


def find(conn: Connection, text: str) -> Question:
    """A question by its id or the id's beginning; BadSetting where none or several begin so."""
    wanted = text.strip().lower()
    found = [
        _question(row)
        for row in conn.execute(select(approval).where(approval.c.id.startswith(wanted, autoescape=True)).limit(2))
    ]
    if not wanted or len(found) != 1:
        told = "several approvals begin with" if found and wanted else "no approval"
        raise BadSetting(f"{told} '{text[:32]}'; see: throughline approvals list")
    return found[0]


def last_released(conn: Connection, kind: str, connection: str, resource: str) -> int:
    """When a person last released a question of this kind about a target; 0: never."""
    query = select(approval.c.decided_at).where(
        approval.c.kind == kind,
        approval.c.connection == connection,
        approval.c.resource == resource,
        approval.c.state == Answer.RELEASED,
    )
    return max((int(at) for at in conn.execute(query).scalars() if at is not None), default=0)


def was_refused(conn: Connection, kind: str, connection: str, resource: str, fingerprint: str) -> bool:
    """Whether a person refused exactly this, so that it is not asked again."""
    here = (approval.c.connection == connection, approval.c.resource == resource, approval.c.fingerprint == fingerprint)
    query = select(approval.c.id).where(approval.c.kind == kind, approval.c.state == Answer.REFUSED, *here)
    return conn.execute(query.limit(1)).first() is not None


def ask(conn: Connection, store: Store, question: Question) -> Question:
    """Write a new question."""
    question.asked_at = store.clock.now()
    conn.execute(approval.insert().values(_row(question)))
    return question


def restate(conn: Connection, question: Question) -> None:
    """Write what an open question says now, where nobody decided it meanwhile."""
    values = {"state": question.state, "fingerprint": question.fingerprint, "subject": _json(question.facts)}
    conn.execute(approval.update().where(approval.c.id == question.id, approval.c.state.in_(OPEN)).values(values))


def decide(conn: Connection, store: Store, question: Question, answer: Answer, by: str, why: str) -> bool:
    """Close an open question; False where somebody did already."""
    row = {
        "state": answer,
        "decided_at": store.clock.now(),
        "decided_by": by,
        "why": why,
        "id": question.id,
        "was_state": question.state,
    }
    question.state = answer
    return bulk.update(conn, approval, [row], ["id", "was_state"]) == 1


def _row(question: Question) -> dict[str, Any]:
    names = ("id", "kind", "run_id", "state", "sync", "connection", "resource", "fingerprint", "asked_at")
    return {name: getattr(question, name) for name in names} | {"subject": _json(question.facts)}


def _json(facts: Mapping[str, Any]) -> str:
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS).decode()


def _question(row: Any) -> Question:
    values = dict(row._mapping)
    return Question(facts=orjson.loads(values.pop("subject")), **values)
