"""Writing HubSpot: upsert by the unique property, update by id, archive, associate. One outcome per item, in order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.batches import Indexed, Outcomes, untold
from connectors.http import Answer, Http
from connectors.hubspot.api import Crm
from connectors.hubspot.schema import REFERENCE_PROPERTIES, source_record
from connectors.verdicts import fated
from kernel.errors import ThroughlineError
from kernel.records import Action, Json, WriteItem, WriteOutcome

# What a batch's own error category would have been as a single call's status (207 answers carry no item statuses).
_STATUS = {"VALIDATION_ERROR": 400, "CONFLICT": 409, "OBJECT_NOT_FOUND": 404, "RATE_LIMITS": 429, "LOCKED": 423}
_EXISTING = re.compile(r"Existing ID: (\d+)")
Link = Callable[[str, str, Sequence[tuple[str, str]]], Answer]


class Writer:
    """Writes one batch to one resource; made anew for each batch."""

    def __init__(self, crm: Crm, http: Http, resource: str, key_property: str) -> None:
        self._crm, self._http, self._resource, self._key = crm, http, resource, key_property
        self._taken: list[tuple[int, WriteItem, str, ThroughlineError]] = []  # refused because another object has it

    def write(self, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Send the batch. Raises only when the failure came before anything of it was settled."""
        self._outcomes = outcomes = Outcomes(batch)
        items, action = outcomes.items, batch[0].action
        if action in (Action.UPSERT, Action.CLEAR):
            outcomes.each([one for one in items if one[1].vendor_id], self._update)
            outcomes.each([one for one in items if not one[1].vendor_id], self._upsert)
            self._adopt()
            self._link(self._applied(), self._crm.associate)
        elif action in (Action.ASSOCIATE, Action.DISSOCIATE):
            named = self._with_ids(items)
            outcomes.each([one for one in named if _reference_properties(one[1])], self._update)
            for index, item in named:
                if outcomes.get(index) is None:
                    outcomes.settle(index, WriteOutcome(vendor_id=item.vendor_id))
            self._link(self._applied(), self._crm.associate if action is Action.ASSOCIATE else self._crm.dissociate)
        else:
            outcomes.each(self._with_ids(items), self._archive)
        return outcomes.in_order()

    def _upsert(self, items: Indexed) -> None:
        inputs = [
            {
                "id": item.ext_key,
                "idProperty": self._key,
                "objectWriteTraceId": _mark(index, item),
                "properties": properties(item),
            }
            for index, item in items
        ]
        self._settle(items, self._crm.upsert(self._resource, inputs, items[0][1].trace_id))

    def _update(self, items: Indexed) -> None:
        inputs = [
            {
                "id": str(item.vendor_id),
                "objectWriteTraceId": _mark(index, item),
                "properties": {**properties(item), self._key: item.ext_key},
            }
            for index, item in items
        ]
        self._settle(items, self._crm.update(self._resource, inputs, items[0][1].trace_id))

    def _archive(self, items: Indexed) -> None:
        answer = self._crm.archive(self._resource, [str(item.vendor_id) for _, item in items])
        for index, item in items:
            outcome = WriteOutcome(item.vendor_id, None, False, status=answer.status, request_id=answer.request_id)
            self._outcomes.settle(index, outcome)

    def _settle(self, items: Indexed, answer: Answer) -> None:
        """Pair the results and errors of a batch answer with its items, by the mark each input carried."""
        if answer.status == 409:
            error = self._error(answer.body_or_none() or {}, answer, items[0][1])
            if len(items) > 1:
                raise error
            self._refuse(items[0], answer.body_or_none() or {}, error)
            return
        body = answer.json()
        if not isinstance(body, dict) or not isinstance(body.get("results"), list):
            raise answer.unreadable()
        marks = {_mark(index, item): (index, item) for index, item in items}
        names = {name: (index, item) for index, item in items for name in (item.vendor_id, item.ext_key) if name}
        for raw in body["results"]:
            told = raw["properties"].get(self._key)
            place = marks.get(raw.pop("objectWriteTraceId", "")) or names.get(str(raw["id"])) or names.get(told)
            if place is not None:
                created = raw.pop("new", False)
                outcome = WriteOutcome(str(raw["id"]), source_record(raw), created)
                outcome.status, outcome.request_id = answer.status, answer.request_id
                self._outcomes.settle(place[0], outcome)
        for told in body.get("errors", []):
            context = told.get("context") or {}
            blamed = [marks.get(mark) for mark in context.get("objectWriteTraceId", [])]
            blamed += [names.get(name) for name in context.get("ids", [])]
            for place in blamed:
                if place is not None:
                    self._refuse(place, told, self._error(told, answer, place[1]))

    def _refuse(self, place: tuple[int, WriteItem], told: Mapping[str, Any], error: ThroughlineError) -> None:
        """Note a refused item; a conflict of a create is kept back, for its object may be adopted."""
        index, item = place
        named = (told.get("context") or {}).get("existingId") or _EXISTING.findall(str(told.get("message", "")))
        if error.cause == "conflict" and not item.vendor_id and named:
            self._taken.append((index, item, str(named[0]), error))
        else:
            self._outcomes.fail([place], error)

    def _adopt(self) -> None:
        """Update the existing objects that refused creates ran into, unless another key of ours is in them."""
        taken, self._taken = self._taken, []
        if not taken:
            return
        try:
            answer = self._crm.read(self._resource, list(dict.fromkeys(one[2] for one in taken)), [self._key])
            keys = {str(raw["id"]): raw["properties"].get(self._key) for raw in answer.json()["results"]}
        except ThroughlineError as error:
            for index, item, _, _ in taken:
                self._outcomes.fail([(index, item)], error)
            return
        adopted, claimed = Indexed(), set[str]()
        for index, item, existing, refusal in taken:
            if existing not in keys or existing in claimed or keys[existing] not in (None, "", item.ext_key):
                self._outcomes.fail([(index, item)], refusal)
                continue
            claimed.add(existing)
            adopted.append((index, replace(item, vendor_id=existing)))
        self._outcomes.each(adopted, self._update)

    def _link(self, items: Indexed, verb: Link) -> None:
        """Associate (or dissociate) each item with its references; a failed link fails its item."""
        groups: dict[str, list[tuple[int, WriteItem, str]]] = defaultdict(list)
        for index, item in items:
            for other, parent in item.refs.values():
                if other not in REFERENCE_PROPERTIES:
                    groups[other].append((index, item, parent))
        for other, wanted in groups.items():
            parents = {index: parent for index, _, parent in wanted}

            def send(part: Indexed, other: str = other, parents: Mapping[int, str] = parents) -> None:
                self._send_links(part, other, parents, verb)

            self._outcomes.each([(index, item) for index, item, _ in wanted], send)

    def _send_links(self, items: Indexed, other: str, parents: Mapping[int, str], verb: Link) -> None:
        pairs = {(str(item.vendor_id), parents[index]): (index, item) for index, item in items}
        answer = verb(self._resource, other, list(pairs))
        if answer.status == 204:
            return
        body = answer.json()
        done = {(str(one["from"]["id"]), str(one["to"]["id"])) for one in body.get("results", [])}
        refused: dict[tuple[str, str], Json] = {}
        for told in body.get("errors", []):
            context = told.get("context") or {}
            refused.update(dict.fromkeys(zip(_ids(context, "from"), _ids(context, "to"), strict=False), told))
        for pair, place in pairs.items():
            if pair in refused:
                self._outcomes.fail([place], self._error(refused[pair], answer, place[1]))
            elif pair not in done:
                self._outcomes.fail([place], untold(place[1]))

    def _applied(self) -> Indexed:
        """The items with references that were applied, with the vendor's id."""
        applied = self._outcomes.applied()
        return [(index, replace(item, vendor_id=vendor_id)) for index, item, vendor_id in applied if item.refs]

    def _with_ids(self, items: Indexed) -> Indexed:
        return self._outcomes.named(items, self._ids)

    def _ids(self, keys: Sequence[str]) -> Mapping[str, str]:
        results = self._crm.read(self._resource, list(keys), [self._key], self._key).json()["results"]
        return {raw["properties"][self._key]: str(raw["id"]) for raw in results}

    def _error(self, told: Mapping[str, Any], answer: Answer, item: WriteItem) -> ThroughlineError:
        verdicts = self._http.verdicts
        verdict, code = verdicts.judge(_STATUS.get(str(told.get("category")), 400), told)
        assert verdict is not None
        return fated(
            verdict,
            write=True,
            now=self._http.clock.now(),
            after=None,
            connection=self._http.connection,
            code=code,
            field=verdicts.field(told),
            status=answer.status,
            request_id=answer.request_id,
            trace_id=item.trace_id,
        )


def properties(item: WriteItem) -> dict[str, str]:
    """The item's fields, and the references that are properties, as HubSpot takes them: every value a string."""
    told = {name: value if type(value) is str else text(value) for name, value in item.fields.items()}
    return told | _reference_properties(item) if item.refs else told


def _reference_properties(item: WriteItem) -> dict[str, str]:
    clear = item.action is Action.DISSOCIATE
    return {
        REFERENCE_PROPERTIES[other]: "" if clear else vendor_id
        for other, vendor_id in item.refs.values()
        if other in REFERENCE_PROPERTIES
    }


def text(value: Any) -> str:
    """A value on HubSpot's wire: "" clears, several values are joined by semicolons."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ";".join(text(one) for one in value)
    return str(value)


def _mark(index: int, item: WriteItem) -> str:
    """What an input is known by in the answer: the trace id, made unique within the batch."""
    return f"{item.trace_id or 'item'}-{index}"


def _ids(context: Mapping[str, Any], end: str) -> Iterable[str]:
    return [str(one) for one in context.get(f"{end}ObjectId", [])]
