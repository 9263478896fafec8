"""Writing Salesforce through sObject collections: 200 records, each for itself, results in the order of the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.batches import Indexed, Outcomes
from connectors.http import Answer, Http
from connectors.salesforce.api import Org
from connectors.salesforce.schema import LOOKUPS, source_record
from connectors.verdicts import fated
from kernel.errors import Park, Retry, ThroughlineError, Unknown
from kernel.records import Action, Json, WriteItem, WriteOutcome


def values(resource: str, key_field: str, item: WriteItem) -> Json:
    """What is written of an item, by field: our key, its fields, its references as lookups."""
    lookups, clear = LOOKUPS[resource], item.action is Action.DISSOCIATE
    references = {lookups[name][1]: None if clear else vendor_id for name, (_, vendor_id) in item.refs.items()}
    return {key_field: item.ext_key, **item.fields, **references}


def refusal(http: Http, key_field: str, told: Mapping[str, Any], answer: Answer, item: WriteItem) -> ThroughlineError:
    """The error that `errors` of a record's result stand for."""
    verdict, code = http.verdicts.judge(400, told)
    assert verdict is not None
    facts: dict[str, Any] = {"status": answer.status, "request_id": answer.request_id, "trace_id": item.trace_id}
    if code == "DUPLICATE_VALUE" and any(key_field in str(error.get("message")) for error in told["errors"]):
        # Someone inserted the same key in the same moment; the next try finds and updates it.
        return Retry("the key was being inserted at the same time", cause="locked", **facts)
    facts |= {"code": code, "field": http.verdicts.field(told)}
    return fated(verdict, write=True, now=http.clock.now(), after=None, connection=http.connection, **facts)


class Writer:
    """Writes one batch to one resource; made anew for each batch."""

    def __init__(self, org: Org, http: Http, resource: str, key_field: str, read_back: Sequence[str]) -> None:
        """`read_back`: the fields to read after the write; none: no read."""
        self._org, self._http, self._resource, self._key = org, http, resource, key_field
        self._fields = read_back

    def write(self, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Send the batch. Raises only when the failure came before anything of it was settled."""
        self._outcomes = outcomes = Outcomes(batch)
        if batch[0].action is Action.DELETE:
            outcomes.each(self._with_ids(outcomes.items), self._delete)
            return outcomes.in_order()
        if batch[0].action in (Action.ASSOCIATE, Action.DISSOCIATE):
            outcomes.each(self._with_ids(outcomes.items), self._update)
        else:
            outcomes.each([one for one in outcomes.items if one[1].vendor_id], self._update)
            outcomes.each([one for one in outcomes.items if not one[1].vendor_id], self._upsert)
        self._read_back()
        return outcomes.in_order()

    def _upsert(self, items: Indexed) -> None:
        records = [self._record(item) for _, item in items]
        self._settle(items, self._org.upsert(self._resource, self._key, records, items[0][1].trace_id))

    def _update(self, items: Indexed) -> None:
        records = [{**self._record(item), "id": item.vendor_id} for _, item in items]
        self._settle(items, self._org.update(records, items[0][1].trace_id))

    def _delete(self, items: Indexed) -> None:
        self._settle(items, self._org.delete([str(item.vendor_id) for _, item in items]))

    def _record(self, item: WriteItem) -> Json:
        """The record as sent: `attributes` first, as Salesforce's parser wants it."""
        return {"attributes": {"type": self._resource}, **values(self._resource, self._key, item)}

    def _settle(self, items: Indexed, answer: Answer) -> None:
        """Pair the results with the items by their order; an answer of another length says nothing about any."""
        results = answer.json()
        if not isinstance(results, list) or len(results) != len(items):
            told = "the answer has another number of results than the request has records"
            raise Unknown(told, cause="wrong_length", status=answer.status, request_id=answer.request_id)
        for (index, item), told in zip(items, results, strict=True):
            gone = item.action is Action.DELETE and _codes(told) == ["ENTITY_IS_DELETED"]
            if told.get("success") or gone:
                vendor_id = str(told.get("id") or item.vendor_id)
                outcome = WriteOutcome(vendor_id, None, bool(told.get("created", False)))
                outcome.status, outcome.request_id = answer.status, answer.request_id
                self._outcomes.settle(index, outcome)
            else:
                self._outcomes.fail([(index, item)], refusal(self._http, self._key, told, answer, item))

    def _read_back(self) -> None:
        """What the org made of the records; without it the outcomes stand all the same."""
        applied = self._outcomes.applied()
        if not applied or not self._fields:
            return
        try:
            answer = self._org.retrieve(self._resource, [vendor_id for _, _, vendor_id in applied], self._fields)
            records = {raw["Id"]: source_record(raw) for raw in answer.json() if raw}
        except ThroughlineError:
            return
        for index, _, vendor_id in applied:
            outcome = self._outcomes.get(index)
            if outcome is not None:
                outcome.record = records.get(vendor_id)

    def _with_ids(self, items: Indexed) -> Indexed:
        """The items with the vendor's id, looked up by our key where it is not known; those not there are parked."""
        keys = [item.ext_key for _, item in items if not item.vendor_id]
        found: dict[str, str] = {}
        if keys:
            soql = f"SELECT Id, {self._key} FROM {self._resource} WHERE {self._key} IN {{keys}}"  # nosec B608 # noqa: S608 - names
            found = {raw[self._key]: raw["Id"] for raw in self._org.query(soql, {"keys": keys}).json()["records"]}
        named = Indexed()
        for index, item in items:
            vendor_id = item.vendor_id or found.get(item.ext_key)
            if vendor_id:
                named.append((index, replace(item, vendor_id=vendor_id)))
            else:
                missing = Park("there is no record with our key", cause="not_found", trace_id=item.trace_id)
                self._outcomes.fail([(index, item)], missing)
        return named


def _codes(told: Mapping[str, Any]) -> list[str]:
    return [str(error.get("statusCode")) for error in told.get("errors", [])]
