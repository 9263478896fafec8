"""Incremental exports and lists, with Zendesk's paging."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox.state import SECOND, Json, State
from sandbox.zendesk.objects import epoch
from sandbox.zendesk.rules import gone

LEFT_OUT = 60
"""Seconds before now of which exports say nothing."""


class TooRecent(Exception):  # noqa: N818 - Zendesk's word
    """A start within the last minute."""


def time_of(obj: Json) -> int:
    """By what exports sort: tickets by generated_timestamp, which updates without updated_at move too."""
    return max(epoch(obj["updated_at"]), obj.get("generated_timestamp") or 0)


def _exported(state: State, resource: str) -> list[Json]:
    until = state.now() // SECOND - LEFT_OUT
    rows = [obj for obj in state.all(resource) if time_of(obj) <= until]
    return sorted(rows, key=lambda obj: (time_of(obj), obj["id"]))


def shown(resource: str, obj: Json, where: str) -> Json:
    """An object as one kind of answer shows it (recorded): `single`, `list`, `cursor_list` or `export`."""
    if resource == "organizations" and where != "export":
        return {name: value for name, value in obj.items() if name != "deleted_at"}
    if resource == "tickets" and where == "cursor_list":
        return {name: value for name, value in obj.items() if name != "fields"}
    if resource == "users" and where == "export" and not obj["active"]:
        return {**obj, "permanently_deleted": False}
    return obj


def by_cursor(state: State, resource: str, url: str, query: Mapping[str, str], most: int) -> Json:
    """A page of a cursor-based export."""
    rows = _exported(state, resource)
    if query.get("cursor"):
        when, _, id = base64.b64decode(query["cursor"]).decode().partition("||")
        place = (float(when), int(id.rstrip("|")))
        rows = [obj for obj in rows if (time_of(obj), obj["id"]) > place]
    else:
        start = _start(state, query)
        rows = [obj for obj in rows if time_of(obj) >= start]
    size = min(int(query.get("per_page", most)), most)
    page = rows[:size]
    nothing = {"after_url": None, "before_url": None, "after_cursor": None, "before_cursor": None}
    if not page:
        return {resource: [], **nothing, "end_of_stream": True}
    mark = base64.b64encode(f"{time_of(page[-1])}.0||{page[-1]['id']}|".encode()).decode()
    after = f"{url}?{urlencode({'cursor': mark, 'per_page': size})}"
    told = {**nothing, "after_url": after, "after_cursor": mark}
    seen = [shown(resource, obj, "export") for obj in page]
    return {resource: seen, **told, "end_of_stream": len(rows) <= size}


def by_time(state: State, resource: str, url: str, query: Mapping[str, str], most: int) -> Json:
    """A page of a time-based export: the last second's rows come whole, and come again with the next page."""
    start = _start(state, query)
    rows = [obj for obj in _exported(state, resource) if time_of(obj) >= start]
    size = min(int(query.get("per_page", most)), most)
    page = rows[:size]
    page += [obj for obj in rows[size:] if page and time_of(obj) == time_of(page[-1])]
    end = time_of(page[-1]) if page else None
    after = {**({"per_page": size} if "per_page" in query else {}), "start_time": end}
    return {
        resource: [shown(resource, obj, "export") for obj in page],
        "next_page": f"{url.removesuffix('.json')}.json?{urlencode(after)}" if page else None,
        "count": len(page),
        "end_of_stream": len(rows) <= len(page),
        "end_time": end,
    }


def listed(state: State, resource: str, url: str, query: Mapping[str, str], rows: list[Json] | None = None) -> Json:
    """A list: cursor pages when `page[size]` is asked for, else numbered ones."""
    rows = [o for o in (state.all(resource) if rows is None else rows) if not gone(resource, o)]
    rows.sort(key=lambda obj: obj["id"])
    if "page[size]" not in query and "page[after]" not in query:
        size, number = min(int(query.get("per_page", 100)), 100), int(query.get("page", 1))
        more = number * size < len(rows)
        pages = {"next_page": f"{url}?page={number + 1}&per_page={size}" if more else None}
        pages["previous_page"] = f"{url}?page={number - 1}&per_page={size}" if number > 1 else None
        seen = [shown(resource, obj, "list") for obj in rows[(number - 1) * size : number * size]]
        return {resource: seen, **pages, "count": len(rows)}
    size, after = min(int(query.get("page[size]", 100)), 100), _mark(query.get("page[after]"))
    rest = [obj for obj in rows if obj["id"] > after]
    page = rest[:size]
    cursors = [_cursor(page[-1]["id"]), _cursor(page[0]["id"])] if page else [None, None]
    links = {
        "prev": f"{url}?{urlencode({'page[before]': cursors[1], 'page[size]': size})}" if page else None,
        "next": f"{url}?{urlencode({'page[after]': cursors[0], 'page[size]': size})}" if page else None,
    }
    meta = {"has_more": len(rest) > size, "after_cursor": cursors[0], "before_cursor": cursors[1]}
    return {resource: [shown(resource, obj, "cursor_list") for obj in page], "meta": meta, "links": links}


def _start(state: State, query: Mapping[str, Any]) -> int:
    start = int(query.get("start_time") or 0)
    if start > state.now() // SECOND - LEFT_OUT:
        raise TooRecent
    return start


def _cursor(id: int) -> str:
    return base64.b64encode(orjson.dumps({"o": "id", "v": id})).decode()


def _mark(cursor: str | None) -> int:
    return int(orjson.loads(base64.b64decode(cursor))["v"]) if cursor else -1
