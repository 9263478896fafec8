"""Whose value survives: golden data computed from the members, field by field, without touching any of them.

The result is a pure function of the members as a set: every comparison ends in the member's id, and arrival is never
looked at. A value that is only an echo of what we wrote (`ours`) is no evidence, whatever its age.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dedup.consent import Statement, settle
from dedup.rulefile import Criterion
from dedup.rules import EntityRules, FieldRule, GroupRule
from kernel.ids import canonical

Provenance = dict[str, tuple[str, int]]
"""{field: (member id, instant of its last real change there)}; a united list also has one per place, `field[0]`."""


@dataclass(slots=True, eq=False)
class MemberView:
    """A member as survivorship sees it."""

    id: str
    connection: str
    system: str
    data: Mapping[str, Any]
    at: Mapping[str, int]  # field -> instant of its last real change; a field that is not named counts as 0, unknown
    ours: frozenset[str] = frozenset()
    arrival: int = 0  # not looked at: golden values do not depend on the order of arrival
    verified: frozenset[str] = frozenset()


@dataclass(slots=True)
class Golden:
    """Canonical data and where each field of it comes from. A field that no member holds is absent; None was said."""

    data: dict[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=dict)


def survive(members: Sequence[MemberView], rules: EntityRules, fields: Collection[str]) -> Golden:
    """The golden record of some members. `fields` are the entity's; best given as a set or a mapping."""
    if len(members) == 1:
        return _only(members[0], fields)
    golden = Golden()
    held: dict[str, list[MemberView]] = {}
    for member in members:
        ours = member.ours
        for name in member.data:
            if name in fields and name not in ours:
                held.setdefault(name, []).append(member)
    special = rules.unsimple
    judge = _Judge(members)
    for name in sorted(held):
        if name not in special:
            _take(golden, name, judge.best(held[name], name, rules.default))
        elif name in rules.fields:
            _by_own_rule(golden, name, held[name], rules.fields[name], judge)
    for group in rules.together:
        _together(golden, group, held, judge)
    return golden


def _only(member: MemberView, fields: Collection[str]) -> Golden:
    ours, at, source = member.ours, member.at, member.id
    data = {name: value for name, value in member.data.items() if name in fields and name not in ours}
    return Golden(data, {name: (source, at.get(name, 0)) for name in data})


class _Judge:
    """Ranks the members of one golden record. Smaller marks survive; the member's id ends every tie."""

    def __init__(self, members: Sequence[MemberView]) -> None:
        self._verified = any(member.verified for member in members)
        self._members = members
        self._places: dict[int, dict[str, int]] = {}

    def best(self, holders: list[MemberView], name: str, rule: FieldRule) -> MemberView:
        """The holder whose value of a field survives. A null only survives among nulls."""
        if len(holders) == 1:
            return holders[0]
        left = [member for member in holders if member.data[name] is not None] or holders
        for criterion in rule.by:
            if len(left) == 1:
                return left[0]
            if criterion == "verified" and not self._verified:
                continue
            marks = self.marks(criterion, left, name, rule)
            low = min(marks)
            left = [member for member, mark in zip(left, marks, strict=True) if mark == low]
        return min(left, key=_by_id)

    def order(self, holders: list[MemberView], name: str, rule: FieldRule) -> list[MemberView]:
        """The holders, the best first."""
        left, ordered = list(holders), []
        while left:
            ordered.append(self.best(left, name, rule))
            left.remove(ordered[-1])
        return ordered

    def marks(self, criterion: Criterion, holders: list[MemberView], name: str, rule: FieldRule) -> list[int]:
        """One mark per holder by one criterion."""
        if criterion == "recent":
            return [-member.at.get(name, 0) for member in holders]
        if criterion == "source":
            places = self._places.get(id(rule.sources)) or self._place_members(rule.sources)
            return [places[member.id] for member in holders]
        if criterion == "verified":
            return [name not in member.verified for member in holders]
        if criterion == "oldest":
            return [member.at.get(name, 0) or _NEVER for member in holders]
        return [_completeness(member.data[name]) for member in holders]

    def _place_members(self, sources: Mapping[str, int]) -> dict[str, int]:
        last = len(sources)
        places = {
            member.id: sources.get(member.connection, sources.get(member.system, last)) for member in self._members
        }
        self._places[id(sources)] = places
        return places


