"""Pipedrive's objects: how a new one looks, what of a write is refused, and how v1 (as recorded) becomes v2.

Shapes: recorded exchanges (v2: one deal; v1: the rest) and the models of pipedrive/client-nodejs. A person's first and
last name are drawn from `name`; texts are 255 characters at most (from memory).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.state import SECOND, Json

KINDS: Mapping[str, str] = {
    "organizations": "organization",
    "persons": "person",
    "deals": "deal",
    "products": "product",
    "activities": "activity",
}
OWNER = 25760681
HASH = re.compile(r"[0-9a-f]{40}")
_COMMON = {"id": "int", "owner_id": "user", "add_time": "date", "update_time": "date", "custom_fields": "json"}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "organizations": {"name": "varchar", "visible_to": "visible_to", "label_ids": "set", "address": "address"},
    "persons": {
        "name": "varchar",
        "first_name": "varchar",
        "last_name": "varchar",
        "org_id": "org",
        "emails": "varchar",
        "phones": "phone",
        "visible_to": "visible_to",
        "label_ids": "set",
        "picture_id": "picture",
    },
    "deals": {
        "title": "varchar",
        "creator_user_id": "user",
        "value": "monetary",
        "person_id": "people",
        "org_id": "org",
        "stage_id": "stage",
        "currency": "varchar",
        "status": "status",
        "probability": "int",
        "lost_reason": "varchar",
        "visible_to": "visible_to",
        "pipeline_id": "int",
        "expected_close_date": "date",
        "label_ids": "set",
        "origin": "varchar",
        "origin_id": "varchar",
        "channel": "int",
        "channel_id": "varchar",
        "is_archived": "boolean",
        **dict.fromkeys(
            ("close_time", "won_time", "lost_time", "stage_change_time", "archive_time", "local_won_date")
            + ("local_lost_date", "local_close_date"),
            "date",
        ),
    },
    "products": {
        "name": "varchar",
        "code": "varchar",
        "description": "text",
        "unit": "varchar",
        "tax": "double",
        "category": "enum",
        "is_linkable": "boolean",
        "visible_to": "visible_to",
        "prices": "json",
    },
    "activities": {
        "subject": "varchar",
        "type": "varchar",
        "creator_user_id": "user",
        "deal_id": "deal",
        "lead_id": "lead",
        "person_id": "people",
        "org_id": "org",
        "due_date": "date",
        "due_time": "time",
        "duration": "time",
        "done": "boolean",
        "marked_as_done_time": "date",
        "note": "text",
        "priority": "int",
    },
}
_NAMED = {"deals": "title", "leads": "title", "activities": "subject"}
_NUMBERS = ("owner_id", "org_id", "person_id", "deal_id", "stage_id", "pipeline_id", "value", "probability", "tax")
STATUSES = ("open", "won", "lost", "deleted")
_LISTS = {"email": "emails", "phone": "phones"}
_V1_NAMES = {"user_id": "owner_id", "selectable": "is_linkable", "deleted": "is_deleted"}


def named(resource: str) -> str:
    """The field that every object of a resource must have."""
    return _NAMED.get(resource, "name")


def stamp(at: int) -> str:
    """An instant as v2 writes it: whole seconds."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def old_stamp(at: int) -> str:
    """An instant as v1 writes it."""
    return stamp(at).replace("T", " ").rstrip("Z")


def blank(resource: str, id: int, now: int) -> Json:
    """A new object of API v2, all its fields empty."""
    empty: Json = dict.fromkeys(FIELDS[resource])
    times = {"owner_id": OWNER, "add_time": stamp(now), "update_time": stamp(now)}
    made = {"id": id, **empty, **times, "is_deleted": False, "custom_fields": {}}
    defaults: Mapping[str, Json] = {
        "organizations": {"visible_to": 3, "label_ids": []},
        "persons": {"visible_to": 3, "label_ids": [], "emails": [], "phones": []},
        "deals": {
            "creator_user_id": OWNER,
            "value": 0,
            "currency": "USD",
            "status": "open",
            "stage_id": 1,
            "pipeline_id": 1,
            "visible_to": 3,
            "label_ids": [],
            "origin": "API",
            "is_archived": False,
        },
        "products": {"is_linkable": True, "visible_to": 3, "tax": 0, "prices": []},
        "activities": {"creator_user_id": OWNER, "type": "call", "done": False},
    }
    return made | defaults[resource]


