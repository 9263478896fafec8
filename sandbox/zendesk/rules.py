"""What Zendesk accepts: creating and changing objects, refused with a RecordInvalid as recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.state import Json, State
from sandbox.zendesk import objects
from sandbox.zendesk.objects import SINGLE

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CHOICES = {
    "status": ("new", "open", "pending", "hold", "solved", "closed"),
    "priority": ("urgent", "high", "normal", "low"),
    "type": ("problem", "incident", "question", "task"),
    "role": ("end-user", "agent", "admin"),
}
_READ_ONLY = frozenset(
    {"id", "url", "created_at", "updated_at", "active", "deleted_at", "comment", "generated_timestamp"}
)


class Invalid(Exception):  # noqa: N818 - Zendesk's word
    """RecordInvalid: refused fields with code and text."""

    def __init__(self, **details: tuple[str, str]) -> None:
        self.details = details
        super().__init__("Record validation errors")

    def body(self) -> Json:
        """The answer's body."""
        told = {name: [{"description": text, "error": code}] for name, (code, text) in self.details.items()}
        return {"error": "RecordInvalid", "description": "Record validation errors", "details": told}

    def prose(self) -> str:
        """As a job tells it."""
        return " ".join(text for _, text in self.details.values())


class Rules:
    """Applies writes to the state. `announce(resource, event, object)` sends the webhooks."""

    def __init__(self, state: State, base_url: Callable[[], str], announce: Callable[[str, str, Json], None]) -> None:
        self._state, self._base_url, self._announce = state, base_url, announce

    def find(self, resource: str, external_id: Any) -> list[Json]:
        """The objects that carry an external id, deleted ones left out."""
        return [o for o in self._state.all(resource) if o["external_id"] == external_id and not gone(resource, o)]

    def create(self, resource: str, given: Mapping[str, Any]) -> Json:
        """A new object; raises Invalid."""
        plain = self._checked(resource, None, given)
        id = self.new_id(resource)
        if resource == "tickets":
            plain = self._first_comment(plain, given)
        made = objects.new(resource, id, self._base_url(), self._now(), plain)
        return self._store(resource, made, "created")

    def new_id(self, resource: str) -> int:
        """The next id that nobody has: small numbers for tickets."""
        while True:
            number = self._state.serial(resource) + (0 if resource == "tickets" else 10_000_000_000_000)
            if self._state.get(resource, str(number)) is None:
                return number

    def update(self, resource: str, existing: Json, given: Mapping[str, Any]) -> Json:
        """A changed object; raises Invalid. A user's new address is only added to the others."""
        if resource == "tickets" and existing["status"] == "closed":
            raise Invalid(status=("InvalidValue", "Status: closed prevents ticket update"))
        plain = self._checked(resource, existing, given)
        if resource == "users" and existing["email"] and plain.get("email"):
            if plain["email"] != existing["email"]:
                self._add_identity(existing, plain["email"])
            del plain["email"]
        nested = {"users": "user_fields", "organizations": "organization_fields"}.get(resource, "")
        if nested in plain:
            plain[nested] = {**existing[nested], **(plain[nested] or {})}
        if "custom_fields" in plain:
            news = {one["id"]: one for one in plain["custom_fields"]}
            merged = [news.pop(one["id"], one) for one in existing["custom_fields"]] + list(news.values())
            plain |= {"custom_fields": merged, "fields": merged}
        made = {**existing, **plain}
        if made == existing and "comment" not in given:
            return existing
        return self._store(resource, {**made, "updated_at": self._now()}, "updated")

    def upsert(self, resource: str, given: Mapping[str, Any]) -> tuple[Json, bool]:
        """create_or_update: by id or external_id, users by address too (and the key is then theirs)."""
        held = self.find(resource, given["external_id"]) if given.get("external_id") else []
        if not held and resource == "users" and given.get("email"):
            held = [o for o in self._state.all("users") if o["email"] == given["email"].lower() and o["active"]]
        return (self.update(resource, held[0], given), False) if held else (self.create(resource, given), True)

    def delete(self, resource: str, existing: Json) -> Json:
        """Kept for a while, and told by the exports."""
        now = self._now()
        changes: dict[str, Json] = {"users": {"active": False}, "tickets": {"status": "deleted"}}
        change = changes.get(resource, {"deleted_at": now})
        event = "soft_deleted" if resource == "tickets" else "deleted"
        return self._store(resource, {**existing, **change, "updated_at": now}, event)

    def identities(self, user: Json) -> list[Json]:
        """A user's addresses, the primary one first."""
        others = [one for one in self._state.all("_identities") if one["user_id"] == user["id"]]
        primary = {
            "id": user["id"] + 1,
            "user_id": user["id"],
            "type": "email",
            "value": user["email"],
            "primary": True,
        }
        return ([primary] if user["email"] else []) + others

    def make_primary(self, user: Json, identity_id: int) -> list[Json]:
        """Swap a user's primary address."""
        chosen = next(one for one in self.identities(user) if one["id"] == identity_id)
        if not chosen["primary"]:
            self._state.put("_identities", str(identity_id), {**chosen, "value": user["email"]})
            user = self._store("users", {**user, "email": chosen["value"], "updated_at": self._now()}, "updated")
        return self.identities(user)

    def _checked(self, resource: str, existing: Json | None, given: Mapping[str, Any]) -> Json:
        """The given fields as they will be stored."""
        plain = {name: value for name, value in given.items() if name not in _READ_ONLY}
        faults: dict[str, tuple[str, str]] = {}
        if resource != "tickets":
            if not (plain.get("name", (existing or {}).get("name"))):
                faults["name"] = ("BlankValue", "Name: is too short (minimum is 1 characters)")
            if plain.get("external_id") and self._other(resource, existing, "external_id", plain["external_id"]):
                faults["external_id"] = ("DuplicateValue", f"External: {plain['external_id']} has already been taken")
        for name, choices in _CHOICES.items():
            if plain.get(name) and plain[name] not in choices:
                faults[name] = ("InvalidValue", f"{name.capitalize()}: {plain[name]} is not valid")
        faults |= {
            "users": self._user_faults,
            "organizations": self._organization_faults,
            "tickets": self._ticket_faults,
        }[resource](existing, plain)
        if faults:
            raise Invalid(**faults)
        if plain.get("email"):
            plain["email"] = plain["email"].strip().lower()
        if "tags" in plain:
            plain["tags"] = sorted({str(tag).lower().replace(" ", "_") for tag in plain["tags"] or ()})
        if plain.get("subject"):
            plain["raw_subject"] = plain["subject"]
        return plain

    def _user_faults(self, existing: Json | None, plain: Json) -> dict[str, tuple[str, str]]:
        faults = {}
        email = str(plain.get("email") or "").strip().lower()
        if email and not _EMAIL.fullmatch(email):
            faults["email"] = ("InvalidFormat", f"Email:  {email} is not properly formatted")
        elif email and self._address_taken(existing, email):
            faults["email"] = ("DuplicateValue", f"Email: {email} is already being used by another user")
        return faults | self._organization_of(plain)

    def _organization_of(self, plain: Json) -> dict[str, tuple[str, str]]:
        """What is wrong with the organization that an object is to belong to."""
        wanted = plain.get("organization_id")
        held = self._state.get("organizations", str(wanted)) if wanted else None
        if wanted and (held is None or gone("organizations", held)):
            return {"organization": ("InvalidValue", f"Organization: {wanted} is invalid")}
        return {}

    def _address_taken(self, existing: Json | None, email: str) -> bool:
        own = (existing or {}).get("id")
        if any(o["email"] == email and o["active"] and o["id"] != own for o in self._state.all("users")):
            return True
        return any(one["value"] == email and one["user_id"] != own for one in self._state.all("_identities"))

    def _organization_faults(self, existing: Json | None, plain: Json) -> dict[str, tuple[str, str]]:
        if plain.get("name") and self._other("organizations", existing, "name", plain["name"]):
            return {"name": ("DuplicateValue", f"Name:  {plain['name']} has already been taken")}
        return {}

    def _ticket_faults(self, existing: Json | None, plain: Json) -> dict[str, tuple[str, str]]:
        faults = self._organization_of(plain)
        for name in ("requester_id", "assignee_id", "submitter_id"):
            if plain.get(name) and self._state.get("users", str(plain[name])) is None:
                label = name.removesuffix("_id").capitalize()
                faults[name.removesuffix("_id")] = ("InvalidValue", f"{label}: {plain[name]} is not a valid user")
        return faults

    def _first_comment(self, plain: Json, given: Mapping[str, Any]) -> Json:
        text = (given.get("comment") or {}).get("body") or given.get("description")
        if not text:
            raise Invalid(base=("BlankValue", "Description: cannot be blank"))
        fields = plain.pop("custom_fields", [])
        requester = plain.get("requester_id") or 1
        held = self._state.get("users", str(requester)) or {}
        return {
            "subject": text[:40],
            "organization_id": held.get("organization_id"),
            "submitter_id": requester,
            **plain,
            "requester_id": requester,
            "description": text,
            "custom_fields": fields,
            "fields": fields,
        }

    def _other(self, resource: str, existing: Json | None, field: str, value: Any) -> bool:
        own = (existing or {}).get("id")
        return any(
            str(o[field]).lower() == str(value).lower() and o["id"] != own and not gone(resource, o)
            for o in self._state.all(resource)
        )

    def _add_identity(self, user: Json, email: str) -> None:
        id = 90_000_000_000_000 + self._state.serial("identity")
        made = {"id": id, "user_id": user["id"], "type": "email", "value": email, "primary": False}
        if not any(one["value"] == email for one in self.identities(user)):
            self._state.put("_identities", str(id), made)

    def _store(self, resource: str, made: Json, event: str) -> Json:
        if resource == "tickets" and event != "created":
            made = {**made, "generated_timestamp": objects.epoch(made["updated_at"])}
        self._state.put(resource, str(made["id"]), made, key=str(made["external_id"] or ""))
        self._announce(SINGLE[resource], event, made)
        return made

    def _now(self) -> str:
        return objects.stamp(self._state.now())


def gone(resource: str, obj: Json) -> bool:
    """Whether an object is one of the deleted that are kept for a while."""
    return {"users": obj.get("active") is False, "tickets": obj.get("status") == "deleted"}.get(
        resource, bool(obj.get("deleted_at"))
    )
