"""Stewards' rules of who is one and whose value wins: dedup/rules/<entity>.yaml, checked against the dictionary."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from dedup.keys import EXACT_KINDS, Blocked, Key, KeyPiece, KeyRule, Strength
from dedup.keys import Path as FieldPath
from dedup.normalise import TRANSFORMS
from kernel.documents import Document, Where, gather, read_folder
from kernel.errors import BadDocument, BadSetting
from kernel.ids import content_hash

Criterion = Literal["verified", "source", "recent", "oldest", "complete"]


class Names(Protocol):
    """What is asked of the dictionary: entities by name, of each its `kind` and its `fields`.

    Of a field: `identifier` (None or its strength and limit), and of an embedded list its `key` and `fields`.
    """

    @property
    def entities(self) -> Mapping[str, Any]:
        """The entities by name."""


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _From(_Written):
    fields: list[str] = Field(min_length=1)
    transform: str


class _Key(_Written):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    strength: Literal["strong", "composite", "support"]
    from_: list[_From] = Field(alias="from", min_length=1)
    priority: int = Field(ge=0)
    limit: int | None = Field(default=None, ge=1)
    hot_after: int | None = Field(default=None, ge=2)


class _Blocked(_Written):
    transform: str | None = None  # None: for every key
    exact: list[str] = []
    regex: list[str] = []


class _Consent(_Written):
    restrictive_first: list[str] = Field(min_length=2)
    evidence: str


class _FieldRule(_Written):
    by: list[Criterion] = Field(default=[], min_length=1)
    sources: list[str] = []
    union: bool = False
    consent: _Consent | None = None


class _Survivorship(_Written):
    default: list[Criterion] = Field(min_length=1)
    sources: list[str] = []
    together: list[list[str]] = []
    fields: dict[str, _FieldRule] = {}


class _File(_Written):
    entity: str
    description: str
    max_cluster: int = Field(ge=2)
    hot_after: int = Field(ge=2)
    keys: list[_Key] = Field(min_length=1)
    blocked: list[_Blocked] = []
    survivorship: _Survivorship


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Whose value of a field survives. `by` are tried in order until one tells the members apart."""

    by: tuple[Criterion, ...]
    sources: Mapping[str, int] = field(default_factory=dict)  # connection or system -> its place
    union: str | None = None  # "" for a list of plain values, the name of the entries' key for embedded ones
    restrictive_first: tuple[str, ...] = ()  # a consent field's statuses
    evidence: str = ""  # a consent field's companion: filled only when the person said so


@dataclass(frozen=True)
class EntityRules:
    """The compiled rules of one master entity."""

    entity: str
    revision: str
    key_rules: tuple[KeyRule, ...]
    max_cluster: int
    default: FieldRule
    fields: Mapping[str, FieldRule] = field(default_factory=dict)
    together: tuple[tuple[str, ...], ...] = ()  # fields that come from one member or not at all

    def keys(self, data: Mapping[str, Any]) -> list[Key]:
        """The keys of a part's dictionary data, normalised, blocked values dropped. Plain text: hash before keeping."""
        known: dict[int, list[str]] = {}
        keys: list[Key] = []
        for rule in self.key_rules:
            keys += rule.keys(data, known)
        return keys

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
        grouped = {name for group in self.together for name in group}
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
    written = document.fit(_File)
    entity = dictionary.entities.get(written.entity)
    masters = sorted(name for name, other in dictionary.entities.items() if str(other.kind) == "master")
    if entity is None or str(entity.kind) != "master":
        raise document.error(
            ("entity",), f"'{written.entity}' is no master entity", value=written.entity, allowed=masters
        )
    errors = list(_faults(document, written, entity.fields))
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
        together=tuple(tuple(group) for group in written.survivorship.together),
    )


def _key_rules(written: _File, fields: Mapping[str, Any]) -> tuple[KeyRule, ...]:
    pieces: dict[tuple[str, ...], KeyPiece] = {}  # a piece that several keys use is drawn once per record
    rules = []
    for key in written.keys:
        used = tuple(
            pieces.setdefault((part.transform, *part.fields), _piece(part, written.blocked)) for part in key.from_
        )
        limit = key.limit
        if limit is None and key.strength == "strong":
            limit = min(fields[_path(text)[0]].identifier.limit for part in key.from_ for text in part.fields)
        rules.append(
            KeyRule(key.name, Strength(key.strength), key.priority, limit, key.hot_after or written.hot_after, used)
        )
    return tuple(sorted(rules, key=lambda rule: rule.rank))


def _piece(part: _From, blocked: list[_Blocked]) -> KeyPiece:
    applying = [block for block in blocked if block.transform in (None, part.transform)]
    exact = [value for block in applying for value in block.exact]
    patterns = [pattern for block in applying for pattern in block.regex]
    return KeyPiece(tuple(_path(name) for name in part.fields), TRANSFORMS[part.transform], Blocked(exact, patterns))


