"""HubSpot's objects: creating, updating, archiving, unique values, associations, and how an object is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from sandbox.hubspot.properties import MODIFIED, REQUIRED, SINGULAR, TYPE_IDS, Invalid, Property, accept, standard
from sandbox.state import Json, State

PORTAL = 147_000_001
_SOURCE = {
    "hs_object_source": "INTEGRATION",
    "hs_object_source_id": "18000001",
    "hs_object_source_label": "INTEGRATION",
}
_SHOWN = {
    "contacts": ("firstname", "lastname", "email"),
    "companies": ("name", "domain"),
    "deals": ("dealname", "amount", "closedate", "dealstage", "pipeline"),
    "tickets": ("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority"),
    "products": ("name", "description", "price"),
    "line_items": ("name", "quantity", "amount"),
}
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "contacts": {"lifecyclestage": "lead"},
    "companies": {"lifecyclestage": "lead"},
    "deals": {},
    "tickets": {"hs_pipeline": "0"},
    "products": {},
    "line_items": {},
}


class Refused(Exception):
    """One input HubSpot does not take."""

    def __init__(self, status: int, category: str, message: str, **context: list[str]) -> None:
        super().__init__(message)
        self.status, self.category, self.message, self.context = status, category, message, context

    def as_json(self) -> Json:
        """The error as a batch answer lists it."""
        told: Json = {"status": "error", "category": self.category, "message": self.message}
        return told | ({"context": self.context} if self.context else {})


def iso(at: int) -> str:
    """An instant as HubSpot writes it: milliseconds, Z."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Store:
    """The account's objects, over the simulator's journalled state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._unique: dict[tuple[str, str], dict[str, str]] = {}
        self._properties = {name: standard(name) for name in TYPE_IDS}
        for made in state.all("_properties"):
            self._add_property(made["objectType"], made["body"])
        for kind in TYPE_IDS:
            for obj in state.all(kind):
                self._index(kind, obj)

    # properties -------------------------------------------------------------------------------------------------------
    def properties(self, kind: str) -> dict[str, Property]:
        """The properties of an object type, by name."""
        return self._properties[kind]

    def add_property(self, kind: str, body: Json) -> Property:
        """Create a custom property. Raises Refused when it is there or not well made."""
        if body["name"] in self._properties[kind]:
            raise Refused(409, "OBJECT_ALREADY_EXISTS", f"Property {body['name']} already exists")
        if body.get("type") == "enumeration" and not body.get("options"):
            raise Refused(400, "VALIDATION_ERROR", "options are required for enumerations")
        self.state.put("_properties", f"{kind}/{body['name']}", {"objectType": kind, "body": body})
        return self._add_property(kind, body)

    def _add_property(self, kind: str, body: Json) -> Property:
        options = tuple(option["value"] for option in body.get("options", []))
        unique = bool(body.get("hasUniqueValue"))
        made = Property(body["name"], body["type"], options, unique, custom=True, label=body.get("label", ""))
        self._properties[kind][made.name] = made
        return made

    def is_unique(self, kind: str, name: str) -> bool:
        """Whether objects may be addressed by this property."""
        found = self._properties[kind].get(name)
        return bool(found and found.unique) or (kind, name) == ("contacts", "email")

    # objects ----------------------------------------------------------------------------------------------------------
    def find(self, kind: str, name: str, id_property: str = "") -> Json | None:
        """One object that is not archived, by id or by a unique property's value."""
        id = self._unique.get((kind, id_property), {}).get(name.strip().lower()) if id_property else name
        found = self.state.get(kind, id) if id else None
        return found if found and not found["archived"] else None

    def check(self, kind: str, sent: Mapping[str, Any], target: Json | None) -> dict[str, str]:
        """The values as they would be stored. Raises Refused."""
        faults, values = [], dict[str, str]()
        for name, value in sent.items():
            prop = self._properties[kind].get(name)
            try:
                if prop is None:
                    raise Invalid("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
                values[name] = accept(prop, value)
            except Invalid as error:
                faults.append({"isValid": False, "message": str(error), "error": error.code, "name": name})
        if faults:
            told = orjson.dumps([fault | {"portalId": PORTAL} for fault in faults]).decode()
            raise Refused(400, "VALIDATION_ERROR", f"Property values were not valid: {told}")
        missing = [name for name in REQUIRED.get(kind, ()) if target is None and not values.get(name)]
        if missing:
            told = f"Error creating {SINGULAR[kind].upper()}. Some required properties were not set."
            raise Refused(400, "VALIDATION_ERROR", told, properties=missing)
        self._refuse_taken(kind, values, target)
        return values

    def _refuse_taken(self, kind: str, values: Mapping[str, str], target: Json | None) -> None:
        for name, value in values.items():
            if not value or not self.is_unique(kind, name):
                continue
            holder = self._unique.get((kind, name), {}).get(value.lower())
            if holder is None or (target is not None and holder == target["id"]):
                continue
            if name == "email":
                told = f"Contact already exists. Existing ID: {holder}"
                raise Refused(409, "CONFLICT", told, existingId=[holder])
            where = f"PropertyValueCoordinates{{portalId={PORTAL}, objectTypeId={TYPE_IDS[kind]}, propertyName={name}}}"
            told = f"Cannot set {where} on {(target or {}).get('id', 'a new object')}. {holder} already has that value."
            listed = [{"isValid": False, "message": told, "error": "CONFLICTING_UNIQUE_VALUE", "name": name}]
            told = f"Property values were not valid: {orjson.dumps(listed).decode()}"
            raise Refused(400, "VALIDATION_ERROR", told)

    def create(self, kind: str, values: Mapping[str, str], *, key: str = "", id: str = "") -> Json:
        """Store a new object."""
        now = iso(self.state.now())
        id = id or str(100_000_000_000 + self.state.serial(kind) * 4099)
        system = {"createdate": now, MODIFIED[kind]: now, "hs_object_id": id, **_SOURCE}
        properties = {**_DEFAULTS[kind], **{n: v for n, v in values.items() if v != ""}, **system}
        if kind == "companies" and "domain" in properties:
            properties.setdefault("website", properties["domain"])
        return self._keep(
            kind, {"id": id, "properties": properties, "createdAt": now, "updatedAt": now, "archived": False}, key
        )

    def update(self, kind: str, target: Json, values: Mapping[str, str], *, key: str = "") -> tuple[Json, list[str]]:
        """The object with the values set (an empty one clears), and what changed; nothing changed leaves its time."""
        before = target["properties"]
        changed = [name for name, value in values.items() if (before.get(name) or "") != value]
        if not changed:
            return target, []
        now = iso(self.state.now())
        after = {**before, **values, MODIFIED[kind]: now}
        for name in [name for name, value in values.items() if value == ""]:
            after[name] = None
        return self._keep(kind, {**target, "properties": after, "updatedAt": now}, key), changed

    def archive(self, kind: str, id: str) -> Json | None:
        """Move an object to the recycle bin; its unique values become free."""
        found = self.find(kind, id)
        if found is None:
            return None
        now = iso(self.state.now())
        for values in [index for (of, _), index in self._unique.items() if of == kind]:
            for value in [value for value, holder in values.items() if holder == id]:
                del values[value]
        archived = {**found, "archived": True, "archivedAt": now, "updatedAt": now}
        self.state.put(kind, id, archived)
        return archived

    def load(self, kind: str, record: Json) -> bool:
        """Store a recorded object under its own id."""
        if not record.get("id") or self.state.get(kind, str(record["id"])) is not None:
            return False
        stamp = record.get("updatedAt") or record.get("createdAt") or iso(self.state.now())
        properties = {MODIFIED[kind]: stamp, "hs_object_id": str(record["id"]), **record.get("properties", {})}
        kept = {"createdAt": stamp, "updatedAt": stamp, "archived": False, **record, "properties": properties}
        self._keep(kind, {name: value for name, value in kept.items() if name not in ("url", "associations")}, "")
        return True

    def _keep(self, kind: str, obj: Json, key: str) -> Json:
        self.state.put(kind, obj["id"], obj, key=key)
        self._index(kind, obj)
        return obj

    def _index(self, kind: str, obj: Json) -> None:
        for name in [name for name in obj["properties"] if self.is_unique(kind, name)]:
            index = self._unique.setdefault((kind, name), {})
            for value in [value for value, holder in index.items() if holder == obj["id"]]:
                del index[value]
            value = obj["properties"][name]
            if value and not obj["archived"]:
                index[str(value).lower()] = obj["id"]

    # associations -----------------------------------------------------------------------------------------------------
    def associated(self, kind: str, id: str, other: str) -> list[str]:
        """The ids of type `other` an object is associated with."""
        found = self.state.get("_associations", f"{kind}/{id}/{other}")
        return list(found["ids"]) if found else []

    def associate(self, kind: str, id: str, other: str, other_id: str, *, undo: bool = False) -> None:
        """Make (or remove) an association, seen from both ends. Raises Refused when an end is missing."""
        for of, one in ((kind, id), (other, other_id)):
            if self.find(of, one) is None and not undo:
                told = f"{SINGULAR[of].upper()} with ID {one} does not exist"
                raise Refused(404, "OBJECT_NOT_FOUND", told, fromObjectId=[id], toObjectId=[other_id])
        for of, one, to, to_id in ((kind, id, other, other_id), (other, other_id, kind, id)):
            ids = self.associated(of, one, to)
            wanted = [one for one in ids if one != to_id] + ([] if undo else [to_id])
            if sorted(wanted) != sorted(ids):
                self.state.put("_associations", f"{of}/{one}/{to}", {"ids": wanted})
                if (of, to) == ("contacts", "companies"):
                    self._set_primary(one, wanted)

    def _set_primary(self, id: str, companies: Sequence[str]) -> None:
        """A contact's first company is its primary one, shown as a property of its own."""
        contact = self.find("contacts", id)
        if contact is not None and contact["properties"].get("associatedcompanyid") not in companies:
            self.update("contacts", contact, {"associatedcompanyid": companies[0] if companies else ""})

    # showing ----------------------------------------------------------------------------------------------------------
    def show(self, kind: str, obj: Json, wanted: Sequence[str] | None, others: Iterable[str] = ()) -> Json:
        """An object as reads show it: the wanted properties that exist (null when unset), and the system's own."""
        have, known = obj["properties"], self._properties[kind]
        names = {*(wanted or _SHOWN[kind]), "hs_object_id", "createdate", MODIFIED[kind]}
        shown = {**obj, "properties": {name: have.get(name) for name in sorted(names) if name in have or name in known}}
        shown["url"] = self._url(kind, obj["id"])
        linked = {other: self.associated(kind, obj["id"], other) for other in others}
        if any(linked.values()):
            pair = {other: f"{SINGULAR[kind]}_to_{SINGULAR[other]}" for other in linked}
            shown["associations"] = {
                other: {
                    "results": [{"id": one, "type": pair[other] + end} for one in ids for end in ("", "_unlabeled")]
                }
                for other, ids in linked.items()
                if ids
            }
        return shown

    def show_written(self, kind: str, obj: Json, touched: Iterable[str]) -> Json:
        """An object as writes show it: what was sent, the usual properties and the system's own."""
        have = obj["properties"]
        names = {*touched, *_SHOWN[kind], *(name for name in have if name.startswith("hs_"))} | {
            "createdate",
            MODIFIED[kind],
        }
        properties = {n: have[n] if have[n] is not None else "" for n in sorted(names) if n in have}
        return {**obj, "properties": properties, "url": self._url(kind, obj["id"])}

    def _url(self, kind: str, id: str) -> str:
        return f"https://app.hubspot.com/contacts/{PORTAL}/record/{TYPE_IDS[kind]}/{id}"
