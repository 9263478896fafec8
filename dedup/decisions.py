"""What people decided about pairs. A verdict outranks every key; the last one about a pair is the one that holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Ruling(StrEnum):
    """What a verdict says of two nodes."""

    MUST = "must"  # the same, whatever the keys say
    CANNOT = "cannot"  # not the same, whatever the keys say
    OPEN = "open"  # an earlier verdict is withdrawn: the keys decide again


@dataclass(frozen=True, slots=True)
class Verdict:
    """One decision about two nodes. `sequence` is its place in the decision log; who and why are kept there."""

    ruling: Ruling
    a: str
    b: str
    sequence: int = 0

    @property
    def pair(self) -> tuple[str, str]:
        """The two node ids, the smaller first."""
        return (self.a, self.b) if self.a <= self.b else (self.b, self.a)


Pairs = list[tuple[str, str]]


def effective(verdicts: Iterable[Verdict]) -> tuple[Pairs, Pairs]:
    """The pairs that must be one and those that cannot, each sorted. A later verdict replaces an earlier one."""
    last: dict[tuple[str, str], Verdict] = {}
    for verdict in verdicts:
        known = last.get(verdict.pair)
        if known is None or (verdict.sequence, verdict.ruling) > (known.sequence, known.ruling):
            last[verdict.pair] = verdict
    must = sorted(pair for pair, verdict in last.items() if verdict.ruling is Ruling.MUST)
    cannot = sorted(pair for pair, verdict in last.items() if verdict.ruling is Ruling.CANNOT)
    return must, cannot


def merging(one: Sequence[str], other: Sequence[str], so_far: Iterable[Verdict], sequence: int) -> list[Verdict]:
    """The verdicts that merge two golden records, given their nodes.

    One must-link, and one more over each earlier cannot-link between them. Raises ValueError when one side is empty
    or a node is on both sides.
    """
    _refuse_overlap(one, other)
    ones, others = set(one), set(other)
    _, cannot = effective(so_far)
    apart = [(a, b) for a, b in cannot if (a in ones and b in others) or (a in others and b in ones)]
    first = Verdict(Ruling.MUST, min(one), min(other), sequence)
    return [first, *(Verdict(Ruling.MUST, a, b, sequence) for a, b in apart if (a, b) != first.pair)]


def unmerging(leaving: Sequence[str], staying: Sequence[str], sequence: int) -> list[Verdict]:
    """The verdicts that take nodes out of a golden record: a cannot-link between every leaving and every staying node.

    Raises ValueError when one side is empty or a node is on both sides.
    """
    _refuse_overlap(leaving, staying)
    return [Verdict(Ruling.CANNOT, a, b, sequence) for a in sorted(leaving) for b in sorted(staying)]


def _refuse_overlap(one: Sequence[str], other: Sequence[str]) -> None:
    if not one or not other:
        raise ValueError("a verdict needs nodes on both sides")
    if not set(one).isdisjoint(other):
        raise ValueError("a node cannot be on both sides of a verdict")
