"""An org's records: ids, validation with Salesforce's codes, values as Salesforce keeps them, unique external ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.salesforce.schema import DEFAULTS, PREFIXES, Field, standard
from sandbox.state import Json, State

WRITABLE = ("Account", "Contact", "Lead", "Opportunity", "Case", "Product2", "Task")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[A-Z0-5]{3})?")
_EMAIL = re.compile(r"[^@\s,;<>()\"]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)
_NUMBERS = ("double", "int", "currency", "percent")


class Refused(Exception):
    """One record Salesforce does not take."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.code, self.message, self.fields = code, message, list(fields)

    def as_json(self) -> Json:
        """The error as a collection's result lists it."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


@dataclass(frozen=True, slots=True)
class Rule:
    """A validation rule an admin made: refuses a record for which `broken` holds."""

    resource: str
    broken: Callable[[Json], bool]
    message: str
    field: str = ""


@dataclass(slots=True)
class Admin:
    """What an admin set up in this org."""

    rules: list[Rule] = field(default_factory=list)
    duplicate_rules: dict[str, str] = field(default_factory=dict)  # object → the field its duplicate rule compares


def iso(at: int) -> str:
    """An instant as Salesforce writes it; system times have whole seconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at // 1_000_000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def make_id(prefix: str, n: int) -> str:
    """The 18-character id: 15 of base 62 and 3 that say which of them are capitals."""
    digits = ""
    while n:
        n, rest = divmod(n, 62)
        digits = _DIGITS[rest] + digits
    short = f"{prefix}SB0{digits.rjust(9, '0')}"
    parts = [short[start : start + 5] for start in (0, 5, 10)]
    return short + "".join(_ALPHABET[sum(1 << i for i, c in enumerate(part) if c.isupper())] for part in parts)


