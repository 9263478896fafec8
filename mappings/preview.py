"""Shows what a mapping makes of a record, and runs the examples that stand in the mappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernel.errors import Park
from kernel.records import Json, SourceRecord
from mappings.document import Example
from mappings.drawing import Mapping
from mappings.drawn import Drawn, Part, Ref
from mappings.loading import Mappings
from mappings.paths import ABSENT


@dataclass(frozen=True, slots=True)
class Failure:
    """An example that did not come out as written."""

    resource: str
    example: str  # its name, or its number from 1
    told: str

    def __str__(self) -> str:
        return f"{self.resource}, example {self.example}: {self.told}"


def preview(mapping: Mapping, raw: Json) -> Json:
    """One record drawn, as JSON: state, parts with data and references, what each would write here, warnings."""
    drawn = draw_one(mapping, raw)
    return {
        "state": _state(drawn),
        "error": None if drawn.error is None else {"cause": drawn.error.cause, "message": drawn.error.message},
        "parts": [
            {
                "part": part.name,
                "key": part.key,
                "entity": part.entity,
                "data": part.data,
                "references": {name: _reference(ref) for name, ref in part.refs.items()},
                "writes": _writes(mapping, part),
            }
            for part in drawn.parts
        ],
        "warnings": [
            {"field": warn.field, "rule": warn.rule, "allowed": list(warn.allowed)} for warn in drawn.warnings
        ],
    }


def draw_one(mapping: Mapping, raw: Json) -> Drawn:
    """What one raw record gives."""
    return mapping.draw([SourceRecord("preview", raw)], connection="preview")[0]


def run_examples(mappings: Mappings) -> list[Failure]:
    """Every example of every mapping; what did not come out as written."""
    failures = []
    for mapping in mappings:
        for place, example in enumerate(mappings.examples(mapping.resource), 1):
            told = check_example(mapping, example)
            failures += [Failure(mapping.resource, example.name or str(place), one) for one in told]
    return failures


def check_example(mapping: Mapping, example: Example) -> list[str]:
    """In what an example differs from what is drawn; fields that it does not name are not compared."""
    drawn = draw_one(mapping, example.given)
    wanted = f"parked ({example.expect_parked})" if example.expect_parked else ""
    wanted = wanted or ("filtered" if example.expect_filtered else "drawn")
    state = f"parked ({drawn.error.cause})" if drawn.error else _state(drawn)
    if state != wanted:
        reason = f": {drawn.error.message}" if drawn.error else f": {drawn.filtered}" if drawn.filtered else ""
        return [f"is {state}{reason}, not {wanted}"]
    told = []
    for name, expected in example.expect.items():
        told += _compare(name, expected, [part for part in drawn.parts if part.name == name])
    for name, fields in example.expect_write.items():
        for part in (part for part in drawn.parts if part.name == name):
            told += _differences(f"{name} writes", fields, _writes(mapping, part) or {})
    return told


def _compare(name: str, expected: Any, parts: list[Part]) -> list[str]:
    if expected is None:
        return [f"{name} is drawn"] if parts else []
    if not parts:
        return [f"{name} is not drawn"]
    if parts[0].key and not parts[0].golden:
        found = {part.key: part for part in parts}
        told = [f"{name}.{key} is not drawn" for key in expected if key not in found]
        for key, fields in expected.items():
            if key in found:
                told += _differences(f"{name}.{key}", fields, _shown(found[key]))
        return told
    return _differences(name, expected, _shown(parts[0]))


def _differences(name: str, expected: Json, found: Json) -> list[str]:
    return [
        f"{name}: {field} is {found.get(field, ABSENT)!r}, not {value!r}"
        for field, value in expected.items()
        if found.get(field, ABSENT) != value
    ]


def _shown(part: Part) -> Json:
    return {**part.data, **{name: _reference(ref) for name, ref in part.refs.items()}}


def _reference(ref: Ref) -> Json:
    return {"object": ref.value, "resource": ref.name} if ref.kind == "object" else {ref.name: ref.value}


def _writes(mapping: Mapping, part: Part) -> Json | None:
    target = mapping.target_part(part.entity)
    if target is None or target.name != part.name:
        return None
    try:
        return target.render(part.data)
    except Park as error:
        return {"error": error.message}


def _state(drawn: Drawn) -> str:
    return "parked" if drawn.error else "filtered" if drawn.filtered else "drawn"
