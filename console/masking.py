"""Personal values are not shown unless somebody asks, by name, on record. What is not known to be harmless is personal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dictionary import Dictionary, Field
from mappings import TargetPart

MASK = "•••"


class Masker:
    """Masks by the dictionary's PII classes; with `show` it masks nothing."""

    def __init__(self, dictionary: Dictionary | None, show: bool) -> None:
        """Without a dictionary everything is personal."""
        self.dictionary, self.show = dictionary, show

    def value(self, entity: str, name: str, value: Any) -> Any:
        """A canonical field's value, or the mask."""
        return value if self.show or not self._personal(entity, [name]) else _masked(value)

    def data(self, entity: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """A record's fields, each shown or masked."""
        return {name: self.value(entity, name, value) for name, value in data.items()}

    def written(self, part: TargetPart | None, name: str, value: Any) -> Any:
        """A vendor field's value, by the canonical fields it is written from."""
        if self.show:
            return value
        canonical = part.canonical_fields.get(name, ()) if part is not None else ()
        return (
            value if part is not None and canonical and not self._personal(part.entity, canonical) else _masked(value)
        )

    def payload(self, value: Any) -> Any:
        """A vendor's raw record: its shape stays, its texts and numbers go."""
        if self.show or value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            return {name: self.payload(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.payload(inner) for inner in value]
        return MASK

    def _personal(self, entity: str, names: Iterable[str]) -> bool:
        if self.dictionary is None or entity not in self.dictionary.entities:
            return True
        fields = self.dictionary.entities[entity].fields
        return any(_is_personal(fields.get(name.partition(".")[0])) for name in names)


def _is_personal(field: Field | None) -> bool:
    return field is None or field.pii != "none" or any(_is_personal(inner) for inner in (field.fields or {}).values())


def _masked(value: Any) -> Any:
    return value if value is None else MASK
