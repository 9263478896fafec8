"""Compiles one part of a mapping document: its fields inward, its fields outward, its references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dictionary import Entity, Field
from kernel.documents import Where
from kernel.records import Json
from mappings.compiling import Checker
from mappings.document import FieldSpec, PartSpec, WriteSpec
from mappings.drawing import DrawField, PartPlan, RefPlan
from mappings.paths import ABSENT, ROOT, Extractor, Path, dotted, parse_path, scoped
from mappings.steps import Apply, Read, Step, bound_chain, chain, inverse
from mappings.targets import InField, OutField, Take, TargetPart

_BARE = Field(type="text", description="An identifier of a vendor.", pii="none", since="1.0.0")


class PartCompiler:
    """Compiles one part; faults go to the checker."""

    def __init__(self, checker: Checker, name: str, spec: PartSpec, entity: Entity, resource: str) -> None:
        self._checker, self._name, self._spec, self._entity = checker, name, spec, entity
        self._resource = resource
        self._where: Where = ("produces", name)
        self._extract = Extractor()
        self._plain: list[tuple[str, Any, Apply, Any]] = []
        self._other: list[tuple[str, DrawField, Any]] = []
        self._constants: dict[str, Any] = {}
        self._refs: list[RefPlan] = []
        self._references: dict[str, str] = {}
        self._out: list[OutField] = []
        self._drawn: list[InField] = []

    def compile(self) -> PartPlan:
        """The plan for drawing; call `target` after it."""
        each = self._read(("each",), self._spec.each)
        key = self._read(("key",), self._spec.key) if each else None
        when = self._checker.condition((*self._where, "when"), self._spec.when)
        for name, spec in self._spec.fields.items():
            where = (*self._where, "fields", name)
            field = self._checker.entity_field(where, self._entity, name)
            if field is None:
                continue
            if field.type == "reference" or spec.ref is not None:
                self._reference(where, name, spec, field)
            else:
                self._field(where, name, spec, field)
        if self._spec.create:
            self._missing()
        golden = self._enriching()
        self._extract.finish()
        plain = [(name, self._extract.slot(ticket), convert, back) for name, ticket, convert, back in self._plain]
        return PartPlan(
            self._name, self._entity, self._resource, when, each, key,
            self._constants, self._extract, plain, self._other, self._refs, self._spec.create, golden,
        )  # fmt: skip

    def target(self) -> TargetPart | None:
        """How the part is written; None when it writes nothing."""
        if self._spec.each is not None:
            return None
        for vendor, spec in self._spec.write.items():
            self._written((*self._where, "write", vendor), vendor, spec)
        if not self._out and not self._references:
            return None
        self._twice()
        return TargetPart(self._name, self._entity.name, self._out, self._drawn, self._references)

    def _read(self, step: Where, text: str | None) -> Read | None:
        if text is None:
            return None
        path = self._checker.path((*self._where, *step), text)
        return scoped(path) if path else None

    def _enriching(self) -> Read | None:
        """How a part that only adds to golden records tells which; None where its keys do."""
        if self._spec.create:
            if self._spec.golden is not None:
                self._checker.fault((*self._where, "golden"), "is only with `create: false`")
            return None
        if self._entity.kind != "master":
            self._checker.fault((*self._where, "create"), "only golden records of masters are added to")
        if self._spec.each is not None:
            self._checker.fault((*self._where, "each"), "a part with `create: false` is drawn once a record")
        return self._read(("golden",), self._spec.golden)

    def _missing(self) -> None:
        """A required field that nothing maps would park every record."""
        for name in self._entity.required:
            if name not in self._spec.fields:
                self._checker.fault((*self._where, "fields"), f"{self._entity.name} requires '{name}'; map it")

    def _field(self, where: Where, name: str, spec: FieldSpec, field: Field) -> None:
        kind = self._checker.one_source(where, spec)
        if kind is None:
            return
        if spec.by is not None or (kind != "each" and spec.fields is not None):
            self._checker.fault(where, "`by` is for references and `fields` for `each`")
        if kind in ("each", "items"):
            self._embedded(where, name, spec, field, kind)
            return
        if kind == "const":
            self._constants[name] = self._checker.constant((*where, "const"), field, spec.const)
            return
        steps = self._checker.steps(where, spec.transform, field)
        read = self._checker.source(where, spec)
        if steps is None or read is None:
            return
        if spec.direction != "out":
            self._inward(where, name, spec, field, steps)
        if spec.direction != "in":
            self._outward(where, name, spec, steps, lambda data: data.get(name, ABSENT))

    def _inward(self, where: Where, name: str, spec: FieldSpec, field: Field, steps: list[Step]) -> None:
        fallback = self._checker.fallback(where, spec, field)
        bound = any(step.bind for step in steps)
        if spec.path is not None and not bound:
            self._plain.append((name, self._extract.add(parse_path(spec.path)), chain(steps), fallback))
        elif (draw := self._checker.drawn(where, spec, field)) is not None:
            self._other.append((name, draw, fallback))
        self._note_sources(name, spec, steps)

    def _note_sources(self, canonical: str, spec: FieldSpec, steps: list[Step]) -> None:
        """Which vendor fields a canonical field is drawn from."""
        convert = _converter(steps)
        for text in [spec.path] if spec.path else [*(spec.first_of or ()), *(spec.of or ())]:
            vendor = spec.write if spec.write and spec.path else self._vendor_name(parse_path(text))
            if vendor:
                self._drawn.append(InField(canonical, vendor, convert if spec.of is None else None))

    def _vendor_name(self, path: Path) -> str:
        """A path as the vendor names the field when it is written; empty when it cannot be."""
        root = self._checker.write_root
        if path[0] == ROOT or path[: len(root)] != root or len(path) == len(root):
            return ""
        return dotted(path[len(root) :])

    def _outward(self, where: Where, name: str, spec: FieldSpec, steps: list[Step], take: Take) -> None:
        asked = spec.direction in ("both", "out") or spec.write is not None
        if self._entity.kind == "event" and not asked:
            return  # what happened is not written back unless the mapping says so
        back = inverse(steps)
        path = parse_path(spec.path) if spec.path else None
        vendor = spec.write or (self._vendor_name(path) if path else "")
        if back is None or not vendor:
            if asked:
                reason = "its transforms cannot be inverted" if back is None else "it has no vendor field to write"
                self._checker.fault(where, f"cannot be written: {reason}; set `direction: in`")
            return
        observe = path if path and path[0] != ROOT else self._observed(vendor)
        self._out.append(OutField(vendor, name, take, back, observe, spec.only_create))
        for step in steps:
            for beside, render in step.beside.items():
                self._beside(name, beside, render, take, spec.only_create)

    def _beside(self, name: str, text: str, render: Apply, take: Take, only_create: bool) -> None:
        path = parse_path(text)
        vendor = self._vendor_name(path)
        if vendor and all(field.vendor != vendor for field in self._out):
            self._out.append(OutField(vendor, name, take, render, path, only_create))
            self._drawn.append(InField(name, vendor, None))

    def _observed(self, vendor: str) -> Path:
        return (*self._checker.write_root, *parse_path(vendor))

    def _embedded(self, where: Where, name: str, spec: FieldSpec, field: Field, kind: str) -> None:
        draw = self._checker.drawn(where, spec, field)
        if draw is not None:
            self._other.append((name, draw, self._checker.fallback(where, spec, field)))
        if kind == "each":
            if spec.direction in ("both", "out"):
                self._checker.fault(where, "`each` is inbound only")
            return
        if spec.direction == "in" or draw is None:
            return
        for key, specs in (spec.items or {}).items():
            for inner_name, inner in specs.items():
                self._embedded_out((*where, "items", key, inner_name), name, field, key, inner_name, inner)

    def _embedded_out(self, where: Where, name: str, field: Field, key: str, inner_name: str, inner: FieldSpec) -> None:
        """One field of one embedded object, out to the flat vendor field it is drawn from."""
        inner_field = (field.fields or {}).get(inner_name)
        if inner_field is None or inner.direction == "in":
            return
        steps = self._checker.steps(where, inner.transform, inner_field)
        if steps is None:
            return
        if inner.direction != "out":
            self._note_sources(name, inner, steps)
        self._outward(where, name, inner, steps, _take_embedded(name, field.key or "", key, inner_name))

    def _reference(self, where: Where, name: str, spec: FieldSpec, field: Field) -> None:
        if field.type != "reference" or spec.ref is None or spec.ref != field.to:
            told = f"must be `ref: {field.to}`" if field.type == "reference" else "is not a reference"
            self._checker.fault(where, told)
            return
        target = self._checker.dictionary.entity(spec.ref)
        if spec.write is not None:
            self._references[name] = spec.write
        if spec.by is None:
            if spec.direction != "out":
                self._checker.fault(where, "needs `by`, or `direction: out`")
            return
        if "object" in spec.by:
            self._object_reference(where, name, spec, target)
        else:
            self._identifier_reference(where, name, spec, target)

    def _object_reference(self, where: Where, name: str, spec: FieldSpec, target: Entity) -> None:
        by = spec.by or {}
        resource = by.get("resource")
        if set(by) != {"object", "resource"} or not isinstance(resource, str):
            self._checker.fault((*where, "by"), "is {object: <path of the id>, resource: <its resource>}")
            return
        known = (self._checker.resources or {}).get(self._checker.system)
        if known and resource not in known:  # a system without any takes them from its connection's settings
            message = f"{self._checker.system} has no resource '{resource}'"
            self._checker.fault((*where, "by", "resource"), message, value=resource, allowed=sorted(known))
        draw = self._by((*where, "by", "object"), by["object"], _BARE)
        if draw is not None:
            self._refs.append(RefPlan(name, target.name, "object", resource, draw))

    def _identifier_reference(self, where: Where, name: str, spec: FieldSpec, target: Entity) -> None:
        by = spec.by or {}
        identifier = next(iter(by), "")
        if len(by) != 1 or identifier not in target.identifiers:
            allowed = ("object", *target.identifiers)
            message = f"{target.name} is not identified by '{identifier}'" if len(by) == 1 else "names one identifier"
            self._checker.fault((*where, "by"), message, value=identifier, allowed=allowed)
            return
        draw = self._by((*where, "by", identifier), by[identifier], target.fields[identifier])
        if draw is not None:
            self._refs.append(RefPlan(name, target.name, "identifier", identifier, draw))

    def _by(self, where: Where, source: str | FieldSpec, field: Field) -> DrawField | None:
        if isinstance(source, str):
            if self._checker.path(where, source) is None:
                return None
            source = FieldSpec(path=source)
        return self._checker.drawn(where, source, field)

    def _written(self, where: Where, vendor: str, spec: WriteSpec) -> None:
        sources = [*(spec.first_of or ()), *(spec.of or ())]
        given = [name for name in ("first_of", "of", "const") if name in spec.model_fields_set]
        if len(given) != 1:
            self._checker.fault(where, "needs exactly one of `from`, `first_of`, `const`")
            return
        fields = [self._checker.entity_field(where, self._entity, name) for name in sources]
        observed = self._checker.path(where, vendor)
        if observed is None or any(field is None for field in fields):
            return
        if "const" in spec.model_fields_set:
            render: Apply | None = _same
            take = _take_const(spec.const)
        else:
            steps = self._checker.steps(where, spec.transform, fields[0] or _BARE, finish=False)
            render = None if steps is None else chain(steps) if steps else _same
            take = _take_first(sources) if spec.first_of is not None else _take_all(sources)
        if render is not None:
            default = spec.default if "default" in spec.model_fields_set else ABSENT
            canonical = sources[0] if sources else vendor
            self._out.append(
                OutField(vendor, canonical, take, render, self._observed(vendor), spec.only_create, default)
            )

    def _twice(self) -> None:
        seen: dict[str, str] = {}
        for field in self._out:
            if field.vendor in seen:
                message = f"'{field.vendor}' is written from {seen[field.vendor]} and {field.canonical}"
                self._checker.fault(self._where, f"{message}; set one of them to `direction: in`")
            seen[field.vendor] = field.canonical


def _converter(steps: list[Step]) -> Callable[[Any, Json], Any]:
    if any(step.bind for step in steps):
        bound = bound_chain(steps)
        return lambda value, raw: bound(value, raw, raw)
    plain = chain(steps)
    return lambda value, raw: plain(value)


def _same(value: Any) -> Any:
    return value


def _take_embedded(name: str, key_field: str, key: str, inner: str) -> Take:
    def take(data: Json) -> Any:
        for item in data.get(name) or ():
            if item.get(key_field) == key:
                return item.get(inner, ABSENT)
        return ABSENT

    return take


def _take_const(value: Any) -> Take:
    return lambda data: value


def _take_first(names: list[str]) -> Take:
    def take(data: Json) -> Any:
        values = [data.get(name, ABSENT) for name in names]
        return next((value for value in values if value not in (ABSENT, None, "")), values[0])

    return take


def _take_all(names: list[str]) -> Take:
    def take(data: Json) -> Any:
        values = [data.get(name, ABSENT) for name in names]
        if all(value is ABSENT for value in values):
            return ABSENT
        told = [None if value is ABSENT else value for value in values]
        return None if all(value is None for value in told) else told

    return take
