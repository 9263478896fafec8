"""Customers, written in batches.

* A batch has at most 30 items and answers for each, a Fault or the object; 40 batches a minute (facts sheet).
* An update carries the current SyncToken (5010 when it is stale), so a late one can overwrite nothing. A sparse one
  leaves alone what it does not name; a nested object goes whole; "" empties a field (from memory, not confirmed).
* DisplayName is unique among customers, vendors and employees (6240): a create that is sent twice makes one customer.
* `requestid` (at most 36 characters with a batch) makes QuickBooks give its first answer again, whatever the body and
  for a time nobody tells (Intuit's blog, 2015-04-06). So each send has its own: a refusal must not be repeated once its
  reason is gone. It guards what our HTTP layer repeats, and nothing else rests on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from connectors.batches import Indexed, Outcomes, applied, failed, inside, untold
from connectors.dotted import at, nested
from connectors.http import Answer
from connectors.quickbooks.company import MARK, Company, record
from connectors.quickbooks.resources import KEY
from connectors.shapes import held
from kernel.errors import Park, ThroughlineError, Unknown
from kernel.ids import content_hash
from kernel.records import Action, Json, WriteItem, WriteOutcome

_record = partial(record, "customers")


class Writer:
    """Writes one company's customers."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def write(self, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One outcome per item. What was stale is read and written again, once; a name that is taken is looked up."""
        outcomes = Outcomes(batch)
        self._send(outcomes, outcomes.items)
        with suppress(ThroughlineError):  # they stay what they are: nothing of them was applied
            self._send(outcomes, outcomes.met("locked"))
        taken = [(n, item) for n, item in outcomes.met("conflict") if not item.vendor_id]
        try:
            self._send(outcomes, self._ours(taken))
        except ThroughlineError as error:
            told = "the name is taken, and nobody could say whether by an earlier send of ours"
            outcomes.fail(taken, Unknown(told, cause=error.cause, status=error.status, request_id=error.request_id))
        return outcomes.in_order()

    def _ours(self, taken: Indexed) -> Indexed:
        """Those whose name a customer with our own key has: the answer to an earlier send was lost, so it is updated."""
        names = list(dict.fromkeys(str(item.fields.get("DisplayName")) for _, item in taken))
        ours = {record.raw.get(KEY): record.id for record in map(_record, self._among("DisplayName", names))}
        return [(n, replace(item, vendor_id=ours[item.ext_key])) for n, item in taken if item.ext_key in ours]

    def _among(self, field: str, values: Sequence[str]) -> list[Json]:
        return list(self._company.among("customers", field, values))

    def _send(self, outcomes: Outcomes, items: Indexed) -> None:
        known = {str(row["Id"]): row for row in self._among("Id", [i.vendor_id for _, i in items if i.vendor_id])}
        gone = [(n, i) for n, i in items if (i.vendor_id or i.action is Action.ARCHIVE) and i.vendor_id not in known]
        for n, item in gone:
            told = "the customer is not there (any more)"
            outcomes.fail([(n, item)], Park(told, cause="not_found", trace_id=item.trace_id))
        ready = [each for each in items if each not in gone]
        outcomes.each(ready, lambda part: self._post(outcomes, part, known))

    def _post(self, outcomes: Outcomes, items: Indexed, known: Mapping[str, Json]) -> None:
        asked = [_asked(n, item, known.get(item.vendor_id or "")) for n, item in items]
        key = content_hash([asked, [item.idempotency_key for _, item in items], self._company.http.clock.now()])
        params = {"requestid": key, "minorversion": self._company.version}
        trace_id = items[0][1].trace_id if len(items) == 1 else ""
        path, body = self._company.path("batch"), {"BatchItemRequest": asked}
        answer = self._company.http.send("POST", path, params=params, json=body, write=True, trace_id=trace_id)
        by_id = {str(one.get("bId")): one for one in held(answer, "BatchItemResponse", list) if isinstance(one, dict)}
        for n, item in items:
            outcomes.settle(n, self._outcome(item, by_id.get(str(n), {}), answer))

    def _outcome(self, item: WriteItem, told: Json, answer: Answer) -> WriteOutcome:
        if at(told, "Customer.Id"):
            return applied(answer, _record(told["Customer"]), created=not item.vendor_id)
        if told.get("Fault"):
            return inside(self._company.http, answer, 400, {"Fault": told["Fault"]}, item)
        return failed(untold(item))


def _asked(n: int, item: WriteItem, current: Json | None) -> Json:
    """One item of a batch; `current` is the customer as it stands, None for a new one."""
    customer = nested(item.fields, nothing="", held=current)
    if item.action is Action.ARCHIVE:
        customer["Active"] = False
    notes = MARK.sub("", str((current or {}).get("Notes") or ""))
    marked = f"{notes}\n[throughline {item.ext_key}]".strip()
    if current is None or marked != current.get("Notes"):
        customer["Notes"] = marked
    if current is not None:
        customer |= {"Id": current["Id"], "SyncToken": current["SyncToken"], "sparse": True}
    return {"bId": str(n), "operation": "create" if current is None else "update", "Customer": customer}
