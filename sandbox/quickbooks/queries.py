"""The query language: SELECT * or COUNT(*), AND only, ORDER BY or ORDERBY, STARTPOSITION, MAXRESULTS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.quickbooks.shapes import LISTS, RESOURCES
from sandbox.salesforce.soql import BadQuery, comparable, parse
from sandbox.state import Json

MOST, USUAL = 1000, 100
_TAIL = re.compile(r"\s+(STARTPOSITION|MAXRESULTS)\s+(\d+)", re.IGNORECASE)
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")
_COMMON = {"Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime"}
_NAMED = {"Active", "FullyQualifiedName"}
FILTERS: dict[str, set[str]] = {
    "Customer": _COMMON | _NAMED | {"DisplayName", "GivenName", "MiddleName", "FamilyName", "CompanyName", "Suffix",
                                    "PrintOnCheckName", "PrimaryEmailAddr", "Balance"},
    "Item": _COMMON | _NAMED | {"Name", "Type", "Sku"},
    "Invoice": _COMMON | {"DocNumber", "TxnDate", "DueDate", "CustomerRef", "Balance", "TotalAmt"},
    "Payment": _COMMON | {"TxnDate", "CustomerRef", "TotalAmt", "PaymentRefNum"},
    "CreditMemo": _COMMON | {"DocNumber", "TxnDate", "CustomerRef", "TotalAmt"},
    "RefundReceipt": _COMMON | {"DocNumber", "TxnDate", "CustomerRef", "TotalAmt"},
}  # fmt: skip
"""What may stand in WHERE and ORDER BY: neither Notes nor custom fields."""


def select(text: str, rows_of: Callable[[str], list[Json]]) -> tuple[str, list[Json], int]:
    """(entity, rows, start) of a query; of a count ("", [], how many). Raises BadQuery."""
    tail = {name.upper(): int(number) for name, number in _TAIL.findall(text)}
    bare = _TAIL.sub("", text)
    outside = _TEXT.sub("''", bare)
    if re.search(r"\b(OR|NOT|JOIN|GROUP)\b", outside, re.IGNORECASE):
        raise BadQuery("Error parsing query: OR, NOT, JOIN and GROUP are not supported")
    bare = re.sub(r"\bORDERBY\b", "ORDER BY", bare, flags=re.IGNORECASE)
    bare = re.sub(r"^\s*SELECT\s+COUNT\(\*\)", "SELECT count()", bare, flags=re.IGNORECASE)
    query = parse(re.sub(r"^\s*SELECT\s+\*", "SELECT everything", bare, flags=re.IGNORECASE))
    entity = query.resource
    if entity not in RESOURCES:
        raise BadQuery(f"Error parsing query: {entity} is not known")
    known = {name.lower() for name in FILTERS[entity]}
    if wrong := [name for name in query.named if name.lower() not in known]:
        raise BadQuery(f"QueryValidationError: Property {wrong[0]} not found for Entity {entity}")
    rows = [row for row in rows_of(RESOURCES[entity]) if query.where is None or query.where(row, _value)]
    if RESOURCES[entity] in LISTS and "active" not in {name.lower() for name in query.named}:
        rows = [row for row in rows if row.get("Active", True)]
    if query.count:
        return "", [], len(rows)
    for name, descending in reversed(query.order):
        rows.sort(key=lambda row: _order(_value(row, name)), reverse=descending)  # noqa: B023 - used at once
    start = max(1, tail.get("STARTPOSITION", 1))
    most = min(MOST, tail.get("MAXRESULTS", USUAL))
    return entity, rows[start - 1 : start - 1 + most], start


def _value(row: Json, path: str) -> Any:
    """A property by its name, without regard to case; of a reference or an address, what it holds."""
    found: Any = row
    for step in path.lower().split("."):
        found = (
            next((value for name, value in found.items() if name.lower() == step), None)
            if isinstance(found, dict)
            else None
        )
    if isinstance(found, dict):
        return found.get("value", found.get("Address"))
    return found


def _order(value: Any) -> tuple[bool, Any]:
    return value is not None, comparable(value) if value is not None else 0