class Records:
    """The org's records, over the simulator's journalled state."""

    def __init__(self, state: State, key_field: str) -> None:
        self.state, self.admin = state, Admin()
        self.fields = {name: standard(name) for name in DEFAULTS}
        for name in WRITABLE:
            self.add_field(name, Field(key_field, length=255, external_id=True, unique=True))
        self._unique: dict[tuple[str, str], dict[str, str]] = {}
        for resource in DEFAULTS:
            for record in state.all(resource):
                self._index(resource, record)

    def add_field(self, resource: str, made: Field) -> None:
        """Add (or replace) a field of an object, as an admin does in Setup."""
        self.fields[resource][made.name] = made

    def restrict(self, resource: str, name: str) -> None:
        """Make a picklist accept its own values only."""
        self.fields[resource][name] = replace(self.fields[resource][name], restricted=True)

    def get(self, resource: str, id: str) -> Json | None:
        """A record that is not in the recycle bin, by its 15 or 18 characters."""
        found = self.state.get(resource, id) if len(id) == 18 else None
        if found is None and len(id) == 15:
            found = next((record for record in self.state.all(resource) if record["Id"][:15] == id), None)
        return found if found and not found.get("IsDeleted") else None

    def matching(self, resource: str, name: str, value: Any) -> list[Json]:
        """The records whose field has this value, ignoring case."""
        if value in (None, ""):
            return []
        key = str(value).lower()
        if self.fields[resource][name].unique:
            id = self._unique.get((resource, name), {}).get(key)
            found = self.get(resource, id) if id else None
            return [found] if found else []
        records = self.state.all(resource)
        return [one for one in records if not one.get("IsDeleted") and str(one.get(name) or "").lower() == key]

    def by_external_id(self, resource: str, name: str, value: Any) -> list[Json]:
        """The records an external id names. Raises Refused for a field that is none."""
        known = self.fields[resource].get(name)
        if known is None or not (known.external_id or known.kind == "id" or name == "Email"):
            raise Refused("NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + name)
        if known.kind == "id":
            found = self.get(resource, str(value)) if value else None
            return [found] if found else []
        return self.matching(resource, name, value)

    def check(self, resource: str, sent: Mapping[str, Any], target: Json | None) -> Json:
        """The values as they would be kept. Raises Refused with the first thing that is wrong."""
        kept: Json = {}
        for name, value in sent.items():
            known = self.fields[resource].get(name)
            if known is None:
                raise Refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {resource}")
            if not (known.createable if target is None else known.updateable):
                told = f"Unable to create/update fields: {name}. Please check the security settings of this field"
                raise Refused("INVALID_FIELD_FOR_INSERT_UPDATE", told, name)
            kept[name] = self._value(known, value)
        have = {**(target or DEFAULTS[resource]), **kept}
        missing = [one.name for one in self.fields[resource].values() if one.required and have.get(one.name) is None]
        if missing:
            raise Refused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)
        if target and target.get("IsConverted"):
            raise Refused("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        for rule in self.admin.rules:
            if rule.resource == resource and rule.broken(have):
                raise Refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, *([rule.field] if rule.field else []))
        self._refuse_doubles(resource, kept, target)
        return kept

    def _refuse_doubles(self, resource: str, kept: Json, target: Json | None) -> None:
        own = target["Id"] if target else None
        for name, value in kept.items():
            if self.fields[resource][name].unique:
                others = [one["Id"] for one in self.matching(resource, name, value) if one["Id"] != own]
                if others:
                    told = f"duplicate value found: {name} duplicates value on record with id: {others[0][:15]}"
                    raise Refused("DUPLICATE_VALUE", told)
        watched = self.admin.duplicate_rules.get(resource)
        if target is None and watched and self.matching(resource, watched, kept.get(watched)):
            raise Refused("DUPLICATES_DETECTED", "Use one of these records?")

    def _value(self, known: Field, value: Any) -> Any:
        """One value as Salesforce keeps it. Raises Refused."""
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            if known.kind == "boolean":
                raise Refused(
                    "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{known.name}: value not of required type", known.name
                )
            return None
        match known.kind:
            case "boolean":
                return self._boolean(known, value)
            case kind if kind in _NUMBERS:
                return self._number(known, value)
            case "date" | "datetime":
                return self._moment(known, value)
            case "reference":
                return self._reference(known, str(value))
        text = str(value)
        if known.length and len(text) > known.length:
            told = f"{known.name}: data value too large: {text[:40]} (max length={known.length})"
            raise Refused("STRING_TOO_LONG", told, known.name)
        if known.kind == "email" and not _EMAIL.fullmatch(text):
            raise Refused("INVALID_EMAIL_ADDRESS", f"{known.name}: invalid email address: {text}", known.name)
        if known.restricted and text not in known.options:
            told = f"{known.name}: bad value for restricted picklist field: {text}"
            raise Refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", told, known.name)
        return text

    def _boolean(self, known: Field, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise _wrong(known, "boolean", value)

    def _number(self, known: Field, value: Any) -> float | int:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise _wrong(known, known.kind, value) from None
        if isinstance(value, bool) or not number.is_finite():
            raise _wrong(known, known.kind, value)
        if known.kind == "int":
            if number != number.to_integral_value():
                raise _wrong(known, "int", value)
            return int(number)
        if abs(number) >= Decimal(10) ** 16:
            told = f"{known.name}: value outside of valid range on numeric field: {value}"
            raise Refused("NUMBER_OUTSIDE_VALID_RANGE", told, known.name)
        return float(round(number, 2))

    def _moment(self, known: Field, value: Any) -> str:
        try:
            if known.kind == "date":
                return date.fromisoformat(str(value)[:10]).isoformat()
            found = datetime.fromisoformat(str(value))
        except ValueError:
            raise _wrong(known, known.kind, value) from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def _reference(self, known: Field, value: str) -> str:
        if not _ID.fullmatch(value):
            raise Refused("MALFORMED_ID", f"{known.name}: id value of incorrect type: {value}", known.name)
        for resource in known.points_to:
            if value.startswith(PREFIXES.get(resource, "?")):
                found = self.get(resource, value)
                if found is not None:
                    return str(found["Id"])
                if self.state.get(resource, value) is not None:
                    raise Refused("ENTITY_IS_DELETED", "entity is deleted")
                raise Refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", known.name)
        raise Refused("FIELD_INTEGRITY_EXCEPTION", f"{known.name}: id value of incorrect type: {value}", known.name)

    def create(self, resource: str, kept: Json, *, key: str = "") -> Json:
        """Store a new record."""
        now, user = iso(self.state.now()), self.user()
        system = {"IsDeleted": False, "CreatedDate": now, "CreatedById": user, "LastModifiedDate": now}
        system |= {"LastModifiedById": user, "SystemModstamp": now}
        made = {
            "Id": make_id(PREFIXES[resource], self.state.serial(resource) * 97),
            **DEFAULTS[resource],
            **kept,
            **system,
        }
        if "OwnerId" in self.fields[resource]:
            made["OwnerId"] = made.get("OwnerId") or user
        if resource == "User":
            del made["IsDeleted"]
        if resource == "Case":
            made["CaseNumber"] = f"{1000 + self.state.serial('case_numbers'):08d}"
        return self._keep(resource, made, key)

    def update(self, resource: str, target: Json, kept: Json, *, key: str = "") -> Json:
        """Store a changed record; an update that changes nothing moves its times all the same."""
        now = iso(self.state.now())
        times = {"LastModifiedDate": now, "LastModifiedById": self.user(), "SystemModstamp": now}
        return self._keep(resource, {**target, **kept, **times}, key)

    def delete(self, resource: str, id: str) -> Json:
        """Move a record to the recycle bin. Raises Refused."""
        found = self.get(resource, id)
        if found is None:
            there = self.state.get(resource, id) is not None
            raise Refused("ENTITY_IS_DELETED", "entity is deleted") if there else missing()
        now = iso(self.state.now())
        return self._keep(resource, {**found, "IsDeleted": True, "LastModifiedDate": now, "SystemModstamp": now}, "")

    def load(self, resource: str, record: Json) -> bool:
        """Store a recorded record under its own id."""
        if not record.get("Id") or self.state.get(resource, record["Id"]) is not None:
            return False
        stamp = record.get("SystemModstamp") or record.get("LastModifiedDate") or iso(self.state.now())
        plain = {name: value for name, value in record.items() if name != "attributes"}
        system = {"IsDeleted": False, "CreatedDate": stamp, "LastModifiedDate": stamp, "SystemModstamp": stamp}
        self._keep(resource, {**system, **plain}, "")
        return True

    def value(self, resource: str, record: Json, path: str) -> Any:
        """A field of a record, or of one it refers to (`Account.Name`). Raises Refused for a field that is not there."""
        head, _, rest = path.partition(".")
        if not rest:
            if head not in self.fields[resource]:
                told = f"No such column '{head}' on entity '{resource}'"
                raise Refused("INVALID_FIELD", told)
            return record.get(head)
        link = next((one for one in self.fields[resource].values() if one.points_to and one.relationship == head), None)
        if link is None:
            raise Refused("INVALID_FIELD", f"Didn't understand relationship '{head}' in field path.")
        nested = record.get(head)
        if isinstance(nested, dict):  # loaded with its parent's fields
            return nested.get(rest)
        for other in link.points_to:
            parent = self.get(other, str(record.get(link.name) or "")) if other in self.fields else None
            if parent is not None:
                return self.value(other, parent, rest)
        return None

    def user(self) -> str:
        """The connection's own user."""
        users = self.state.ids("User")
        if users:
            return users[0]
        made = {"Username": "integration@example.com", "Email": "integration@example.com", "LastName": "Integration"}
        now = iso(self.state.now())
        times = {"CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
        user: Json = {"Id": make_id("005", 1), **made, "Name": "Integration", "IsActive": True, **times}
        self.state.put("User", user["Id"], user)
        return str(user["Id"])

    def _keep(self, resource: str, record: Json, key: str) -> Json:
        record = {**record, **_derived(resource, record)}
        self.state.put(resource, record["Id"], record, key=key)
        self._index(resource, record)
        return record

    def _index(self, resource: str, record: Json) -> None:
        for name in [one.name for one in self.fields[resource].values() if one.unique]:
            index = self._unique.setdefault((resource, name), {})
            for value in [value for value, holder in index.items() if holder == record["Id"]]:
                del index[value]
            if record.get(name) and not record.get("IsDeleted"):
                index[str(record[name]).lower()] = record["Id"]


def _derived(resource: str, record: Json) -> Json:
    """What Salesforce works out itself."""
    if resource in ("Contact", "Lead", "User") and record.get("LastName"):
        return {"Name": " ".join(part for part in (record.get("FirstName"), record["LastName"]) if part)}
    if resource == "Opportunity" and "StageName" in record:
        stage = str(record["StageName"])
        return {"IsClosed": stage.startswith("Closed"), "IsWon": stage == "Closed Won"}
    if resource == "Case" and "Status" in record:
        closed = record["Status"] == "Closed"
        return {
            "IsClosed": closed,
            "ClosedDate": record.get("ClosedDate") or record["SystemModstamp"] if closed else None,
        }
    if resource == "Task":
        return {"IsClosed": record.get("Status") == "Completed"}
    return {}


def missing() -> Refused:
    """The refusal of an id that is no record's."""
    return Refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


def _wrong(known: Field, kind: str, value: Any) -> Refused:
    told = f"Cannot deserialize instance of {kind} from VALUE_STRING value {value} or request may be missing a required field"
    return Refused("JSON_PARSER_ERROR", told, known.name)
