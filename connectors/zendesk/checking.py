"""Reaching the account, and the live fields of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from connectors.http import Http
from connectors.looks import clock, looked
from connectors.zendesk.kinds import KINDS, PICKLISTS, Kind
from kernel.errors import ThroughlineError
from kernel.records import Check, FieldInfo, Json

_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("text", "textarea", "regexp", "partialcreditcard", "subject", "description"), "string"),
    **dict.fromkeys(
        ("dropdown", "tagger", "status", "priority", "tickettype", "basic_priority", "custom_status"), "picklist"
    ),
    **dict.fromkeys(("integer", "decimal"), "number"),
    **dict.fromkeys(("lookup", "assignee", "group"), "reference"),
    "checkbox": "boolean",
    "date": "date",
}
_SYSTEM = {"subject", "description", "status", "priority", "tickettype", "group", "assignee", "custom_status"}


def check(http: Http) -> list[Check]:
    """One Check per thing looked at; never raises for a bad answer. Exports need an admin."""
    try:
        answer = http.get("api/v2/users/me.json")
        me = answer.json().get("user") or {}
    except ThroughlineError as error:
        return [
            Check(
                "credential", False, str(error), "set a current API token, or an OAuth token with the scope read write"
            )
        ]
    if not me.get("id"):  # nobody in particular answers with an anonymous user, not with a 401
        return [Check("credential", False, "the API does not know this user", "set the e-mail of the token's owner")]
    admin = me.get("role") == "admin"
    found = [
        Check("credential", True, f"role {me.get('role')}"),
        Check("incremental exports", admin, "", "" if admin else "use the token of an admin"),
        clock(answer),
    ]
    for kind in KINDS.values():
        call = partial(http.get, f"{kind.path}.json", params={"page[size]": 1})
        found.append(looked(f"read {kind.plural}", call, f"grant the scope {kind.plural}:read"))
    return found


def fields_of(http: Http, kind: Kind) -> list[FieldInfo]:
    """Standard fields, then the account's own with their choices."""
    found = [
        FieldInfo(name=name, type=type_, read_only=name in kind.read_only, values=PICKLISTS.get(name, ()))
        for name, type_ in kind.standard.items()
    ]
    rows: list[Json] = (
        http.get(kind.fields_path).json().get(kind.fields_path.rsplit("/", 1)[1].removesuffix(".json")) or []
    )
    for row in rows:
        if not row.get("active", True) or row.get("type") in _SYSTEM:
            continue
        options = row.get("custom_field_options") or row.get("system_field_options") or ()
        found.append(
            FieldInfo(
                name=f"{kind.custom}.{row['key'] if row.get('key') else row['id']}",
                type=_TYPES.get(row.get("type", ""), "json"),
                label=str(row.get("title") or ""),
                required=bool(row.get("required")),
                values=tuple(str(option["value"]) for option in options),
            )
        )
    return found
