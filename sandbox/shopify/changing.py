"""The simulator's mutations: validation as Shopify's, userErrors instead of exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.shopify import objects
from sandbox.shopify.objects import RESOURCES, TYPES, gid
from sandbox.shopify.search import email_of
from sandbox.state import Json, State

Announce = Callable[[str, str, Json], None]


class Changes:
    """Applies mutations to the state. `announce(resource, event, object)` sends the webhooks."""

    def __init__(self, state: State, now: Callable[[], str], announce: Announce) -> None:
        self._state, self._now, self._announce = state, now, announce

    def new_id(self, kind: str) -> str:
        """The next global id of a type."""
        return gid(kind, 7_000_000_000_000 + self._state.serial(kind))

    def by_custom_id(self, resource: str, given: Json) -> Json | None:
        """The object whose metafield holds this unique value."""
        wanted = (given.get("namespace"), given["key"], given["value"])
        for obj in self._state.all(resource):
            if any((m["namespace"], m["key"], m["value"]) == wanted for m in obj["metafields"]):
                return obj
        return None

    def definition(self, owner: str, namespace: str | None, key: str) -> Json | None:
        """The metafield definition of an owner type."""
        return self._state.get("_definitions", f"{owner}/{namespace}/{key}")

    def set(self, resource: str, identifier: Json | None, given: Json) -> Json:
        """customerSet and productSet."""
        kind, existing, errors = TYPES[resource], None, list[Json]()
        custom = (identifier or {}).get("customId")
        if custom is not None:
            if (self.definition(kind.upper(), custom.get("namespace"), custom["key"]) or {}).get("type") != "id":
                errors.append(_refused(["identifier", "customId"], "No unique metafield definition", "INVALID"))
            existing = self.by_custom_id(resource, custom)
        elif identifier:
            existing, wrong = self._known(resource, identifier, given)
            errors += wrong
        if resource == "customers":
            errors += self._customer_errors(existing, given)
        else:
            errors += self._product_errors(existing, given)
        if errors:
            if resource == "products":
                errors = [{**e, "code": _PRODUCT_CODES.get(e["code"], e["code"])} for e in errors]
            return {kind.lower(): None, "userErrors": errors}
        made = self._merged(resource, existing, given)
        if custom is not None and existing is None:
            made["metafields"] = [self._metafield(custom["namespace"], custom["key"], custom["value"], "id")]
        return {
            kind.lower(): self.store(resource, made, existing, key=(custom or {}).get("value", "")),
            "userErrors": [],
        }

    def store(self, resource: str, made: Json, existing: Json | None, key: str = "") -> Json:
        """Keep an object, with a new updatedAt when it differs, and tell."""
        if existing is not None:
            if made == existing:
                return existing
            made["updatedAt"] = self._now()
        self._state.put(resource, made["id"], made, key=key)
        self._announce(resource, "update" if existing is not None else "create", made)
        return made

    def delete(self, resource: str, id: str) -> Json:
        """customerDelete and productDelete."""
        name = f"deleted{TYPES[resource]}Id"
        obj = self._state.get(resource, id)
        if obj is None:
            told = "Customer can't be found" if resource == "customers" else "Product does not exist"
            return {name: None, "userErrors": [{"field": ["id"], "message": told}]}
        if resource == "customers" and any((o["customer"] or {}).get("id") == id for o in self._state.all("orders")):
            told = "Customer can’t be deleted because they have associated orders"
            return {name: None, "userErrors": [{"field": ["id"], "message": told}]}
        self.remove(resource, id)
        return {name: id, "userErrors": []}

    def remove(self, resource: str, id: str) -> None:
        """Take an object away and tell."""
        obj = self._state.get(resource, id)
        if obj is not None:
            self._state.delete(resource, id)
            self._announce(resource, "delete", obj)

    def set_metafields(self, given: list[Json]) -> Json:
        """metafieldsSet: all or nothing, at most 25."""
        errors = []
        if len(given) > 25:
            errors.append(_at(["metafields"], "The maximum is 25 metafields", "LESS_THAN_OR_EQUAL_TO", None))
        for n, one in enumerate(given):
            errors += self._metafield_errors(one, n)
        if errors:
            return {"metafields": None, "userErrors": errors}
        made = []
        for one in given:
            resource = RESOURCES[one["ownerId"].split("/")[3]]
            owner = self._state.get(resource, one["ownerId"]) or {}
            definition = self.definition(one["ownerId"].split("/")[3].upper(), one.get("namespace"), one["key"]) or {}
            type_ = definition.get("type") or one["type"]
            made.append(self._metafield(one["namespace"], one["key"], one["value"], type_))
            held = [m for m in owner["metafields"] if (m["namespace"], m["key"]) != (one["namespace"], one["key"])]
            self.store(resource, {**owner, "metafields": [*held, made[-1]]}, owner)
        return {"metafields": made, "userErrors": []}

    def delete_metafields(self, given: list[Json]) -> Json:
        """metafieldsDelete; one that is not there counts as deleted (null in its place)."""
        gone: list[Json | None] = []
        for one in given:
            resource = RESOURCES.get(one["ownerId"].split("/")[3], "")
            owner = self._state.get(resource, one["ownerId"]) or {"metafields": []}
            held = [m for m in owner["metafields"] if (m["namespace"], m["key"]) != (one["namespace"], one["key"])]
            gone.append(one if len(held) < len(owner["metafields"]) else None)
            if gone[-1] is not None:
                self.store(resource, {**owner, "metafields": held}, owner)
        return {"deletedMetafields": gone, "userErrors": []}

    def _known(self, resource: str, identifier: Json, given: Json) -> tuple[Json | None, list[Json]]:
        (name, value), found = next(iter(identifier.items())), None
        if name == "id":
            found = self._state.get(resource, value)
            if found is None:
                return None, [
                    _refused(["identifier", "id"], "Resource matching the identifier was not found.", "NOT_FOUND")
                ]
            return found, []
        if given.get(name) is None:
            told = "The input field corresponding to the identifier is required."
            return None, [_refused(["input", name], told, "MISSING_FIELD_REQUIRED")]
        if given[name] != value:
            told = "The identifier value does not match the value of the corresponding field in the input."
            return None, [_refused(["input", name], told, "INPUT_MISMATCH")]
        for obj in self._state.all(resource):
            if value.lower() in ((email_of(obj) or "").lower(), obj.get("handle"), _phone(obj)):
                return obj, []
        return None, []

    def _customer_errors(self, existing: Json | None, given: Json) -> list[Json]:
        errors = []
        others = [obj for obj in self._state.all("customers") if existing is None or obj["id"] != existing["id"]]
        if given.get("email"):
            email = given["email"].strip().lower()
            if not objects.good_email(email):
                errors.append(_refused(["input", "email"], "Email is invalid", "INVALID"))
            elif any(email_of(obj) == email for obj in others):
                errors.append(_refused(["input", "email"], "Email has already been taken", "TAKEN"))
        if given.get("phone"):
            phone = objects.phone_of(given["phone"])
            if phone is None:
                errors.append(_refused(["input", "phone"], "Phone is invalid", "INVALID"))
            elif any(_phone(obj) == phone for obj in others):
                errors.append(_refused(["input", "phone"], "Phone has already been taken", "TAKEN"))
        errors += [
            _refused(["input", name], f"{name} is too long (maximum is 255 characters)", "TOO_LONG")
            for name in ("firstName", "lastName")
            if len(given.get(name) or "") > 255
        ]
        if existing is None and not any(given.get(name) for name in ("firstName", "lastName", "email", "phone")):
            errors.append(_refused(None, "Customer must have a name, phone number or email address", "INVALID"))
        return errors

    def _product_errors(self, existing: Json | None, given: Json) -> list[Json]:
        errors = []
        if existing is None and not given.get("title"):
            errors.append(_refused(["input", "title"], "Title can't be blank", "INVALID_PRODUCT"))
        handle = given.get("handle")
        others = [obj for obj in self._state.all("products") if existing is None or obj["id"] != existing["id"]]
        if handle and any(obj["handle"] == handle for obj in others):
            errors.append(_refused(["input", "handle"], "Handle must be unique", "HANDLE_NOT_UNIQUE"))
        if given.get("variants") and not given.get("productOptions"):
            told = "Product options input is required when updating variants"
            errors.append(_refused(["input", "productOptions"], told, "PRODUCT_OPTIONS_INPUT_MISSING"))
        return errors

    def _merged(self, resource: str, existing: Json | None, given: Json) -> Json:
        """The object after the mutation: lists replaced, what was left out untouched."""
        now = self._now()
        if resource == "customers":
            return self._merged_customer(existing, dict(given), now)
        plain = {
            name: value for name, value in given.items() if name not in ("variants", "productOptions", "metafields")
        }
        for name, blank in (("productType", ""), ("vendor", "Sandbox")):  # never null in the schema
            if name in plain and plain[name] is None:
                plain[name] = blank
        id = existing["id"] if existing else self.new_id("Product")
        made = {**existing, **plain} if existing else objects.product(id, now, plain)
        number = id.rsplit("/", 1)[1]
        if "productOptions" in given:
            made["options"] = [
                {
                    "id": gid("ProductOption", f"{number}{n}"),
                    "name": one.get("name") or "Title",
                    "position": n + 1,
                    "values": [value["name"] for value in one.get("values") or ()],
                }
                for n, one in enumerate(given["productOptions"] or ())
            ]
        if "variants" in given:
            made["variants"] = [_variant(one, n, number, now) for n, one in enumerate(given["variants"] or ())]
        return made

    def _merged_customer(self, existing: Json | None, plain: Json, now: str) -> Json:
        if plain.get("phone"):
            plain["phone"] = objects.phone_of(plain["phone"])
        if existing is None:
            return objects.customer(self.new_id("Customer"), now, {k: v for k, v in plain.items() if v is not None})
        made = dict(existing)
        if "email" in plain:
            made["defaultEmailAddress"] = objects.email_address(plain.pop("email"), existing["defaultEmailAddress"])
        if "phone" in plain:
            made["defaultPhoneNumber"] = objects.phone_number(plain.pop("phone"), existing["defaultPhoneNumber"])
        if "addresses" in plain:
            number = existing["id"].rsplit("/", 1)[1]
            given = plain.pop("addresses") or []
            made["addressesV2"] = [
                objects.address(one, gid("MailingAddress", f"{number}{n}")) for n, one in enumerate(given)
            ]
        plain["tags"] = sorted(plain["tags"]) if plain.get("tags") else plain.get("tags", existing["tags"]) or []
        return objects.named(made | plain)

    def _metafield_errors(self, one: Json, n: int) -> list[Json]:
        kind = one["ownerId"].split("/")[3] if one["ownerId"].count("/") == 4 else ""
        if self._state.get(RESOURCES.get(kind, ""), one["ownerId"]) is None:
            return [_at(["metafields", str(n), "ownerId"], "Owner does not exist", "INVALID", n)]
        definition = self.definition(kind.upper(), one.get("namespace"), one["key"])
        if definition is None and not one.get("type"):
            return [_at(["metafields", str(n), "type"], "Type can't be blank", "BLANK", n)]
        if not one["value"]:
            return [_at(["metafields", str(n), "value"], "Value can't be blank", "BLANK", n)]
        if definition is not None and definition["type"] == "id":
            holder = self.by_custom_id(RESOURCES[kind], one)
            if holder is not None and holder["id"] != one["ownerId"]:
                return [_at(["metafields", str(n), "value"], "Value has already been taken", "TAKEN", n)]
        choices = (definition or {}).get("choices")
        if choices and one["value"] not in choices:
            return [_at(["metafields", str(n), "value"], "Value isn't included in the list", "INVALID_VALUE", n)]
        return []

    def _metafield(self, namespace: str, key: str, value: str, type: str) -> Json:
        return objects.metafield(namespace, key, value, type, self._state.serial("Metafield"), self._now())


_PRODUCT_CODES = {"NOT_FOUND": "PRODUCT_DOES_NOT_EXIST", "INVALID": "INVALID_METAFIELD"}


def _variant(given: Json, n: int, number: str, now: str) -> Json:
    plain = {name: value for name, value in given.items() if name not in ("optionValues", "id")}
    chosen = [{"name": o.get("optionName") or "Title", "value": o.get("name") or ""} for o in given["optionValues"]]
    title = " / ".join(one["value"] for one in chosen)
    return objects.variant({**plain, "title": title, "selectedOptions": chosen}, n, number, now)


def _phone(obj: Json) -> str | None:
    return (obj.get("defaultPhoneNumber") or {}).get("phoneNumber")


def _refused(field: list[str] | None, message: str, code: str) -> Json:
    return {"field": field, "message": message, "code": code}


def _at(field: list[str], message: str, code: str, index: int | None) -> dict[str, Any]:
    return {"field": field, "message": message, "code": code, "elementIndex": index}
