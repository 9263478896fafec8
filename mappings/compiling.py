"""Turns a part of a mapping document into plans for drawing and writing, noting every fault on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from dictionary import Dictionary, Entity, Field
from dictionary.validators import check_value
from kernel.documents import Document, Where
from kernel.errors import BadDocument
from kernel.records import Json
from mappings.document import FieldSpec, Transforms
from mappings.drawing import DrawField, Report
from mappings.paths import ABSENT, Path, parse_path, scoped, searching
from mappings.predicates import Predicate, When, compile_when
from mappings.steps import Read, Step, Unfit, bound_chain
from mappings.transforms import TRANSFORMS, Table, Transform, default_step

_SOURCES = ("path", "jmespath", "const", "first_of", "of", "each", "items")


@dataclass
class Checker:
    """A document, its dictionary, and the faults found so far."""

    document: Document
    dictionary: Dictionary
    system: str
    write_root: Path = ()
    resources: Mapping[str, Sequence[str]] | None = None
    errors: list[BadDocument] = field(default_factory=list)

    def fault(self, where: Where, message: str, *, value: str = "", allowed: Sequence[str] = ()) -> None:
        """Note a fault."""
        self.errors.append(self.document.error(where, message, value=value, allowed=allowed))

    def path(self, where: Where, text: str) -> Path | None:
        """A path, or a fault."""
        try:
            return parse_path(text)
        except ValueError as error:
            self.fault(where, str(error))
            return None

    def steps(self, where: Where, transforms: Transforms, field: Field, *, finish: bool = True) -> list[Step] | None:
        """Compiled transforms that end in the field's type; None when there were faults."""
        steps: list[Step] = []
        before = len(self.errors)
        for position, item in enumerate(transforms):
            step = self._step((*where, "transform", position), item, field)
            if step is not None:
                steps.append(step)
        if finish and (not steps or steps[-1].yields != field.type):
            steps.append(default_step(field))
        return steps if len(self.errors) == before else None

    def _step(self, where: Where, item: str | dict[str, Any], field: Field) -> Step | None:
        if isinstance(item, dict) and len(item) != 1:
            self.fault(where, "a transform is a name or {name: parameters}")
            return None
        name = item if isinstance(item, str) else next(iter(item))
        transform = TRANSFORMS.get(name)
        if transform is None:
            self.fault(where, f"unknown transform '{name}'", value=name, allowed=sorted(TRANSFORMS))
            return None
        try:
            params = self._params(where, item, transform)
            if params is None or self._bad_table((*where, name), params, field):
                return None
            return transform.make(params, field)
        except BadDocument as error:
            self.errors.append(error)
        except ValueError as error:
            self.fault(where, str(error))
        return None

    def _params(self, where: Where, item: str | dict[str, Any], transform: Transform) -> Any:
        if isinstance(item, dict):
            return self.document.fit(transform.params, (*where, transform.name))
        try:
            return transform.params.model_validate({})
        except ValidationError:
            self.fault(where, f"{transform.name} needs parameters", allowed=tuple(transform.params.model_fields))
            return None

    def _bad_table(self, where: Where, params: Any, field: Field) -> bool:
        if not isinstance(params, Table) or field.type != "picklist":
            return False
        known = tuple(field.values or ())
        bad = [(("in", key), value) for key, value in params.inward.items() if value not in (None, *known)]
        bad += [(("out", value), value) for value in params.outward if value not in known]
        for place, value in bad:
            self.fault((*where, *place), f"'{value}' is not in the dictionary", value=value or "", allowed=known)
        return bool(bad)

    def entity_field(self, where: Where, entity: Entity, name: str) -> Field | None:
        """A field of an entity, or a fault with the nearest names."""
        found = entity.fields.get(name)
        if found is None:
            message = f"{entity.name} has no field '{name}'"
            self.fault(where, message, value=name, allowed=tuple(entity.fields))
        return found

    def constant(self, where: Where, field: Field, value: Any) -> Any:
        """A canonical constant of the document, or a fault."""
        if value is not None and (rule := check_value(field, value)):
            self.fault(where, rule, value=str(value), allowed=tuple(field.values or ()))
        return value

    def source(self, where: Where, spec: FieldSpec) -> Read | None:
        """How a field's raw value is read; None for a fault or where there is nothing to read."""
        if spec.path is not None:
            path = self.path((*where, "path"), spec.path)
            return scoped(path) if path else None
        if spec.jmespath is not None:
            return self._jmespath((*where, "jmespath"), spec.jmespath)
        name, several = ("first_of", spec.first_of) if spec.first_of is not None else ("from", spec.of)
        paths = [self.path((*where, name, place), text) for place, text in enumerate(several or ())]
        reads = [scoped(path) for path in paths if path]
        if not several or len(reads) != len(several):
            if several is not None and not several:
                self.fault((*where, name), "names no path")
            return None
        return _first_of(reads) if name == "first_of" else _all_of(reads)

    def _jmespath(self, where: Where, text: str) -> Read | None:
        try:
            return searching(text)
        except ValueError as error:
            self.fault(where, str(error))
            return None

    def one_source(self, where: Where, spec: FieldSpec) -> str | None:
        """Which of the sources a field names; a fault unless it is exactly one."""
        given = [name for name in _SOURCES if name in spec.model_fields_set]
        if len(given) != 1:
            names = tuple(name if name != "of" else "from" for name in _SOURCES)
            self.fault(where, "needs exactly one source" if not given else "has more than one source", allowed=names)
            return None
        if spec.when is not None and given[0] != "each":
            self.fault((*where, "when"), "is only for `each`")
        return given[0]

    def embedded(self, where: Where, spec: FieldSpec, field: Field) -> DrawField | None:
        """Embedded objects from the elements of a list."""
        if field.type != "list" or not field.fields or not field.key:
            self.fault((*where, "each"), "is only for a list of embedded objects")
            return None
        path = self.path((*where, "each"), spec.each or "")
        inner = self.embedded_fields((*where, "fields"), spec.fields or {}, field)
        if field.key not in (spec.fields or {}):
            self.fault(where, f"must map '{field.key}', the key of each element")
        wanted = self.condition((*where, "when"), spec.when)
        if path is None or inner is None:
            return None
        read, key = scoped(path), field.key

        def draw(node: Any, root: Json, report: Report) -> Any:
            elements = read(node, root)
            if elements is None or elements is ABSENT:
                return elements
            if not isinstance(elements, list):
                raise Unfit("must be a list")
            fit = [element for element in elements if wanted is None or wanted(element, root)]
            items = [_object(inner, element, root, report) for element in fit]
            if any(item.get(key) in (None, "") for item in items):
                raise Unfit(f"holds an element without {key}")
            return items

        return draw

    def condition(self, where: Where, when: When | None) -> Predicate | None:
        """A compiled condition, or a fault."""
        if when is None:
            return None
        try:
            return compile_when(when)
        except ValueError as error:
            self.fault(where, str(error))
            return None

    def embedded_fields(
        self, where: Where, specs: Mapping[str, FieldSpec], parent: Field
    ) -> list[tuple[str, DrawField, Any]] | None:
        """How each field of an embedded object is drawn."""
        found, before = [], len(self.errors)
        for name, spec in specs.items():
            place: Where = (*where, name)
            inner = (parent.fields or {}).get(name)
            if inner is None:
                self.fault(place, f"unknown field '{name}'", value=name, allowed=tuple(parent.fields or ()))
            elif (draw := self.drawn(place, spec, inner)) is not None:
                found.append((name, draw, self.fallback(place, spec, inner)))
        return found if len(self.errors) == before else None

    def fallback(self, where: Where, spec: FieldSpec, field: Field) -> Any:
        """The value when nothing is there; ABSENT when none is named."""
        if "default" not in spec.model_fields_set:
            return ABSENT
        return self.constant((*where, "default"), field, spec.default)

    def drawn(self, where: Where, spec: FieldSpec, field: Field) -> DrawField | None:
        """How one field is drawn, in the general form."""
        kind = self.one_source(where, spec)
        if kind is None:
            return None
        if kind == "const":
            value = self.constant((*where, "const"), field, spec.const)
            return lambda node, root, report: value
        if kind in ("each", "items"):
            return self.embedded(where, spec, field) if kind == "each" else self.fixed(where, spec, field)
        read, steps = self.source(where, spec), self.steps(where, spec.transform, field)
        if read is None or steps is None:
            return None
        convert = bound_chain(steps)

        def draw(node: Any, root: Json, report: Report) -> Any:
            value = read(node, root)
            return value if value is None or value is ABSENT else convert(value, node, root)

        return draw

    def fixed(self, where: Where, spec: FieldSpec, field: Field) -> DrawField | None:
        """Embedded objects under given keys, each from flat fields; one whose fields are all empty is left out."""
        if field.type != "list" or not field.fields or not field.key:
            self.fault((*where, "items"), "is only for a list of embedded objects")
            return None
        plans = []
        for key, specs in (spec.items or {}).items():
            self.constant((*where, "items", key), field.fields[field.key], key)
            inner = self.embedded_fields((*where, "items", key), specs, field)
            if inner is not None:
                plans.append((key, inner))
        name = field.key

        def draw(node: Any, root: Json, report: Report) -> Any:
            objects = [(key, _object(inner, node, root, report)) for key, inner in plans]
            told = [(key, item) for key, item in objects if item]
            filled = [{name: key, **item} for key, item in told if any(_filled(value) for value in item.values())]
            return filled if filled or told else ABSENT

        return draw


def _filled(value: Any) -> bool:
    return value is not None and value != ""


def _object(inner: Sequence[tuple[str, DrawField, Any]], node: Any, root: Json, report: Report) -> Json:
    """One embedded object; a bad value is left out and told."""
    found: Json = {}
    for name, draw, fallback in inner:
        try:
            value = draw(node, root, report)
        except Unfit as unfit:
            report(name, unfit)
            continue
        if (value is None or value is ABSENT) and fallback is not ABSENT:
            value = fallback
        if value is not ABSENT:
            found[name] = value
    return found


def _first_of(reads: Sequence[Read]) -> Read:
    def read(node: Any, root: Json) -> Any:
        found: Any = ABSENT
        for one in reads:
            value = one(node, root)
            if value is not ABSENT and value is not None and not (isinstance(value, str) and not value.strip()):
                return value
            if found is ABSENT:
                found = value
        return found

    return read


def _all_of(reads: Sequence[Read]) -> Read:
    def read(node: Any, root: Json) -> Any:
        values = [one(node, root) for one in reads]
        if all(value is ABSENT for value in values):
            return ABSENT
        return [None if value is ABSENT else value for value in values]

    return read
