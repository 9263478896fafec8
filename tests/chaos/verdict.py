"""What must hold after a storm, as functions of what was observed at the source, at the vendors and in the ledger; nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody at the source, as the source says it now."""

    email: str
    last: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """One object at a target."""

    id: str
    key: str
    email: str
    last: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """One line of a vendor's own log: the object was made, changed or taken away."""

    id: str
    key: str
    last: str  # "" where it was taken away
    made: bool = False


@dataclass(slots=True)
class Observed:
    """One target after a storm."""

    target: str
    wanted: Mapping[str, Wanted]  # by e-mail: who is there
    gone: frozenset[str]  # e-mails of those who left
    held: Sequence[Held]
    log: Sequence[Written]  # in the vendor's order
    bound: Mapping[str, str]  # the ledger: our key -> the vendor's id
    effects: Sequence[str] = ()  # class E: the ids of deliveries that had an effect
    conflicts: int = 0  # deliveries, or idempotency keys, that came again with another body
    pending: Mapping[str, int] = field(default_factory=dict)  # the ledger: what has not ended


def lost(seen: Observed) -> list[str]:
    """Who is at the source and not at the target, and what the ledger knows and the target does not."""
    there = {held.email for held in seen.held}
    ids = {held.id for held in seen.held}
    missing = [f"{email} is not at {seen.target}" for email in seen.wanted if email not in there]
    return missing + [f"{seen.target} {id} is bound and not there" for id in seen.bound.values() if id not in ids]


def doubled(seen: Observed) -> list[str]:
    """Addresses and keys that several objects carry, keys made again while there was one, effects had twice."""
    found = []
    for what, counts in (
        ("e-mail", Counter(held.email for held in seen.held)),
        ("key", Counter(held.key for held in seen.held)),
        ("effect", Counter(id.rpartition("-g")[0] for id in seen.effects)),
    ):
        found += [f"{seen.target}: {what} {name} {times} times" for name, times in counts.items() if times > 1]
    alive: dict[str, str] = {}
    for line in seen.log:
        if line.made and line.key:
            if alive.get(line.key, line.id) != line.id:
                found.append(f"{seen.target}: {line.key} was made again while it was there")
            alive[line.key] = line.id
        elif not line.last:
            alive = {key: id for key, id in alive.items() if id != line.id} if line.id in alive.values() else alive
    return found


def stale(seen: Observed) -> list[str]:
    """Values at the target that are not the source's, who left and is still there, and versions that went back."""
    found = [f"{held.email} left and is still at {seen.target}" for held in seen.held if held.email in seen.gone]
    for held in seen.held:
        want = seen.wanted.get(held.email)
        if want is not None and (held.last, held.phone) != (want.last, want.phone):
            found.append(f"{held.email} at {seen.target} is {held.last} {held.phone}, not {want.last} {want.phone}")
    newest: dict[str, int] = {}
    for line in seen.log:
        version = int(line.last[1:]) if line.last[1:].isdecimal() else 0
        if line.last and version < newest.get(line.id, 0):
            found.append(f"{seen.target} {line.id} went back from version {newest[line.id]} to {version}")
        newest[line.id] = version if line.last else 0
    return found + [f"{seen.target}: a key came again with another body"] * seen.conflicts


def stuck(seen: Observed) -> list[str]:
    """What has not come to its end."""
    return [f"{times} {what}" for what, times in seen.pending.items() if times]
