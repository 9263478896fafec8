"""What waits for a person, told: which questions concern a sync, what each says, and the command that answers it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from journey.syncs import Sync
from kernel import approvals
from kernel.approvals import Answer, Kind, Question
from kernel.clock import iso
from kernel.store import Store

Told = dict[str, Any]


def concerning(store: Store, sync: Sync) -> list[Question]:
    """The open questions about what a sync reads and writes, pauses included."""
    streams, targets = {str(stream) for stream in sync.streams}, {str(target) for target in sync.targets}
    reached = {stream.connection for stream in (*sync.streams, *sync.targets)}
    with store.read() as conn:
        found = approvals.open_questions(conn)
    return [
        question
        for question in found
        if question.sync == sync.name
        or (question.sync is None and question.place in (streams if question.kind == Kind.SHRUNKEN_READ else targets))
        or (question.kind == Kind.PAUSE and question.place in reached)
    ]


def told(question: Question) -> Told:
    """A question as data: ids, names and counts only."""
    return {
        "id": question.id,
        "kind": question.kind,
        "state": question.state,
        "sync": question.sync,
        "where": question.place,
        "waiting": question.facts.get("waiting", 0),
        "because": because(question),
        "facts": question.facts,
        "fingerprint": question.fingerprint,
        "asked_at": iso(question.asked_at),
        "asked_by": question.run_id or question.facts.get("by"),
        "decided_at": None if question.decided_at is None else iso(question.decided_at),
        "decided_by": question.decided_by,
        "why": question.why,
        "command": command(question),
    }


def listed(conn: Connection) -> list[Told]:
    """Every open question."""
    return [told(question) for question in approvals.open_questions(conn)]


def because(question: Question) -> str:
    """Why it waits, in one sentence."""
    facts = question.facts
    waiting, limit = facts.get("waiting", 0), facts.get("limit", {})
    if question.state == Answer.GATHERING:
        return "a plan that is not finished is too much already; the next run finishes it"
    match question.kind:
        case Kind.REMOVALS if facts.get("shrunken"):
            return (
                f"{waiting} removals: after a complete read that shrank ({', '.join(facts['shrunken'])}) none is sent"
            )
        case Kind.REMOVALS:
            return f"{waiting} removals in one plan, of {facts.get('of')} objects there; {_allowed(limit)}"
        case Kind.CHANGES:
            return f"{waiting} changes in one plan, of {facts.get('of')} objects there; {_allowed(limit)}"
        case Kind.WRITES_TO_TARGET:
            return f"{waiting} writes wait: too many to one target within an hour; {_allowed(limit)}"
        case Kind.WRITES_TO_RECORD:
            return f"{waiting} records were written {limit.get('count')} times within an hour, and would be again"
        case Kind.SHRUNKEN_READ if facts.get("missing"):
            return (
                f"a complete read no longer shows {facts['missing']} of {facts.get('known')} objects; none is deleted"
            )
        case Kind.SHRUNKEN_READ:
            return f"a complete read brought {facts.get('read')} records, {facts.get('before')} the time before"
        case _:
            return f"paused by {facts.get('by')}: {facts.get('why')}"


def command(question: Question) -> str:
    """What a person types to let it go on; empty where there is nothing left to decide."""
    if question.state == Answer.GATHERING:
        return f"throughline sync run {question.sync}" if question.sync else ""
    if question.state != Answer.ASKED:
        return ""
    if question.kind == Kind.PAUSE:
        return f"throughline resume {question.place}"
    return f"throughline approvals release {question.id} --why '…'"


def _allowed(limit: dict[str, Any]) -> str:
    return f"{limit.get('count')} and {float(limit.get('share', 0)):.0%} pass by themselves"
