"""The search endpoint's request: filter groups, one sort, offset paging with its ceiling of 10,000."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

CEILING = 10_000
MAX_LIMIT = 200
MAX_GROUPS, MAX_FILTERS_PER_GROUP, MAX_FILTERS = 5, 10, 25

Object = dict[str, Any]


class BadSearch(ValueError):
    """A search HubSpot answers with 400."""


def _comparable(text: str) -> float | str:
    """Dates and numbers compare as numbers (epoch ms), the rest as lower-case text."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if re.match(r"\d{4}-\d\d-\d\d", text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text.lower()
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
    return text.lower()


def _compare(left: str, right: str) -> int:
    a, b = _comparable(left), _comparable(right)
    if isinstance(a, float) and isinstance(b, float):
        return (a > b) - (a < b)
    a, b = str(a), str(b)
    return (a > b) - (a < b)


def _tokens(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


_OPERATORS: Mapping[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "EQ": lambda have, f: _compare(have, str(f["value"])) == 0,
    "NEQ": lambda have, f: _compare(have, str(f["value"])) != 0,
    "GT": lambda have, f: _compare(have, str(f["value"])) > 0,
    "GTE": lambda have, f: _compare(have, str(f["value"])) >= 0,
    "LT": lambda have, f: _compare(have, str(f["value"])) < 0,
    "LTE": lambda have, f: _compare(have, str(f["value"])) <= 0,
    "BETWEEN": lambda have, f: _compare(have, str(f["value"])) >= 0 and _compare(have, str(f["highValue"])) <= 0,
    "IN": lambda have, f: any(_compare(have, str(v)) == 0 for v in f["values"]),
    "NOT_IN": lambda have, f: all(_compare(have, str(v)) != 0 for v in f["values"]),
    "CONTAINS_TOKEN": lambda have, f: _tokens(str(f["value"]).replace("*", "")) <= _tokens(have),
    "NOT_CONTAINS_TOKEN": lambda have, f: not _tokens(str(f["value"]).replace("*", "")) <= _tokens(have),
}


def _holds(properties: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    have = properties.get(rule.get("propertyName", ""))
    operator = str(rule.get("operator"))
    if operator == "HAS_PROPERTY":
        return have not in (None, "")
    if operator == "NOT_HAS_PROPERTY":
        return have in (None, "")
    if operator not in _OPERATORS:
        raise BadSearch(f'Invalid input JSON: Cannot deserialize value of type `OperatorEnum` from String "{operator}"')
    try:
        return have not in (None, "") and _OPERATORS[operator](str(have), rule)
    except KeyError as missing:
        raise BadSearch(f"operator {operator} requires {missing}") from None


def _check(body: Mapping[str, Any], known: Sequence[str]) -> None:
    groups = body.get("filterGroups") or []
    filters = [rule for group in groups for rule in group.get("filters", [])]
    widest = max((len(group.get("filters", [])) for group in groups), default=0)
    if len(groups) > MAX_GROUPS or len(filters) > MAX_FILTERS or widest > MAX_FILTERS_PER_GROUP:
        raise BadSearch("There was a problem with the request: too many filters")
    for name in [rule.get("propertyName") for rule in filters]:
        if name not in known:
            raise BadSearch(f"There was a problem with the request: property {name} does not exist")
    if not 0 <= int(body.get("limit", 10)) <= MAX_LIMIT:
        raise BadSearch(f"The maximum number of results is {MAX_LIMIT}")
    if len(body.get("sorts") or []) > 1:
        raise BadSearch("There was a problem with the request: only one sort is allowed")


def _sort(objects: list[Object], sorts: Sequence[Any]) -> list[Object]:
    rule = sorts[0] if sorts else {"propertyName": "hs_object_id"}
    if isinstance(rule, str):
        rule = {"propertyName": rule.lstrip("-"), "direction": "DESCENDING" if rule.startswith("-") else "ASCENDING"}

    def key(item: Object) -> tuple[int, float, str]:
        value = _comparable(str(item["properties"].get(rule["propertyName"]) or ""))
        return (0, value, "") if isinstance(value, float) else (1, 0.0, value)

    return sorted(objects, key=key, reverse=rule.get("direction") == "DESCENDING")


def search(
    objects: Sequence[Object], body: Mapping[str, Any], known: Sequence[str]
) -> tuple[int, list[Object], str | None]:
    """Total, one page and the next `after` of a search over `objects`. Raises BadSearch."""
    _check(body, known)
    groups = body.get("filterGroups") or []
    found = [
        item
        for item in objects
        if not groups or any(all(_holds(item["properties"], rule) for rule in g.get("filters", [])) for g in groups)
    ]
    text = str(body.get("query") or "").lower()
    if text:
        found = [item for item in found if any(text in str(value).lower() for value in item["properties"].values())]
    start, limit = int(body.get("after") or 0), int(body.get("limit", 10))
    if start + limit > CEILING:
        raise BadSearch(f"The requested page is beyond the first {CEILING:,} results")
    page = _sort(found, body.get("sorts") or [])[start : start + limit]
    after = str(start + limit) if start + limit < len(found) else None
    return len(found), page, after
