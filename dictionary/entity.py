"""One entity of the data dictionary: its fields, what each means, and how a record of it is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Described

Kind = Literal["master", "transaction", "event"]
Type = Literal[
    "text",
    "email",
    "phone",
    "url",
    "domain",
    "integer",
    "decimal",
    "money",
    "boolean",
    "date",
    "datetime",
    "picklist",
    "reference",
    "json",
    "list",
]
ScalarType = Literal["text", "email", "phone", "url", "domain", "integer", "decimal"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
Sentence = Annotated[str, StringConstraints(min_length=8, max_length=600)]
Meaning = Annotated[str, StringConstraints(min_length=2, max_length=600)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Identifier(_Strict):
    """How a field tells one real thing from another."""

    strength: Literal["strong", "support"] = Described(description="strong: equal values mean the same thing")
    limit: int = Described(5, ge=1, le=100, description="most values of this kind one golden record may hold")


class Field(_Strict):
    """One field: its meaning, its type, who answers for it, and what happens when it is wrong."""

    type: Type
    description: Sentence
    pii: Literal["none", "indirect", "direct", "sensitive"] = Described(description="how personal the value is")
    since: Version
    owner: str = Described("", description="who answers for it; the entity's owner unless named")
    required: bool = Described(False, description="a record without it is parked")
    on_bad: Literal["park", "absent", "default"] | None = Described(
        None, description="what a wrong value does; park when required, absent otherwise"
    )
    default: Any = Described(None, description="the value for on_bad: default")
    identifier: Identifier | None = None
    max_length: int | None = Described(None, ge=1)
    values: dict[str, Meaning | None] | None = Described(None, description="a picklist's values with their meanings")
    required_at: dict[str, list[Name]] = Described(
        default_factory=dict, description="fields that must be there when this picklist has a value"
    )
    to: Name | None = Described(None, description="the entity a reference names")
    cardinality: Literal["many_to_one", "one_to_one"] = "many_to_one"
    items: ScalarType | None = Described(None, description="the type of a list's scalars")
    key: Name | None = Described(None, description="the field that tells a list's embedded objects apart")
    fields: dict[Name, Field] | None = Described(None, description="the fields of a list's embedded objects")
    deprecated: Version | None = Described(None, description="the version from which it is no longer filled")

    @property
    def bad(self) -> Literal["park", "absent", "default"]:
        """What a wrong value does."""
        return self.on_bad or ("park" if self.required else "absent")


class EntityDocument(_Strict):
    """A file of dictionary/entities."""

    entity: Name
    kind: Kind
    owner: Annotated[str, StringConstraints(min_length=2)]
    description: Sentence
    since: Version
    fields: dict[Name, Field]


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a record broke. `fatal` means that the record must be parked; nothing here holds a value."""

    field: str
    rule: str
    allowed: tuple[str, ...] = ()
    cause: str = "bad_value"
    fatal: bool = False


class Entity:
    """A compiled entity. Immutable; made by `dictionary.load`."""

    def __init__(self, document: EntityDocument, validator: Any) -> None:
        """`validator` checks a dict of this entity; see `dictionary.validators`."""
        self.document = document
        self.name, self.kind, self.owner = document.entity, document.kind, document.owner
        self.fields: Mapping[str, Field] = document.fields
        self.required = tuple(name for name, field in self.fields.items() if field.required)
        self._staged = tuple((name, field.required_at) for name, field in self.fields.items() if field.required_at)
        self._validator = validator

    @cached_property
    def identifiers(self) -> Mapping[str, Identifier]:
        """The fields that tell one real thing from another."""
        return {name: field.identifier for name, field in self.fields.items() if field.identifier}

    @cached_property
    def references(self) -> Mapping[str, str]:
        """Reference fields and the entity each names."""
        return {name: field.to for name, field in self.fields.items() if field.to}

    def validate(self, data: Mapping[str, Any], refs: Iterable[str] = ()) -> tuple[dict[str, Any], list[Problem]]:
        """The record with bad optional values taken out or defaulted, and every rule it broke.

        `refs`: reference fields that are filled; they are drawn apart from the data.
        """
        clean, problems = self._validator.check(data)
        if problems:
            problems = [self.judge(problem, clean) for problem in problems]
        for name in self.required:
            if clean.get(name) in (None, "") and name not in refs and not _told(problems, name):
                problems.append(Problem(name, "is required", cause="missing_required", fatal=True))
        if self._staged:
            problems.extend(self._check_stages(clean, refs))
        return clean, problems

    def judge(self, problem: Problem, clean: dict[str, Any]) -> Problem:
        """A broken rule with `on_bad` applied: a default put into `clean`, or the problem made fatal."""
        top = problem.field.partition(".")[0]
        field = self.fields.get(top)
        if field is None or field.bad == "park":
            return Problem(problem.field, problem.rule, problem.allowed, problem.cause, fatal=True)
        if field.bad == "default":
            clean[top] = field.default
        return problem

    def _check_stages(self, clean: dict[str, Any], refs: Iterable[str]) -> list[Problem]:
        """A stage that asks for fields that are not there is itself a bad value."""
        found = []
        for name, stages in self._staged:
            needed = stages.get(clean.get(name) or "", ())
            missing = [other for other in needed if clean.get(other) in (None, "") and other not in refs]
            if missing:
                stage = clean.pop(name)
                rule = f"'{stage}' asks for {', '.join(missing)}"
                found.append(self.judge(Problem(name, rule, cause="missing_required"), clean))
        return found


def _told(problems: Iterable[Problem], name: str) -> bool:
    return any(problem.field.partition(".")[0] == name for problem in problems)
