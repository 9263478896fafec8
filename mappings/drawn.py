"""What drawing a record gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernel.errors import Park
from kernel.records import Json


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to another record: a vendor object of the same connection, or whoever holds an identifier."""

    entity: str
    kind: Literal["object", "identifier"]
    name: str  # the resource of the object, or the identifier field of the entity
    value: str  # the vendor id, or the canonical value of the identifier

    @property
    def resource(self) -> str:
        """The resource of an object reference."""
        return self.name if self.kind == "object" else ""

    @property
    def identifier(self) -> str:
        """The field of an identifier reference."""
        return self.name if self.kind == "identifier" else ""


@dataclass(frozen=True, slots=True)
class Part:
    """One entity drawn out of one record. `key` tells the parts of an `each` apart; else it is empty.

    `create` is False for a part that only adds to a golden record that is there; `golden` is that record's id, where the
    source tells it, and then the key too: a record that names another one later is another part.
    """

    name: str
    key: str
    entity: str
    data: Json
    refs: Mapping[str, Ref]
    create: bool = True
    golden: str = ""


@dataclass(frozen=True, slots=True)
class Warn:
    """A value that was left out or replaced. `change` drafts the dictionary change that would have let it in."""

    field: str  # part.field
    rule: str
    allowed: tuple[str, ...] = ()
    change: Mapping[str, str] | None = None  # entity, field, value, resource; the value is a picklist's


@dataclass(slots=True)
class Drawn:
    """What became of a record: parts, or filtered by a rule, or an error that parks it. Warnings may come with each."""

    parts: list[Part] = field(default_factory=list)
    filtered: str | None = None
    error: Park | None = None
    warnings: list[Warn] = field(default_factory=list)
