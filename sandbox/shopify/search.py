"""Shopify's search syntax and connections, as far as they are used: terms, ranges, sort keys, value-based cursors."""

from __future__ import annotations

import base64
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from sandbox.state import Json

_TERM = re.compile(r"""(-?)(?:([\w.$-]+):)?(>=|<=|>|<|=)?(?:'([^']*)'|"([^"]*)"|(\S+))""")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_TIMES = {
    "updated_at": "updatedAt",
    "created_at": "createdAt",
    "customer_date": "createdAt",
    "processed_at": "processedAt",
}
_SORTS: Mapping[str, str] = {
    "UPDATED_AT": "updatedAt",
    "CREATED_AT": "createdAt",
    "PROCESSED_AT": "processedAt",
    "TITLE": "title",
    "NAME": "displayName",
}


def number_of(gid: str) -> int:
    """The number at the end of a global id."""
    return int(gid.rsplit("/", 1)[1].split("?")[0])


def matching(objects: list[Json], query: str | None) -> list[Json]:
    """The objects that fulfil every term of a `query:` argument; terms on unknown fields are ignored, as there."""
    for minus, name, sign, single, double, bare in _TERM.findall(query or ""):
        if bare in ("AND", "OR") and not name:
            continue
        value = single or double or bare
        test = _test(name, sign, value)
        if test is not None:
            objects = [obj for obj in objects if test(obj) != bool(minus)]
    return objects


def connection(objects: list[Json], args: Mapping[str, Any]) -> Json:
    """One page of a list of objects, in the order and from the cursor the arguments ask for."""
    key = _SORTS.get(str(args.get("sortKey") or ""), "")
    ordered = list(objects)
    if "sortKey" in args:
        ordered.sort(key=lambda obj: (str(obj.get(key) or ""), number_of(obj["id"])))
    if args.get("reverse"):
        ordered.reverse()
    places = [[str(obj.get(key) or ""), number_of(obj["id"])] for obj in ordered] if "sortKey" in args else None
    start = _start(ordered, places, args.get("after"), bool(args.get("reverse")))
    asked = args.get("first")
    size = 50 if asked is None else int(asked)
    chosen = ordered[start : start + size]
    cursors = [_cursor(places[start + n] if places else ["", start + n]) for n in range(len(chosen))]
    return {
        "nodes": chosen,
        "edges": [{"node": node, "cursor": cursor} for node, cursor in zip(chosen, cursors, strict=True)],
        "pageInfo": {
            "hasNextPage": start + size < len(ordered),
            "hasPreviousPage": start > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def _start(ordered: list[Json], places: list[list[Any]] | None, after: str | None, reverse: bool) -> int:
    """Sorted lists go on after the cursor's value, wherever its object is now; plain lists count."""
    if not after:
        return 0
    place = orjson.loads(base64.b64decode(after))
    if places is None:
        return int(place[1]) + 1
    beyond = operator.lt if reverse else operator.gt
    return next((n for n, other in enumerate(places) if beyond(other, place)), len(ordered))


def _cursor(place: list[Any]) -> str:
    return base64.b64encode(orjson.dumps(place)).decode()


def _test(name: str, sign: str, value: str) -> Callable[[Json], bool] | None:
    if name in _TIMES:
        field, wanted = _TIMES[name], _time(value)
        compare = _COMPARE.get(sign, _equal)
        return lambda obj: bool(obj.get(field)) and compare(_time(obj[field]), wanted)
    if name == "id":
        number = int(re.sub(r"\D", "", value) or 0)
        return lambda obj: _COMPARE.get(sign, _equal)(number_of(obj["id"]), number)
    if name == "email":
        return lambda obj: value.lower() in (email_of(obj) or "").lower()
    if name == "tag":
        return lambda obj: value.lower() in (tag.lower() for tag in obj.get("tags") or ())
    if name == "status":
        wanted_states = {state.strip().upper() for state in value.split(",")}
        return lambda obj: obj.get("status") in wanted_states
    if name in ("name", "title", "handle", "note"):
        return lambda obj: value.lower() in str(obj.get(name) or "").lower()
    if not name:
        return lambda obj: value.lower() in orjson.dumps(obj).decode().lower()
    return None


def email_of(obj: Json) -> str | None:
    """A customer's or an order's e-mail address."""
    return (obj.get("defaultEmailAddress") or {}).get("emailAddress") or obj.get("email")


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