def _field_rule(rule: _FieldRule, field: Any, default: list[Criterion], sources: Mapping[str, int]) -> FieldRule:
    return FieldRule(
        by=tuple(rule.by or default),
        sources=_places(rule.sources) or sources,
        union=(field.key or "") if rule.union else None,
        restrictive_first=tuple(rule.consent.restrictive_first) if rule.consent else (),
        evidence=rule.consent.evidence if rule.consent else "",
    )


def _places(sources: list[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(sources)}


def _path(text: str) -> FieldPath:
    """`addresses[kind=shipping].postal_code` as ("addresses", "[kind=shipping]", "postal_code")."""
    return tuple(re.findall(r"\[[^\]]*\]|[^.\[\]]+", text))


_PATH = re.compile(r"[a-z][a-z0-9_]*(\[[a-z_]+=[a-z0-9_]+\])?(\.[a-z][a-z0-9_]*)?")


def _faults(document: Document, written: _File, fields: Mapping[str, Any]) -> Iterator[BadDocument]:
    names: set[str] = set(EXACT_KINDS)
    for place, key in enumerate(written.keys):
        if key.name in names:
            yield document.error(("keys", place, "name"), f"'{key.name}' is taken; choose another name")
        names.add(key.name)
        if key.strength == "composite" and len(key.from_) < 2:
            yield document.error(("keys", place, "from"), "a composite key needs two parts or more")
        if key.strength == "strong" and len(key.from_) > 1:
            yield document.error(("keys", place, "from"), "a strong key has one part; a key of several is composite")
        for number, part in enumerate(key.from_):
            where: Where = ("keys", place, "from", number)
            if part.transform not in TRANSFORMS:
                known = sorted(TRANSFORMS)
                yield document.error((*where, "transform"), "unknown transform", value=part.transform, allowed=known)
            for index, text in enumerate(part.fields):
                yield from _path_faults(document, (*where, "fields", index), text, key.strength, fields)
    for place, block in enumerate(written.blocked):
        yield from _blocked_faults(document, ("blocked", place), block)
    yield from _survivorship_faults(document, written.survivorship, fields)


def _path_faults(
    document: Document, where: Where, text: str, strength: str, fields: Mapping[str, Any]
) -> Iterator[BadDocument]:
    if not _PATH.fullmatch(text):
        yield document.error(where, "is not a field, field.name or field[name=value].name")
        return
    name, *steps = _path(text)
    if name not in fields:
        yield document.error(where, "unknown field", value=name, allowed=sorted(fields))
        return
    inner = fields[name].fields
    for step in steps:
        inside = step[1:].partition("=")[0] if step.startswith("[") else step
        if inner is None or inside not in inner:
            yield document.error(where, f"unknown field inside '{name}'", value=inside, allowed=sorted(inner or ()))
    mark = fields[name].identifier
    if strength == "strong" and (mark is None or mark.strength != "strong"):
        strong = sorted(
            other for other, field in fields.items() if field.identifier and field.identifier.strength == "strong"
        )
        yield document.error(where, f"the dictionary does not mark '{name}' as a strong identifier", allowed=strong)


def _blocked_faults(document: Document, where: Where, block: _Blocked) -> Iterator[BadDocument]:
    if block.transform is not None and block.transform not in TRANSFORMS:
        known = sorted(TRANSFORMS)
        yield document.error((*where, "transform"), "unknown transform", value=block.transform, allowed=known)
    for number, pattern in enumerate(block.regex):
        try:
            re.compile(pattern)
        except re.error as error:
            yield document.error((*where, "regex", number), f"is no regular expression: {error.msg}")


def _survivorship_faults(
    document: Document, written: _Survivorship, fields: Mapping[str, Any]
) -> Iterator[BadDocument]:
    at: Where = ("survivorship", "fields")
    for name, rule in written.fields.items():
        if name not in fields:
            yield document.error((*at, name), "unknown field", value=name, allowed=sorted(fields))
        elif rule.union and fields[name].type != "list":
            yield document.error((*at, name, "union"), "only a list can be united")
        if rule.consent is not None and rule.consent.evidence not in fields:
            place = (*at, name, "consent", "evidence")
            yield document.error(place, "unknown field", value=rule.consent.evidence, allowed=sorted(fields))
    taken = {*written.fields, *(rule.consent.evidence for rule in written.fields.values() if rule.consent is not None)}
    for group, names in enumerate(written.together):
        for number, name in enumerate(names):
            where: Where = ("survivorship", "together", group, number)
            if name not in fields:
                yield document.error(where, "unknown field", value=name, allowed=sorted(fields))
            elif name in taken:
                yield document.error(where, f"'{name}' has another rule already")
            taken.add(name)