def _by_id(member: MemberView) -> str:
    return member.id


def _completeness(value: Any) -> int:
    if isinstance(value, Mapping):
        return -sum(entry is not None for entry in value.values())
    return -len(value) if isinstance(value, str | list) else 0


_NEVER = 1 << 62  # an instant nobody knows is later than every known one


def _by_own_rule(golden: Golden, name: str, holders: list[MemberView], rule: FieldRule, judge: _Judge) -> None:
    if all(member.data[name] is None for member in holders):
        _take(golden, name, judge.best(holders, name, rule))
    elif rule.restrictive_first:
        _consent(golden, name, holders, rule)
    elif rule.union is not None:
        _unite(golden, name, judge.order(holders, name, rule), rule.union)
    else:
        _take(golden, name, judge.best(holders, name, rule))


def _take(golden: Golden, name: str, member: MemberView) -> None:
    golden.data[name] = member.data[name]
    golden.provenance[name] = (member.id, member.at.get(name, 0))


def _together(golden: Golden, group: GroupRule, held: Mapping[str, list[MemberView]], judge: _Judge) -> None:
    holders = {member.id: member for name in group.fields for member in held.get(name, ())}
    if not holders:
        return
    evidence = {
        member.id: [name for name in group.fields if member in held.get(name, ()) and member.data[name] is not None]
        for member in holders.values()
    }
    left = [member for member in holders.values() if evidence[member.id]] or list(holders.values())
    if group.time:
        moments = {member.id: _moment(member, group.time) for member in left}
        known = [moment for moment in moments.values() if moment]
        if known:
            wanted = max(known) if group.latest else min(known)
            left = [member for member in left if moments[member.id] == wanted]
    for criterion in group.rule.by:
        if criterion != "complete":
            marks = [
                min((judge.marks(criterion, [member], name, group.rule)[0] for name in evidence[member.id]), default=0)
                for member in left
            ]
            left = [member for member, mark in zip(left, marks, strict=True) if mark == min(marks)]
    best = min(left, key=lambda member: (-len(evidence[member.id]), member.id))
    for name in group.fields:
        if best in held.get(name, ()):
            _take(golden, name, best)


def _moment(member: MemberView, name: str) -> str:
    """A canonical datetime as text that sorts by time; '' when there is none of the member's own."""
    value = None if name in member.ours else member.data.get(name)
    return value.partition("[")[0].rstrip("Z") if isinstance(value, str) else ""


def _unite(golden: Golden, name: str, ranked: list[MemberView], entry_key: str) -> None:
    """All entries of all members; of entries with one key the best member's, whole."""
    united: dict[bytes, Any] = {}
    places: list[tuple[str, int]] = []
    for member in ranked:
        value = member.data[name]
        for entry in value if isinstance(value, list) else [] if value is None else [value]:
            key = entry.get(entry_key) if entry_key and isinstance(entry, Mapping) else None
            identity = canonical(entry) if key is None else canonical([key])
            if identity not in united:
                united[identity] = entry
                places.append((member.id, member.at.get(name, 0)))
    if not united:
        _take(golden, name, ranked[0])
        return
    golden.data[name] = list(united.values())
    golden.provenance[name] = places[0]
    golden.provenance.update({f"{name}[{place}]": origin for place, origin in enumerate(places)})


def _consent(golden: Golden, name: str, holders: list[MemberView], rule: FieldRule) -> None:
    by_id = {member.id: member for member in holders if member.data[name] is not None}
    statements = [
        Statement(member.id, str(member.data[name]), member.at.get(name, 0), _evidenced(member, rule.evidence))
        for member in by_id.values()
    ]
    best = by_id[settle(statements, rule.restrictive_first).id]
    _take(golden, name, best)
    if _evidenced(best, rule.evidence):
        _take(golden, rule.evidence, best)


def _evidenced(member: MemberView, evidence: str) -> bool:
    return evidence not in member.ours and bool(member.data.get(evidence))
