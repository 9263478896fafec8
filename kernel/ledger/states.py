"""The states of a delivery, and which of them may follow which.

            superseded by a newer plan (also WAITING, HELD)
HELD ◀── too much at once ── PLANNED, WAITING ◀── a person released exactly this ── HELD ── refused ──▶ DEAD
PLANNED ──────────────────────────────────────────▶ SUPERSEDED
  │ claim: fence + lease + frozen body, committed before the first byte
  ▼
INFLIGHT ── applied ──▶ APPLIED        ── refused ──▶ DEAD
  │  └───── provably not applied ──▶ PLANNED (not before …)
  ▼ answer lost, lease expired
UNKNOWN ── class A, B: sent again, same body and key ──▶ INFLIGHT
  ├─────── carried by a job of the vendor's: asked by its id ──▶ RECONCILING
  └─────── class C, D: after the settle time ──▶ RECONCILING ──▶ APPLIED | PLANNED (generation + 1) | CONFLICT | UNKNOWN
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands."""

    PLANNED = "PLANNED"
    WAITING = "WAITING"
    HELD = "HELD"
    INFLIGHT = "INFLIGHT"
    UNKNOWN = "UNKNOWN"
    RECONCILING = "RECONCILING"
    APPLIED = "APPLIED"
    NO_OP = "NO-OP"
    SUPERSEDED = "SUPERSEDED"
    CONFLICT = "CONFLICT"
    DEAD = "DEAD"


OPEN = (State.INFLIGHT, State.UNKNOWN, State.RECONCILING)
"""At most one a binding: a request that was, or may have been, sent."""

NEXT = (State.PLANNED, State.WAITING, State.HELD)
"""At most one a binding: the newest plan, not sent yet."""

PENDING = OPEN + NEXT + (State.CONFLICT,)
ENDED = (State.APPLIED, State.NO_OP, State.SUPERSEDED, State.DEAD)

UNANSWERED = "unknown_outcome"
"""The cause of a delivery that was given up without an answer: it may be there."""

FOLLOWS: dict[State, tuple[State, ...]] = {
    # UNKNOWN: what stood before it was given up unanswered
    State.PLANNED: (
        State.INFLIGHT,
        State.WAITING,
        State.HELD,
        State.UNKNOWN,
        State.SUPERSEDED,
        State.NO_OP,
        State.DEAD,
    ),
    State.WAITING: (State.PLANNED, State.HELD, State.UNKNOWN, State.SUPERSEDED, State.DEAD),
    State.HELD: (State.PLANNED, State.WAITING, State.UNKNOWN, State.SUPERSEDED, State.DEAD),
    State.INFLIGHT: (
        State.APPLIED,
        State.NO_OP,
        State.PLANNED,
        State.UNKNOWN,
        State.SUPERSEDED,
        State.CONFLICT,
        State.DEAD,
    ),
    State.UNKNOWN: (State.INFLIGHT, State.RECONCILING, State.DEAD),
    State.RECONCILING: (State.APPLIED, State.PLANNED, State.SUPERSEDED, State.CONFLICT, State.UNKNOWN, State.DEAD),
    State.CONFLICT: (State.PLANNED, State.SUPERSEDED, State.DEAD, State.APPLIED),
    State.DEAD: (State.PLANNED, State.UNKNOWN),  # a person asked for the same write again
    State.APPLIED: (),
    State.NO_OP: (),
    State.SUPERSEDED: (),
}
