"""Stewards' rules of who is one and whose value wins: dedup/rules/<entity>.yaml, checked against the dictionary."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from dedup.keys import EXACT_KINDS, Blocked, Key, KeyPiece, KeyRule, Strength
from dedup.normalise import TRANSFORMS
from dedup.rulefile import (
    Criterion,
    WrittenBlocked,
    WrittenFieldRule,
    WrittenFrom,
    WrittenRules,
    faults,
    path_of,
)
from kernel.documents import Document, gather, read_folder
from kernel.errors import BadDocument, BadSetting
from kernel.ids import content_hash


class Names(Protocol):
    """What is asked of the dictionary: entities by name, of each its `kind` and its `fields`.

    Of a field: `identifier` (None or its strength and limit), and of an embedded list its `key` and `fields`.
    """

    @property
    def entities(self) -> Mapping[str, Any]:
        """The entities by name."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Whose value of a field survives. `by` are tried in order until one tells the members apart."""

    by: tuple[Criterion, ...]
    sources: Mapping[str, int] = field(default_factory=dict)  # connection or system -> its place
    union: str | None = None  # "" for a list of plain values, the name of the entries' key for embedded ones
    restrictive_first: tuple[str, ...] = ()  # a consent field's statuses
    evidence: str = ""  # a consent field's companion: filled only when the person said so


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Fields that come from one member or not at all: half of one campaign and half of another is nobody's."""

    fields: tuple[str, ...]
    rule: FieldRule
    time: str = ""  # the datetime field among the data that decides first
    latest: bool = False  # the greatest `time` survives, otherwise the smallest


@dataclass(frozen=True)
class EntityRules:
    """The compiled rules of one master entity."""

    entity: str
    revision: str
    key_rules: tuple[KeyRule, ...]
    max_cluster: int
    default: FieldRule
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    together: tuple[GroupRule, ...] = ()

    def keys(self, data: Mapping[str, Any]) -> list[Key]:
        """The keys of a part's dictionary data, normalised, blocked values dropped. Plain text: hash before keeping."""
        known: dict[int, list[str]] = {}
        keys: list[Key] = []
        for rule in self.key_rules:
            values = rule.values(data, known)
            keys += [Key(rule.name, value, rule.strength, rule.limit, rule.priority) for value in values]
        return keys

    def linking(self, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(kind, value) of the keys that may join; support keys link nobody, and nobody is looked up by them."""
        known: dict[int, list[str]] = {}
        return [
            (rule.name, value)
            for rule in self.key_rules
            if rule.strength is not Strength.SUPPORT
            for value in rule.values(data, known)
        ]

    @cached_property
    def by_kind(self) -> Mapping[str, KeyRule]:
        """The rules of all kinds of key, the engine's own included."""
        return {**EXACT_KINDS, **{rule.name: rule for rule in self.key_rules}}

    @cached_property
    def limited(self) -> Mapping[str, int]:
        """The kinds of which one golden record may gather only so many values."""
        return {rule.name: rule.limit for rule in self.key_rules if rule.limit is not None}

    @cached_property
    def unsimple(self) -> Collection[str]:
        """The fields with a rule of their own, a group's and consent's companions included."""
        grouped = {name for group in self.together for name in group.fields}
        return frozenset(self.fields) | grouped | {rule.evidence for rule in self.fields.values() if rule.evidence}


@dataclass(frozen=True)
class Rules:
    """The rules of all master entities."""

    entities: Mapping[str, EntityRules]

    @cached_property
    def revision(self) -> str:
        """Hash of the content of all rules files."""
        return content_hash({name: rules.revision for name, rules in self.entities.items()})

    def for_entity(self, name: str) -> EntityRules:
        """The rules of a master entity. Raises BadSetting when there are none."""
        rules = self.entities.get(name)
        if rules is None:
            raise BadSetting(
                f"no rules for the entity '{name}' under dedup/rules; there are: {', '.join(sorted(self.entities))}"
            )
        return rules


def load_rules(folder: Path | str, dictionary: Names) -> Rules:
    """Read and check every rules file below a folder. Raises BadDocument with file, line, field and near names."""
    found: dict[str, EntityRules] = {}
    errors: list[BadDocument] = []
    for document in read_folder(folder):
        try:
            rules = compile_rules(document, dictionary)
            if rules.entity in found:
                raise document.error(("entity",), f"'{rules.entity}' has rules in another file already")
            found[rules.entity] = rules
        except BadDocument as error:
            errors.append(error)
    if errors:
        raise gather(errors)
    return Rules(found)


def compile_rules(document: Document, dictionary: Names) -> EntityRules:
    """One rules file as EntityRules. Raises BadDocument, all faults at once."""
    written = document.fit(WrittenRules)
    entity = dictionary.entities.get(written.entity)
    masters = sorted(name for name, other in dictionary.entities.items() if str(other.kind) == "master")
    if entity is None or str(entity.kind) != "master":
        raise document.error(
            ("entity",), f"'{written.entity}' is no master entity", value=written.entity, allowed=masters
        )
    errors = list(faults(document, written, entity.fields))
    if errors:
        raise gather(errors)
    default = written.survivorship.default
    sources = _places(written.survivorship.sources)
    return EntityRules(
        entity=written.entity,
        revision=document.revision,
        key_rules=_key_rules(written, entity.fields),
        max_cluster=written.max_cluster,
        default=FieldRule(tuple(default), sources),
        fields={
            name: _field_rule(rule, entity.fields[name], default, sources)
            for name, rule in written.survivorship.fields.items()
        },
        together=tuple(
            GroupRule(
                tuple(group.fields),
                FieldRule(tuple(group.by or default), sources),
                group.earliest or group.latest or "",
                group.latest is not None,
            )
            for group in written.survivorship.together
        ),
    )


def _key_rules(written: WrittenRules, fields: Mapping[str, Any]) -> tuple[KeyRule, ...]:
    pieces: dict[tuple[str, ...], KeyPiece] = {}  # a piece that several keys use is drawn once per record
    rules = []
    for key in written.keys:
        used = tuple(
            pieces.setdefault((part.transform, *part.fields), _piece(part, written.blocked)) for part in key.from_
        )
        limit = key.limit
        if limit is None and key.strength == "strong":
            marks = [fields[path_of(text)[0]].identifier for part in key.from_ for text in part.fields]
            limit = max(mark.limit for mark in marks if mark is not None)
        rules.append(
            KeyRule(key.name, Strength(key.strength), key.priority, limit, key.hot_after or written.hot_after, used)
        )
    return tuple(sorted(rules, key=lambda rule: rule.rank))


def _piece(part: WrittenFrom, blocked: list[WrittenBlocked]) -> KeyPiece:
    applying = [block for block in blocked if block.transform in (None, part.transform)]
    exact = [value for block in applying for value in block.exact]
    patterns = [pattern for block in applying for pattern in block.regex]
    return KeyPiece(tuple(path_of(name) for name in part.fields), TRANSFORMS[part.transform], Blocked(exact, patterns))


def _field_rule(rule: WrittenFieldRule, field: Any, default: list[Criterion], sources: Mapping[str, int]) -> FieldRule:
    return FieldRule(
        by=tuple(rule.by or default),
        sources=_places(rule.sources) or sources,
        union=(field.key or "") if rule.union else None,
        restrictive_first=tuple(rule.consent.restrictive_first) if rule.consent else (),
        evidence=rule.consent.evidence if rule.consent else "",
    )


def _places(sources: list[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(sources)}
