"""What a field of the dictionary becomes in the warehouse: columns, their types, and what personal data is shown as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dictionary import Dictionary, Field
from dictionary.values import instant_text
from kernel.records import Json
from kernel.vault import Vault

Take = Callable[[Json], Any]
"""A column's value out of golden data; None where there is none."""

TYPES = {
    "text": "VARCHAR",
    "email": "VARCHAR",
    "phone": "VARCHAR",
    "url": "VARCHAR",
    "domain": "VARCHAR",
    "picklist": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(38,9)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "json": "JSON",
}
"""Dictionary type → DuckDB's. Money becomes an amount and a currency, a reference the other golden record's id."""
MONEY = "DECIMAL(38,6)"
_SHARED = ("email", "phone", "domain")  # hashed alike wherever they stand, so that tables can be joined by them


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `reference` names the link that fills it, where it holds a golden record's id."""

    name: str
    type: str
    take: Take
    reference: str = ""


def columns(words: Dictionary, entity: str, personal: str, vault: Vault) -> list[Column]:
    """The columns of an entity under a rule for personal data: `omitted`, `hashed` or `plain`.

    omitted: only fields that are not personal (`pii: none`). hashed: also indirect ones as they are, and direct ones as a
    keyed hash in a column NAME_hash: equal values are equal, and nobody reads them. plain: everything, sensitive too.
    """
    found: list[Column] = []
    for name, field in words.entity(entity).fields.items():
        shown = _shown(field, personal)
        if shown == "plain":
            found += _plain(name, field, personal)
        elif shown == "hashed":
            found += _hashed(entity, name, field, vault)
    return found


def _shown(field: Field, personal: str) -> str:
    if field.pii == "none" or personal == "plain":
        return "plain"
    if personal == "omitted" or field.pii == "sensitive":
        return ""
    return "plain" if field.pii == "indirect" else "hashed"


def _plain(name: str, field: Field, personal: str) -> list[Column]:
    if field.type == "reference":
        return [Column(f"{name}_id", "VARCHAR", lambda data: None, name)]
    if field.type == "money":
        return [
            Column(f"{name}_amount", MONEY, lambda data: (data.get(name) or {}).get("amount")),
            Column(f"{name}_currency", "VARCHAR", lambda data: (data.get(name) or {}).get("currency")),
        ]
    if field.type == "datetime":
        return [Column(name, TYPES["datetime"], lambda data: _instant(data.get(name)))]
    if field.type == "list" and field.fields is not None:
        return [Column(name, "JSON", _entries(name, field.fields, personal))]
    if field.type == "list":
        return [Column(name, f"{TYPES[field.items or 'text']}[]", lambda data: data.get(name))]
    return [Column(name, TYPES[field.type], lambda data: data.get(name))]


def _entries(name: str, fields: Mapping[str, Field], personal: str) -> Take:
    """Embedded objects with those of their fields that are shown as they are."""
    shown = {inner for inner, field in fields.items() if _shown(field, personal) == "plain"}

    def take(data: Json) -> Any:
        entries = data.get(name)
        if not isinstance(entries, list):
            return None
        return [{key: value for key, value in entry.items() if key in shown} for entry in entries]

    return take


def _hashed(entity: str, name: str, field: Field, vault: Vault) -> list[Column]:
    """A keyed hash of a scalar, and of each scalar of a list; embedded objects are left out."""
    kind = f"warehouse:{field.items or field.type}"
    if (field.items or field.type) not in _SHARED:
        kind = f"warehouse:{entity}.{name}"
    if field.type == "list" and field.items is None:
        return []

    def take(data: Json) -> Any:
        value = data.get(name)
        if isinstance(value, list):
            return [vault.keyed_hash(kind, _text(one)) for one in value]
        return None if value is None or value == "" else vault.keyed_hash(kind, _text(value))

    return [Column(f"{name}_hash", "VARCHAR[]" if field.type == "list" else "VARCHAR", take)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _instant(value: Any) -> str | None:
    return None if not isinstance(value, str) else instant_text(value).rstrip("Z")


def rows_type(found: Sequence[Column]) -> dict[str, str]:
    """Every column's type by name, ours first."""
    ours = {"id": "VARCHAR", "version": "INTEGER", "created_at": "TIMESTAMP", "updated_at": "TIMESTAMP"}
    return ours | {column.name: column.type for column in found}
