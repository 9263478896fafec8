"""What stewards write in dedup/rules/<entity>.yaml, and all that can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dedup.keys import EXACT_KINDS, Path
from dedup.normalise import TRANSFORMS
from kernel.documents import Document, Where
from kernel.errors import BadDocument

Criterion = Literal["verified", "source", "recent", "oldest", "complete"]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WrittenFrom(_Written):
    """Fields and how they become one text: any of them, or all together, as the transform goes."""

    fields: list[str] = Field(min_length=1)
    transform: str


class WrittenKey(_Written):
    """One kind of key; with several `from`, all of them are needed."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    strength: Literal["strong", "composite", "support"]
    from_: list[WrittenFrom] = Field(alias="from", min_length=1)
    priority: int = Field(ge=0)
    limit: int | None = Field(default=None, ge=1)
    hot_after: int | None = Field(default=None, ge=2)


class WrittenBlocked(_Written):
    """Values that identify nobody, for one transform or for all."""

    transform: str | None = None  # None: for every key
    exact: list[str] = []
    regex: list[str] = []


class WrittenConsent(_Written):
    """A consent field: its statuses, and the field that is filled only when the person said so."""

    restrictive_first: list[str] = Field(min_length=2)
    evidence: str


class WrittenFieldRule(_Written):
    """Whose value of one field survives."""

    by: list[Criterion] = Field(default=[], min_length=1)
    sources: list[str] = []
    union: bool = False
    consent: WrittenConsent | None = None


class WrittenGroup(_Written):
    """Fields that survive from one member or not at all."""

    fields: list[str] = Field(min_length=2)
    earliest: str | None = None
    latest: str | None = None
    by: list[Criterion] = Field(default=[], min_length=1)


class WrittenSurvivorship(_Written):
    """Whose values survive."""

    default: list[Criterion] = Field(min_length=1)
    sources: list[str] = []
    together: list[WrittenGroup] = []
    fields: dict[str, WrittenFieldRule] = {}


class WrittenRules(_Written):
    """A file of dedup/rules."""

    entity: str
    description: str
    max_cluster: int = Field(ge=2)
    hot_after: int = Field(ge=2)
    keys: list[WrittenKey] = Field(min_length=1)
    blocked: list[WrittenBlocked] = []
    survivorship: WrittenSurvivorship


def path_of(text: str) -> Path:
    """`addresses[kind=shipping].postal_code` as ("addresses", "[kind=shipping]", "postal_code")."""
    return tuple(re.findall(r"\[[^\]]*\]|[^.\[\]]+", text))


_PATH = re.compile(r"[a-z][a-z0-9_]*(\[[a-z_]+=[a-z0-9_]+\])?(\.[a-z][a-z0-9_]*)?")


def faults(document: Document, written: WrittenRules, fields: Mapping[str, Any]) -> Iterator[BadDocument]:
    """All that is wrong in a file; `fields` are the entity's in the dictionary."""
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
                yield from _path_faults(document, (*where, "fields", index), text, fields)
        if key.strength == "strong":
            yield from _mark_faults(document, ("keys", place, "strength"), key, fields)
    for place, block in enumerate(written.blocked):
        yield from _blocked_faults(document, ("blocked", place), block)
    yield from _survivorship_faults(document, written.survivorship, fields)


def _mark_faults(document: Document, where: Where, key: WrittenKey, fields: Mapping[str, Any]) -> Iterator[BadDocument]:
    strong = [name for name, field in fields.items() if field.identifier and field.identifier.strength == "strong"]
    if not any(path_of(text)[0] in strong for part in key.from_ for text in part.fields if path_of(text)):
        yield document.error(
            where, "the dictionary marks none of the key's fields as a strong identifier", allowed=strong
        )


def _path_faults(document: Document, where: Where, text: str, fields: Mapping[str, Any]) -> Iterator[BadDocument]:
    if not _PATH.fullmatch(text):
        yield document.error(where, "is not a field, field.name or field[name=value].name")
        return
    name, *steps = path_of(text)
    if name not in fields:
        yield document.error(where, "unknown field", value=name, allowed=sorted(fields))
        return
    inner = fields[name].fields
    for step in steps:
        inside = step[1:].partition("=")[0] if step.startswith("[") else step
        if inner is None or inside not in inner:
            yield document.error(where, f"unknown field inside '{name}'", value=inside, allowed=sorted(inner or ()))


def _blocked_faults(document: Document, where: Where, block: WrittenBlocked) -> Iterator[BadDocument]:
    if block.transform is not None and block.transform not in TRANSFORMS:
        known = sorted(TRANSFORMS)
        yield document.error((*where, "transform"), "unknown transform", value=block.transform, allowed=known)
    for number, pattern in enumerate(block.regex):
        try:
            re.compile(pattern)
        except re.error as error:
            yield document.error((*where, "regex", number), f"is no regular expression: {error.msg}")


def _survivorship_faults(
    document: Document, written: WrittenSurvivorship, fields: Mapping[str, Any]
) -> Iterator[BadDocument]:
    at: Where = ("survivorship", "fields")
    for name, rule in written.fields.items():
        if name not in fields:
            yield document.error((*at, name), "unknown field", value=name, allowed=sorted(fields))
        elif rule.union and fields[name].type != "list":
            yield document.error((*at, name, "union"), "only a list can be united")
        if rule.consent is not None and rule.consent.evidence not in fields:
            evidence = rule.consent.evidence
            yield document.error((*at, name, "consent"), "unknown field", value=evidence, allowed=sorted(fields))
    taken = {*written.fields, *(rule.consent.evidence for rule in written.fields.values() if rule.consent is not None)}
    for number, group in enumerate(written.together):
        where: Where = ("survivorship", "together", number)
        if group.earliest and group.latest:
            yield document.error(where, "is decided by `earliest` or by `latest`, not by both")
        for name in group.fields:
            if name in taken:
                yield document.error((*where, "fields"), f"'{name}' has another rule already")
            taken.add(name)
        for name in (*group.fields, *filter(None, (group.earliest, group.latest))):
            if name not in fields:
                yield document.error(where, "unknown field", value=name, allowed=sorted(fields))
