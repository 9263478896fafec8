"""Whether a person may be written to, when several systems say different things.

The most restrictive statement wins. Only the person's own explicit, evidenced opt-in widens, and only what was said
before it: a later refusal, or one of the same instant, stands. The caller settles one purpose and one channel at a
time, a statement about any channel among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source holds. `explicit`: the person said so, and the evidence of it is there."""

    id: str
    status: str
    at: int  # instant since when the source holds it; 0 when the source does not tell
    explicit: bool = False


RESTRICTIVE_FIRST = ("withdrawn", "denied", "pending", "granted")
"""The states of the dictionary's consent, the most restrictive first."""

NOTHING_SAID = "unknown"


def settle(statements: Iterable[Statement], restrictive_first: Sequence[str] = RESTRICTIVE_FIRST) -> Statement:
    """The statement that holds. A status that `restrictive_first` does not name counts as the most restrictive.

    `unknown` says nothing while anything else is said. Raises ValueError when there is no statement.
    """
    every = list(statements)
    if not every:
        raise ValueError("no consent statement to settle")
    rank = {status: place for place, status in enumerate(restrictive_first, start=1)}
    said = [one for one in every if one.status != NOTHING_SAID] or every
    by_order = sorted(said, key=lambda said: (rank.get(said.status, 0), -said.at, said.id))
    strictest = by_order[0]
    for widest in reversed(by_order):
        if not widest.explicit or not widest.at:
            continue
        stricter = (said for said in by_order if rank.get(said.status, 0) < rank.get(widest.status, 0))
        if all(said.at < widest.at for said in stricter):
            return widest
    return strictest
