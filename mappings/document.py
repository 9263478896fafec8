"""The shape of mappings/<system>/<resource>.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mappings.predicates import When

PartName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[A-Za-z0-9_]+$")]
Transforms = list[str | dict[str, Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class FieldSpec(_Strict):
    """Where one canonical field comes from, and whether it goes back there."""

    path: str | None = Field(None, description="dotted path")
    jmespath: str | None = Field(None, description="JMESPath, where a plain path is not enough; inbound only")
    const: Any = Field(None, description="always this canonical value")
    first_of: list[str] | None = Field(None, description="the first path that holds something; inbound only")
    of: list[str] | None = Field(None, alias="from", description="several paths, as a list for the transform")
    each: str | None = Field(None, description="the list whose elements become embedded objects; inbound only")
    fields: dict[str, FieldSpec] | None = Field(None, description="with `each`: the embedded objects' fields")
    when: When | None = Field(None, description="with `each`: which elements; the others are left out")
    items: dict[str, dict[str, FieldSpec]] | None = Field(
        None, description="embedded objects by key, each from flat fields"
    )
    transform: Transforms = Field(default_factory=list)
    default: Any = Field(None, description="the canonical value when nothing is there")
    direction: Literal["both", "in", "out"] | None = Field(None, description="both where it can be inverted, else in")
    only_create: bool = Field(False, description="written when the object is created, never after")
    write: str | None = Field(None, description="the vendor's field when written, or the target's reference name")
    ref: str | None = Field(None, description="the entity that a reference names")
    by: dict[str, str | FieldSpec] | None = Field(None, description="{object:, resource:} or {identifier:}")


class WriteSpec(_Strict):
    """A vendor field that is only written, put together from canonical fields."""

    first_of: list[str] | None = Field(None, description="the first canonical field that holds something")
    of: list[str] | None = Field(None, alias="from", description="several canonical fields, as a list")
    const: Any = Field(None, description="always this vendor value")
    transform: Transforms = Field(default_factory=list)
    default: Any = Field(None, description="the vendor value when nothing is there")
    only_create: bool = False


class PartSpec(_Strict):
    """One entity that a record gives."""

    entity: str
    when: When | None = None
    each: str | None = Field(None, description="the list of which each element gives one part")
    key: str = Field("id", description="with `each`: the path of the element's key")
    fields: dict[str, FieldSpec] = Field(default_factory=dict)
    write: dict[str, WriteSpec] = Field(default_factory=dict)
    target: bool = Field(False, description="of several parts of one entity, the one that is written")
    create: bool = Field(
        True, description="false: only adds to golden records that are there; what matches none is filtered"
    )
    golden: str | None = Field(
        None, description="with `create: false`: the path of the golden record's id, where it is told"
    )


class Example(_Strict):
    """A record and what must come of it; runs as a test."""

    name: str = ""
    given: dict[str, Any]
    expect: dict[str, Any] = Field(default_factory=dict, description="part: {field: value}; null: not drawn")
    expect_write: dict[str, dict[str, Any]] = Field(default_factory=dict, description="part: {vendor field: value}")
    expect_filtered: bool = False
    expect_parked: str | None = Field(None, description="the cause")


class ParkSpec(_Strict):
    """Records that a person must look at, whatever they hold."""

    when: When


class MappingDocument(_Strict):
    """One resource's mapping."""

    resource: ResourceName
    description: str = ""
    id: str | None = Field(None, description="path of the id, where no connector declares it")
    updated_at: str | FieldSpec | None = Field(None, description="path of the version's time, likewise")
    when: When | None = Field(None, description="records that do not fit are filtered")
    park: ParkSpec | None = Field(None, description="records that are parked before anything is drawn")
    write_root: str | None = Field(None, description="the prefix that the vendor's field names lack when written")
    produces: dict[PartName, PartSpec]
    examples: list[Example] = Field(default_factory=list)


def sources_of(document: MappingDocument) -> frozenset[str]:
    """The dotted paths of a record that a mapping reads (those of JMESPath aside); `a[].b` is read of each element of a."""
    found = set[str]()
    for part in document.produces.values():
        root = _under("", part.each) + "[]." if part.each else ""
        for spec in part.fields.values():
            _note(spec, root, found)
    return frozenset(found)


def decisive_of(document: MappingDocument) -> frozenset[str]:
    """The dotted paths by whose values a mapping decides what a record gives (`is: in`, `equals` and their contraries)."""
    found = set[str]()
    for part in [document, document.park, *document.produces.values()]:
        if part is not None and part.when is not None and not (isinstance(part, PartSpec) and part.each):
            _decide(part.when, found)
    return frozenset(found)


def _decide(when: When, found: set[str]) -> None:
    if when.path is not None and when.word in ("in", "not_in", "equals", "not_equals"):
        found.add(when.path.removeprefix("$."))
    for inner in [*(when.all or ()), *(when.any or ()), *([when.no] if when.no else [])]:
        _decide(inner, found)


def _note(spec: FieldSpec, root: str, found: set[str]) -> None:
    for path in [spec.path, spec.each, *(spec.first_of or ()), *(spec.of or ())]:
        if path is not None and spec.direction != "out":
            found.add(_under(root, path))
    inner = f"{_under(root, spec.each)}[]." if spec.each else root
    for one in (spec.fields or {}).values():
        _note(one, inner, found)
    for specs in (spec.items or {}).values():
        for one in specs.values():
            _note(one, root, found)
    for told in (spec.by or {}).values():
        if isinstance(told, FieldSpec):
            _note(told, root, found)
    if spec.by and isinstance(spec.by.get("object"), str):
        found.add(_under(root, str(spec.by["object"])))


def _under(root: str, path: str) -> str:
    steps = path.split(".")
    within, steps = ("", steps[1:]) if steps[0] == "$" else (root, steps)
    # `a.0.b` reads the elements of a list
    return within + "".join("[]" if step.isdigit() else f".{step}" for step in steps).removeprefix(".")
