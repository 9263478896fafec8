"""Compiles an entity's fields to one pydantic validator, once; checking a record is then a single call into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema

from dictionary.entity import Field, Problem
from dictionary.values import (
    DATETIME,
    DECIMAL,
    DOMAIN,
    EMAIL,
    PHONE,
    RULES,
    URL,
    currencies,
    is_date,
    is_datetime,
    is_json,
)

MAX_TEXT = 65_536
MAX_ITEMS = 2_000


class Validator:
    """Checks records of one entity."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        """Compile `fields`; references are drawn apart and are no part of the data."""
        self._fields = fields
        self._schema = SchemaValidator(_object(fields, strict_keys=True))

    def check(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        """The data without the fields that broke a rule, and the rules they broke."""
        try:
            clean: dict[str, Any] = self._schema.validate_python(data)
            return clean, []
        except ValidationError as error:
            problems = self._problems(error)
        bad = {problem.field.partition(".")[0] for problem in problems}
        clean, more = self.check({name: value for name, value in data.items() if name not in bad})
        return clean, problems + more

    def _problems(self, error: ValidationError) -> list[Problem]:
        found: dict[str, Problem] = {}
        for item in error.errors(include_url=False, include_input=False):
            where = [step for step in item["loc"] if not (isinstance(step, str) and step.startswith("function"))]
            name = ".".join(str(step) for step in where)
            found.setdefault(str(where[0]) if where else name, self._problem(name, where, item))
        return list(found.values())

    def _problem(self, name: str, where: list[Any], item: Any) -> Problem:
        kind = item["type"]
        if kind == "extra_forbidden":
            return Problem(name, "is not in the dictionary")
        if kind == "missing":
            return Problem(name, "is required", cause="missing_required")
        if kind == "string_too_long":
            return Problem(name, f"must not be longer than {item['ctx']['max_length']} characters")
        field = _field_at(self._fields, where)
        if field is None:
            return Problem(name, "is not in the dictionary")
        if field.type == "picklist":
            return Problem(name, RULES["picklist"], tuple(field.values or ()), "unknown_value")
        if kind == "value_error" and field.type == "list":
            return Problem(name, str(item["ctx"]["error"]))
        scalar = field.items if field.type == "list" and len(where) > 1 and field.items else field.type
        return Problem(name, RULES[scalar])


def check_value(field: Field, value: Any) -> str:
    """What rule a single canonical value breaks; empty when it is right."""
    _, problems = Validator({"value": field}).check({"value": value})
    return problems[0].rule if problems else ""


def _field_at(fields: Mapping[str, Field], where: list[Any]) -> Field | None:
    field = None
    for step in where:
        if isinstance(step, str) and step in fields:
            field = fields[step]
            fields = field.fields or {}
    return field


def _object(fields: Mapping[str, Field], *, strict_keys: bool, key: str | None = None) -> core_schema.CoreSchema:
    members = {}
    for name, field in fields.items():
        if field.type == "reference":
            continue
        schema = _schema(field)
        if key is not None and (name == key or field.required):
            members[name] = core_schema.typed_dict_field(schema, required=True)
        else:
            members[name] = core_schema.typed_dict_field(core_schema.nullable_schema(schema), required=False)
    return core_schema.typed_dict_schema(members, extra_behavior="forbid" if strict_keys else "ignore", strict=True)


def _text(pattern: str | None = None, length: int = MAX_TEXT) -> core_schema.CoreSchema:
    return core_schema.str_schema(pattern=pattern, max_length=length, strict=True)


def _after(function: Any, schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    return core_schema.no_info_after_validator_function(function, schema)


def _money() -> core_schema.CoreSchema:
    return core_schema.typed_dict_schema(
        {
            "amount": core_schema.typed_dict_field(_text(DECIMAL)),
            "currency": core_schema.typed_dict_field(core_schema.literal_schema(sorted(currencies()))),
        },
        extra_behavior="forbid",
        strict=True,
    )


def _scalar(kind: str, length: int | None) -> core_schema.CoreSchema:
    if kind == "integer":
        return core_schema.int_schema(strict=True, ge=-(2**63), le=2**63 - 1)
    patterns = {"email": EMAIL, "phone": PHONE, "url": URL, "domain": DOMAIN, "decimal": DECIMAL}
    lengths = {"email": 254, "phone": 32, "url": 2048, "domain": 253, "decimal": 64}
    return _text(patterns.get(kind), length or lengths.get(kind, MAX_TEXT))


def _schema(field: Field) -> core_schema.CoreSchema:
    match field.type:
        case "boolean":
            return core_schema.bool_schema(strict=True)
        case "date":
            return _after(is_date, _text(length=10))
        case "datetime":
            return _after(is_datetime, _text(DATETIME, 40))
        case "money":
            return _money()
        case "picklist":
            return core_schema.literal_schema(list(field.values or {}))
        case "json":
            return _after(is_json, core_schema.any_schema())
        case "list" if field.fields and field.key:
            embedded = _object(field.fields, strict_keys=True, key=field.key)
            listed = core_schema.list_schema(embedded, max_length=MAX_ITEMS, strict=True)
            return _after(_told_apart(field.key), listed)
        case "list":
            return core_schema.list_schema(_scalar(field.items or "text", None), max_length=MAX_ITEMS, strict=True)
        case _:
            return _scalar(field.type, field.max_length)


def _told_apart(key: str) -> Any:
    def check(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({item[key] for item in items}) != len(items):
            raise ValueError(f"holds two elements with the same {key}")
        return items

    return check
