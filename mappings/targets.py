"""The way out: golden data as a vendor's fields, and what a vendor's record holds of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from dictionary.values import instant_text
from kernel.errors import Park
from kernel.records import Json
from mappings.paths import ABSENT, Extractor, Path
from mappings.steps import Apply, Unfit

Take = Callable[[Json], Any]
"""Takes a canonical value out of golden data: ABSENT, None or the value."""


@dataclass(frozen=True, slots=True)
class OutField:
    """One vendor field that is written."""

    vendor: str
    canonical: str  # the canonical field it renders, for messages
    take: Take
    render: Apply
    observed: Path  # where a vendor's record holds it
    only_create: bool = False
    default: Any = ABSENT  # the vendor value when nothing is there


@dataclass(frozen=True, slots=True)
class InField:
    """One canonical field that is drawn from a vendor field; `convert` is None where one value does not tell it."""

    canonical: str
    vendor: str
    convert: Callable[[Any, Json], Any] | None  # of (value, record around it)


class TargetPart:
    """How one entity is written to one resource."""

    def __init__(
        self, name: str, entity: str, out: Sequence[OutField], drawn: Sequence[InField], references: Mapping[str, str]
    ) -> None:
        """Made by `mappings.load`."""
        self.name, self.entity = name, entity
        self.references = references
        self.only_create = frozenset(field.vendor for field in out if field.only_create)
        self._out = tuple(out)
        self._extract = Extractor()
        tickets = [self._extract.add(field.observed) for field in out]
        self._extract.finish()
        self._observed = [
            (field.vendor, self._extract.slot(ticket)) for field, ticket in zip(out, tickets, strict=True)
        ]
        written = {field.vendor for field in out}
        self.canonical_fields: Mapping[str, tuple[str, ...]] = {
            vendor: tuple(dict.fromkeys(field.canonical for field in drawn if _within(field.vendor, vendor)))
            for vendor in (field.vendor for field in out)
        }
        self._converters: Mapping[str, tuple[Callable[[Any, Json], Any], ...]] = {
            vendor: tuple(field.convert for field in drawn if field.vendor == vendor and field.convert)
            for vendor in written
        }

    def filled(self, data: Json) -> set[str]:
        """The vendor's fields that a write of golden data fills; none where it cannot be written."""
        try:
            return {name for name, value in self.render(data).items() if value is not None}
        except Park:
            return set()

    def render(self, data: Json) -> Json:
        """The vendor's fields for golden data: an absent value is not there, a null is None.

        Raises Park (bad_value) when a value cannot be written here, such as an amount in a currency the target lacks.
        """
        rendered: Json = {}
        for field in self._out:
            value = field.take(data)
            if value is None or value is ABSENT:
                if field.default is not ABSENT:
                    rendered[field.vendor] = field.default
                elif value is None:
                    rendered[field.vendor] = None
                continue
            try:
                value = field.render(value)
            except Unfit as unfit:
                message = f"{field.canonical} {unfit.rule}"
                raise Park(message, allowed=unfit.allowed, cause="bad_value", field=field.canonical) from None
            if value is not ABSENT:
                rendered[field.vendor] = value
        return rendered

    def observe(self, raw: Json) -> Json:
        """What a vendor's record holds of the fields that `render` can write; an absent one is not there."""
        values = self._extract(raw, raw)
        return {vendor: values[slot] for vendor, slot in self._observed if values[slot] is not ABSENT}

    def same(self, vendor_field: str, a: Any, b: Any, *, raw: Json | None = None) -> bool:
        """Whether two of a vendor's values mean the same: equal, both empty, or equal once drawn.

        `raw`, where known, is the record around them: a number without a country code is read by its country.
        """
        if a == b or (_empty(a) and _empty(b)):
            return True
        if _empty(a) or _empty(b):
            return False
        converters = self._converters.get(vendor_field, ())
        if converters:
            try:
                around = raw or {}
                return all(_meant(convert(a, around)) == _meant(convert(b, around)) for convert in converters)
            except ValueError:
                pass
        return _alike(a, b)


def _within(drawn: str, written: str) -> bool:
    """Whether a field is drawn from what is written: the same, or inside it (`tags.0` in `tags`)."""
    return drawn == written or drawn.startswith(f"{written}.")


def _empty(value: Any) -> bool:
    """Vendors do not tell null, an empty text and an empty list apart."""
    return value is None or value == "" or value == []


def _meant(value: Any) -> Any:
    """A canonical value less what does not change its meaning: the original offset, a list's order, null or nothing."""
    if isinstance(value, str) and value.endswith("]"):
        return instant_text(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return sorted(value)
    return None if value is ABSENT or value == "" else value


def _alike(a: Any, b: Any) -> bool:
    """Equal as numbers or as text, where no transform can be asked."""
    if isinstance(a, dict | list) or isinstance(b, dict | list):
        return False
    try:
        return Decimal(str(a).strip()) == Decimal(str(b).strip())
    except InvalidOperation:
        return str(a).strip().lower() == str(b).strip().lower()
