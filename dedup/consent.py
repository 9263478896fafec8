"""Whether a person may be written to, when several systems say different things.

The most restrictive statement wins. Only the person's own explicit, evidenced opt-in widens, and only what was said
before it: a later refusal, or one of the same instant, stands.
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


def settle(statements: Iterable[Statement], restrictive_first: Sequence[str]) -> Statement:
    """The statement that holds. A status that `restrictive_first` does not name counts as the most restrictive.

    Raises ValueError when there is no statement.
    """
    rank = {status: place for place, status in enumerate(restrictive_first, start=1)}
    by_order = sorted(statements, key=lambda said: (rank.get(said.status, 0), -said.at, said.id))
    if not by_order:
        raise ValueError("no consent statement to settle")
    strictest = by_order[0]
    for widest in reversed(by_order):
        if not widest.explicit or not widest.at:
            continue
        stricter = (said for said in by_order if rank.get(said.status, 0) < rank.get(widest.status, 0))
        if all(said.at < widest.at for said in stricter):
            return widest
    return strictest