def lead(id: str, now: int) -> Json:
    """A new lead of API v1."""
    fields = ("value", "expected_close_date", "person_id", "organization_id", "archive_time", "source_deal_id")
    time = stamp(now).replace("Z", ".000Z")
    return {
        "id": id,
        "title": "",
        "owner_id": OWNER,
        "creator_id": OWNER,
        "label_ids": [],
        **dict.fromkeys((*fields, "origin_id", "channel", "channel_id", "next_activity_id")),
        "is_archived": False,
        "source_name": "API",
        "origin": "API",
        "was_seen": False,
        "add_time": time,
        "update_time": time,
        "visible_to": "3",
        "cc_email": f"sandbox+lead{id[:8]}@pipedrivemail.com",
    }


def user(id: int, now: int) -> Json:
    """A new user of API v1."""
    time = old_stamp(now)
    return {
        "id": id,
        "name": f"User {id}",
        "email": f"user{id}@example.com",
        "lang": 1,
        "locale": "en_US",
        "timezone_name": "Europe/Berlin",
        "timezone_offset": "+01:00",
        "default_currency": "USD",
        "icon_url": None,
        "active_flag": True,
        "is_deleted": False,
        "is_admin": 1,
        "role_id": 1,
        "created": time,
        "has_created_company": False,
        "is_you": id == OWNER,
        "access": [{"app": "sales", "admin": True, "permission_set_id": "00000000-0000-0000-0000-000000000000"}],
        "phone": None,
        "modified": time,
        "last_login": time,
    }


def fault(resource: str, fields: Json, known: Mapping[str, Json]) -> str:
    """What the vendor says against a write; empty: nothing. `known`: the account's custom fields by hash."""
    for name, value in fields.items():
        if name not in FIELDS[resource] and name not in _COMMON and name not in ("is_deleted", "is_archived"):
            return f"Validation failed: {name}: unknown parameter"
        if name in _NUMBERS and value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"Validation failed: {name}: must be a number"
        if isinstance(value, str) and len(value) > 255 and name not in ("note", "description"):
            return f"Validation failed: {name}: is too long"
        if name == "status" and value not in STATUSES:
            return "Validation failed: status: is none of open, won, lost, deleted"
        if name in ("emails", "phones") and not _labelled(value):
            return f"Validation failed: {name}: must be a list of objects with a value"
    unknown = next((hash for hash in fields.get("custom_fields") or {} if hash not in known), "")
    return f"Validation failed: custom_fields.{unknown}: unknown field" if unknown else ""


def _labelled(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("value"), str) for one in value)


def written(resource: str, held: Json, fields: Json, now: int) -> Json:
    """An object after a write; the same object when it changes nothing."""
    custom = {**held["custom_fields"], **(fields.get("custom_fields") or {})}
    after = {**held, **{name: value for name, value in fields.items() if name not in ("id", "add_time", "update_time")}}
    after["custom_fields"] = custom
    if resource == "persons" and fields.get("name"):
        first, _, last = str(after["name"]).partition(" ")
        after |= {"first_name": first, "last_name": last or None}
    for name in ("emails", "phones"):
        if after.get(name):
            main = next((one for one in after[name] if one.get("primary")), after[name][0])
            after[name] = [{"label": one.get("label", "work"), **one, "primary": one is main} for one in after[name]]
    if after.get("status") != held.get("status"):
        closed = {"won": "won_time", "lost": "lost_time"}.get(str(after["status"]))
        after |= {"won_time": None, "lost_time": None, "close_time": stamp(now) if closed else None}
        after |= {closed: stamp(now)} if closed else {}
    if isinstance(after.get("address"), str):
        after["address"] = {"value": after["address"]}
    return held if after == held else {**after, "update_time": stamp(now)}


def from_v1(resource: str, record: Json, id: int) -> Json:
    """A recorded object of v1 as v2 shows it: references as ids, lists renamed, times with their zone."""
    made = blank(resource, id, 0)
    for name, value in record.items():
        name = _LISTS.get(name, _V1_NAMES.get(name, name))
        if isinstance(value, dict) and "value" in value and name.endswith("_id"):
            value = value["value"]
        if name.endswith("_time") and isinstance(value, str) and " " in value:
            value = f"{value.replace(' ', 'T')}Z"
        if name in ("emails", "phones"):
            value = [one for one in value or () if one.get("value")] if isinstance(value, list) else []
        if name == "visible_to" and isinstance(value, str):
            value = int(value)
        if name == "address" and isinstance(value, str):
            value = {"value": value}
        if HASH.fullmatch(name):
            made["custom_fields"][name] = value
        elif name in made:
            made[name] = value
    if record.get("active_flag") is False:
        made["is_deleted"] = True
    return made
