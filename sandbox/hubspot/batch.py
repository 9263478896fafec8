"""HubSpot's batches: create, update, upsert, read; per-input outcomes when every input carries a trace id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.hubspot.properties import SINGULAR, TYPE_IDS
from sandbox.hubspot.store import PORTAL, Refused, Store
from sandbox.state import Json

Tell = Callable[..., None]
"""(object type, "creation" or "propertyChange", object, more) → a webhook."""


class Batches:
    """The batch endpoints of one account."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store, self._tell = store, tell

    def write(
        self, kind: str, verb: str, inputs: Sequence[Json], spoil: Mapping[str, Any] | None = None
    ) -> tuple[list[Json], list[Json]]:
        """(results, errors). Raises Refused when the whole batch is: a doubled id, or a bad input without trace ids.

        `spoil` refuses one input: its `index`, `category`, `message`.
        """
        ids = [str(one["id"]) for one in inputs if one.get("id")]
        if len(set(ids)) < len(ids):
            doubled = sorted({one for one in ids if ids.count(one) > 1})
            told = f"Duplicate IDs found in batch input: {doubled}. IDs must be unique"
            raise Refused(400, "VALIDATION_ERROR", told)
        each = all(one.get("objectWriteTraceId") for one in inputs)
        if not each:  # then nothing is applied when anything is refused
            for one in inputs:
                self._store.check(kind, one.get("properties", {}), self._target(kind, one, verb))
        results: list[Json] = []
        errors: list[Json] = []
        for place, one in enumerate(inputs):
            mark = {"objectWriteTraceId": one["objectWriteTraceId"]} if one.get("objectWriteTraceId") else {}
            try:
                if spoil is not None and place == spoil.get("index", 0):
                    told = spoil.get("message", "simulated refusal")
                    raise Refused(400, spoil.get("category", "VALIDATION_ERROR"), told)
                obj, new = self._apply(kind, verb, one)
            except Refused as refused:
                if not each and refused.category != "OBJECT_NOT_FOUND":
                    raise
                context = {name: [value] for name, value in mark.items()} | refused.context
                errors.append(refused.as_json() | {"context": context})
                continue
            touched = [*one.get("properties", {}), *([one["idProperty"]] if one.get("idProperty") else [])]
            shown = self._store.show_written(kind, obj, touched)
            results.append(shown | mark | ({"new": new} if verb == "upsert" else {}))
        return results, errors

    def read(
        self, kind: str, inputs: Sequence[Json], id_property: str, wanted: Sequence[str] | None
    ) -> tuple[list[Json], list[Json]]:
        """(results, errors): the objects that are there, and one error that lists the ids that are not."""
        if id_property and not self._store.is_unique(kind, id_property):
            raise Refused(400, "VALIDATION_ERROR", f"Unable to read by non-unique property {id_property}")
        found = {str(one["id"]): self._store.find(kind, str(one["id"]), id_property) for one in inputs}
        missing = [one for one, obj in found.items() if obj is None]
        shown = [self._store.show(kind, obj, wanted) for obj in found.values() if obj is not None]
        return shown, [_missing(kind, missing).as_json()] if missing else []

    def tell_changes(self, kind: str, obj: Json, changed: Sequence[str]) -> None:
        """One webhook per changed property."""
        for name in changed:
            value = obj["properties"].get(name) or ""
            self._tell(kind, "propertyChange", obj, propertyName=name, propertyValue=value)

    def _apply(self, kind: str, verb: str, one: Json) -> tuple[Json, bool]:
        """(object, whether it is new)."""
        sent, store = one.get("properties", {}), self._store
        if verb == "upsert" and not one.get("idProperty"):
            raise Refused(400, "VALIDATION_ERROR", "idProperty is required to upsert")
        target, key = self._target(kind, one, verb), str(one.get("id", ""))
        if target is None and verb == "update":
            raise _missing(kind, [key])
        if target is None:
            sent = {**sent, **({one["idProperty"]: one["id"]} if verb == "upsert" else {})}
            made = store.create(kind, store.check(kind, sent, None), key=key)
            self._tell(kind, "creation", made)
            return made, True
        after, changed = store.update(kind, target, store.check(kind, sent, target), key=key)
        self.tell_changes(kind, after, changed)
        return after, False

    def _target(self, kind: str, one: Json, verb: str) -> Json | None:
        name = one.get("idProperty") or ""
        if name and not self._store.is_unique(kind, name):
            told = (
                f"Unable to perform update/upsert by non-unique {TYPE_IDS[kind]} property {name} in portal ID {PORTAL}"
            )
            raise Refused(400, "VALIDATION_ERROR", told)
        return None if verb == "create" else self._store.find(kind, str(one["id"]), name)


def _missing(kind: str, ids: list[str]) -> Refused:
    told = f"Could not get some {SINGULAR[kind].upper()} objects, they may be deleted or not exist."
    return Refused(404, "OBJECT_NOT_FOUND", told, ids=ids)
