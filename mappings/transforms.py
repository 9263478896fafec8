"""The closed list of named transforms, and the one that each dictionary type gets when a mapping names none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import Field as Described

from dictionary.entity import Field
from dictionary.values import RULES
from mappings import numbers, places, texts, times
from mappings.paths import ABSENT
from mappings.steps import Apply, Params, Step, Unfit, same


class NoParams(Params):
    """A transform without parameters."""


class Table(Params):
    """A vendor's values and what each means here; null means nothing."""

    inward: dict[str, str | None] = Described(alias="in", description="vendor value: dictionary value")
    outward: dict[str, str | None] = Described(
        default_factory=dict, alias="out", description="dictionary value: vendor value; null is not written"
    )


@dataclass(frozen=True, slots=True)
class Transform:
    """A named transform: its parameters, how it is made, and what it does in one sentence."""

    name: str
    params: type[Any]
    make: Callable[[Any, Field], Step]
    invertible: bool

    @property
    def told(self) -> str:
        """What it does, for the reference page."""
        return (self.make.__doc__ or "").strip().splitlines()[0]


def picklist(table: Table, field: Field) -> Step:
    """A vendor's value as one of the dictionary's, by the table, else by its own name; without regard to case."""
    known: dict[str, str | None] = {_slug(value): value for value in field.values or ()}
    known |= {value.strip().lower(): value for value in field.values or ()}
    known |= {key.strip().lower(): value for key, value in table.inward.items()}
    back: dict[str, Any] = {value: key for key, value in reversed(table.inward.items()) if value is not None}
    back |= {value: ABSENT if key is None else key for value, key in table.outward.items()}

    def apply(value: Any) -> Any:
        if isinstance(value, bool):
            value = "true" if value else "false"
        written = texts.text(value)
        if not written:
            return None
        found = known.get(written.lower(), ABSENT)
        if found is ABSENT:
            found = known.get(_slug(written), written)
        return ABSENT if found is None else found

    return Step(apply, lambda value: back.get(value, value), yields="picklist")


def _slug(value: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")


def _plain(function: Apply, invert: Apply | None = same, yields: str = "") -> Callable[[Any, Field], Step]:
    def make(params: Any, field: Field) -> Step:
        return Step(function, invert, yields=yields)

    make.__doc__ = function.__doc__
    return make


def _with(factory: Callable[[Any], Step]) -> Callable[[Any, Field], Step]:
    def make(params: Any, field: Field) -> Step:
        return factory(params)

    make.__doc__ = factory.__doc__
    return make


def _simple(name: str, function: Apply, invert: Apply | None = same, yields: str = "") -> Transform:
    return Transform(name, NoParams, _plain(function, invert, yields), invert is not None)


def _made(name: str, params: type[Any], factory: Callable[[Any], Step], *, invertible: bool = True) -> Transform:
    return Transform(name, params, _with(factory), invertible)


TRANSFORMS: Mapping[str, Transform] = {
    transform.name: transform
    for transform in (
        _simple("text", texts.text, yields="text"),
        _simple("trim", texts.text),
        _simple("lower", texts.lower),
        _simple("upper", texts.upper),
        _simple("collapse", texts.collapse),
        _simple("strip_html", texts.strip_html, None),
        _simple("email", texts.email, yields="email"),
        _simple("domain", texts.domain, yields="domain"),
        _simple("domain_of", texts.domain_of, None, "domain"),
        _simple("url", texts.url, yields="url"),
        _simple("first", texts.first, None),
        _simple("list", texts.as_list),
        _simple("full_name", texts.full_name, None, "text"),
        _made("name_part", texts.NamePart, texts.name_part, invertible=False),
        _made("join", texts.Separator, texts.join, invertible=False),
        _made("split", texts.Separator, texts.split),
        _made("strip_prefix", texts.Prefix, texts.strip_prefix),
        _made("absent_if", texts.Values, texts.absent_if),
        _made("phone", places.PhoneParams, places.phone),
        _made("country", places.CountryParams, places.country),
        _made("integer", numbers.DecimalParams, numbers.integer),
        _made("decimal", numbers.DecimalParams, numbers.decimal),
        _made("multiply", numbers.Factor, numbers.multiply),
        _made("money", numbers.MoneyParams, numbers.money),
        _made("boolean", numbers.BooleanParams, numbers.boolean),
        _made("date", times.DateParams, times.day),
        _made("datetime", times.TimeParams, times.instant),
        Transform("picklist", Table, picklist, True),
    )
}
"""Every transform by name. There is no other, and no expression language."""

_BY_TYPE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "text": ("text", {}),
    "email": ("email", {}),
    "phone": ("phone", {}),
    "url": ("url", {}),
    "domain": ("domain", {}),
    "integer": ("integer", {}),
    "decimal": ("decimal", {}),
    "money": ("money", {}),
    "boolean": ("boolean", {}),
    "date": ("date", {}),
    "datetime": ("datetime", {}),
    "picklist": ("picklist", {"in": {}}),
}


def default_step(field: Field) -> Step:
    """What a value of a field goes through last, unless the mapping's own transforms end in its type."""
    if field.type == "list" and field.items:
        return _each_item(default_step(field.model_copy(update={"type": field.items, "items": None})))
    if field.type == "json" or field.type not in _BY_TYPE:
        return Step(same, same, yields=field.type)
    name, params = _BY_TYPE[field.type]
    transform = TRANSFORMS[name]
    return transform.make(transform.params.model_validate(params), field)


def _each_item(step: Step) -> Step:
    """A step for scalars, for a list of them: a bad or empty item spoils the list."""

    def apply(value: Any) -> list[Any]:
        if isinstance(value, dict):
            raise Unfit(RULES["list"])
        found = (step.apply(item) for item in texts.as_list(value))
        return texts.unique([item for item in found if item is not None and item is not ABSENT])

    def invert(value: Any) -> Any:
        return [cast(Apply, step.invert)(item) for item in value]

    return Step(apply, invert, yields="list")
