"""The fields of a resource, for `discover`, where a vendor describes itself by JSON Schema, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kernel.records import FieldInfo, Json

_TYPES = {
    "integer": "number", "number": "number", "boolean": "boolean", "array": "json", "object": "json",
    "date": "date", "date-time": "datetime",
}  # fmt: skip
_KINDS = {bool: "boolean", int: "number", float: "number", dict: "json", list: "json"}


def fields_in(schema: Mapping[str, Any], read_only: Collection[str]) -> list[FieldInfo]:
    """The properties of a JSON Schema; those of an object stand by dotted names, after the plain ones."""
    told = dict(schema.get("properties") or {})
    inner = {name: dict(one.get("properties") or {}) for name, one in told.items()}
    plain = {name: one for name, one in told.items() if not inner[name]}
    within = {f"{name}.{leaf}": one for name, parts in inner.items() for leaf, one in parts.items()}
    return [_field(name, one, name in read_only) for name, one in {**plain, **within}.items()]


def fields_shown(objects: Iterable[Json], reference: Collection[str] = ()) -> dict[str, str]:
    """Name to type of what some objects show, of a vendor that describes nothing; the last one's value tells the type.

    `reference`: the names of which an object that is a reference holds no others.
    """
    shown = {name: value for one in objects for name, value in one.items()}
    kinds = {name: _KINDS.get(type(value), "string") for name, value in sorted(shown.items())}
    names = {name for name, value in shown.items() if isinstance(value, dict) and set(value) <= set(reference)}
    return {name: "reference" if name in names and reference else kind for name, kind in kinds.items()}


def _field(name: str, told: Mapping[str, Any], never: bool) -> FieldInfo:
    types = told.get("type")
    kind = str(
        (types or ["string"])[0] if isinstance(types, list) else types
    )  # ["string", "null"]: the first one counts
    choices = tuple(str(one) for one in told.get("enum") or ())
    type_ = "picklist" if choices else _TYPES.get(str(told.get("format")), _TYPES.get(kind, "string"))
    label = str(told.get("description") or "")
    return FieldInfo(name, type_, label, read_only=never or bool(told.get("readonly")), values=choices)
