"""Writes.

Users and organizations are found by `external_id`, unique there: what carries our key or a known id is updated, the
rest is created. A lone item goes by itself, several go as a job of at most 100 whose results come in the order of the
request (Zendesk developer advocacy, 2021); what became of each is then read back by key. A user whose address belongs
to somebody else is refused, never taken over, unless `adopt_by_email` says that Zendesk may match by address
(create_or_update). A new address of a known user is only added by an update; it is then made the primary one.
Tickets are created one by one under an Idempotency-Key (kept two hours) and updated by id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from connectors.batches import failed, ids_of, one_by_one
from connectors.http import Answer, Http
from connectors.shapes import held, parts
from connectors.zendesk.api import job_results
from connectors.zendesk.kinds import Kind, record_of
from kernel.errors import Park, Retry, ThroughlineError, Unknown
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome

_WHOLE = "whole_job"
_ONCE = frozenset({"description", "comment"})
_ARCHIVED: Mapping[str, Json] = {"users": {"suspended": True}, "tickets": {"status": "solved"}}


class Writer:
    """Writes one connection's batches."""

    def __init__(self, http: Http, *, adopt_by_email: bool) -> None:
        self._http, self._adopt = http, adopt_by_email

    def write(self, kind: Kind, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One outcome per item, in order."""
        if batch[0].action is Action.DELETE:
            return self._delete(kind, batch)
        if kind.plural == "tickets":
            return one_by_one(batch, partial(self._ticket, kind))
        if len(batch) == 1:
            return [self._alone(kind, batch[0])]
        return self._together(kind, batch)

    def find(self, kind: Kind, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By external_id; several tickets may carry one."""
        found: dict[str, list[SourceRecord]] = {key: [] for key in ext_keys}
        if kind.plural == "tickets":
            for key in ext_keys:
                body = self._http.get(f"{kind.path}.json", params={"external_id": key}).json()
                found[key] = [record_of(kind.plural, raw) for raw in body[kind.plural] if raw["external_id"] == key]
            return found
        for raw in self._show(kind, "external_ids", ext_keys):
            if raw.get("external_id") in found:
                found[raw["external_id"]].append(record_of(kind.plural, raw))
        return found

    def fetch(self, kind: Kind, ids: Sequence[str]) -> list[SourceRecord]:
        """Those that are there."""
        return [record_of(kind.plural, raw) for raw in self._show(kind, "ids", ids)]

    def _show(self, kind: Kind, parameter: str, values: Sequence[str]) -> list[Json]:
        rows: list[Json] = []
        for some in parts(values, 100):
            answer = self._http.get(f"{kind.path}/show_many.json", params={parameter: ",".join(some)})
            rows += held(answer, kind.plural, list)
        return rows

    # one at a time ----------------------------------------------------------------------------------------------------
    def _alone(self, kind: Kind, item: WriteItem) -> WriteOutcome:
        if item.vendor_id:
            return self._update(kind, item, item.vendor_id)
        upsert = kind.plural == "organizations" or self._adopt
        path = f"{kind.path}/create_or_update.json" if upsert else f"{kind.path}.json"
        try:
            answer = self._send("POST", path, kind, body_of(kind, item), item)
        except Park as error:
            # Refused as a duplicate: of our own key, when an earlier send was applied after all?
            ours = self.find(kind, [item.ext_key])[item.ext_key] if error.cause == "conflict" else []
            return self._update(kind, item, ours[0].id) if ours else failed(error)
        return self._done(kind, item, answer, created=answer.status == 201)

    def _update(self, kind: Kind, item: WriteItem, vendor_id: str) -> WriteOutcome:
        try:
            answer = self._send("PUT", f"{kind.path}/{vendor_id}.json", kind, body_of(kind, item, known=True), item)
        except Park as error:
            return failed(error)
        return self._done(kind, item, answer, created=False)

    def _send(
        self, method: str, path: str, kind: Kind, body: Json, item: WriteItem, headers: Mapping[str, str] | None = None
    ) -> Answer:
        sent = {kind.single: body}
        return self._http.send(method, path, json=sent, write=True, trace_id=item.trace_id, headers=headers)

    def _done(self, kind: Kind, item: WriteItem, answer: Answer, *, created: bool) -> WriteOutcome:
        body = answer.json()
        raw = body.get(kind.single) if isinstance(body, dict) else None
        if not isinstance(raw, dict) or not raw.get("id"):
            raise answer.unreadable(f"no {kind.single} in the answer")
        outcome = self._settled(kind, item, record_of(kind.plural, raw), created)
        outcome.status, outcome.request_id = answer.status, answer.request_id
        return outcome

    def _settled(self, kind: Kind, item: WriteItem, record: SourceRecord, created: bool | None) -> WriteOutcome:
        """The outcome of an item that was applied; its address made the primary one where it was only added."""
        email = item.fields.get("email")
        if kind.plural == "users" and email and str(record.raw.get("email") or "").lower() != str(email).lower():
            try:
                record.raw["email"] = self._make_primary(record.id, str(email))
            except ThroughlineError as error:
                told = f"the user is written, its address is not the primary one: {error.message}"
                return WriteOutcome(error=Unknown(told, cause=error.cause, trace_id=item.trace_id))
        return WriteOutcome(vendor_id=record.id, record=record, created=created)

    def _make_primary(self, user_id: str, email: str) -> str:
        path = f"api/v2/users/{user_id}/identities"
        for identity in self._http.get(f"{path}.json").json()["identities"]:
            if identity["type"] == "email" and str(identity["value"]).lower() == email.lower():
                self._http.send("PUT", f"{path}/{identity['id']}/make_primary.json", write=True)
                return str(identity["value"])
        raise Unknown("the new address is not among the user's", cause="bad_answer")

    # a job ------------------------------------------------------------------------------------------------------------
    def _together(self, kind: Kind, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        known = self.find(kind, [item.ext_key for item in batch if not item.vendor_id])
        ids = [item.vendor_id or next((r.id for r in known[item.ext_key]), None) for item in batch]
        olds = [n for n, id_ in enumerate(ids) if id_]
        news = [n for n, id_ in enumerate(ids) if not id_]
        errors: dict[int, ThroughlineError] = {}
        if olds:
            bodies = [{**body_of(kind, batch[n], known=True), "id": _number(ids[n])} for n in olds]
            errors |= self._job("PUT", f"{kind.path}/update_many.json", kind, bodies, olds)
        if news:
            verb = "create_or_update_many" if self._adopt and kind.plural == "users" else "create_many"
            bodies = [body_of(kind, batch[n]) for n in news]
            # Once the updates were sent, nothing may be raised that says "nothing was applied".
            errors |= self._job("POST", f"{kind.path}/{verb}.json", kind, bodies, news, raising=not olds)
        return self._read_back(kind, batch, ids, errors)

    def _job(
        self, method: str, path: str, kind: Kind, bodies: list[Json], places: list[int], *, raising: bool = True
    ) -> dict[int, ThroughlineError]:
        """The errors of a job's items by their place in the batch; none for what went well."""
        try:
            answer = self._http.send(method, path, json={kind.plural: bodies}, write=True)
        except ThroughlineError as error:
            if raising:
                raise
            refused = Park("the job as a whole was refused", cause=_WHOLE) if isinstance(error, Park) else error
            return dict.fromkeys(places, refused)
        try:
            results = job_results(self._http, answer)
        except ThroughlineError as error:
            return dict.fromkeys(places, error)
        if len(results) != len(places):
            return dict.fromkeys(places, Unknown("the job has another number of results", cause="wrong_length"))
        refusals = {place: _job_error(kind, told) for place, told in zip(places, results, strict=True)}
        return {place: refusal for place, refusal in refusals.items() if refusal is not None}

    def _read_back(
        self, kind: Kind, batch: Sequence[WriteItem], ids: Sequence[str | None], errors: Mapping[int, ThroughlineError]
    ) -> list[WriteOutcome]:
        """What the account holds now decides what was applied; a job's own results only explain refusals."""
        try:
            found = self.find(kind, [item.ext_key for item in batch])
        except ThroughlineError as error:
            lost = Unknown(f"the job's effect cannot be read back: {error.message}", cause=error.cause)
            return [failed(errors.get(n, lost)) for n in range(len(batch))]
        outcomes = []
        for n, item in enumerate(batch):
            record, refusal = next(iter(found[item.ext_key]), None), errors.get(n)
            if record is not None and ids[n] is None and isinstance(refusal, Unknown):
                refusal = None  # whatever became of the job: the object was not there before, and is now
            if record is not None and ids[n] is None and isinstance(refusal, Park) and refusal.cause == "conflict":
                outcomes.append(self._guarded(self._update, kind, item, record.id))  # an earlier send came first
            elif isinstance(refusal, Park) and refusal.cause == _WHOLE:
                outcomes.append(self._guarded(self._alone, kind, item))
            elif refusal is not None:
                outcomes.append(failed(refusal))
            elif record is None:
                told = "the job says it is done, but nothing carries our key"
                outcomes.append(failed(Unknown(told, cause="bad_answer", trace_id=item.trace_id)))
            else:
                outcomes.append(self._settled(kind, item, record, created=ids[n] is None))
        return outcomes

    def _guarded(self, call: Callable[..., WriteOutcome], *args: Any) -> WriteOutcome:
        """A single write in the middle of a batch: its failure is this item's alone."""
        try:
            return call(*args)
        except ThroughlineError as error:
            return failed(error)

    # tickets, deletes -------------------------------------------------------------------------------------------------
    def _ticket(self, kind: Kind, item: WriteItem) -> WriteOutcome:
        if item.vendor_id:
            return self._update(kind, item, item.vendor_id)
        key = {"Idempotency-Key": item.idempotency_key[:255]}
        answer = self._send("POST", f"{kind.path}.json", kind, body_of(kind, item), item, headers=key)
        return self._done(kind, item, answer, created=answer.headers.get("x-idempotency-lookup") != "hit")

    def _delete(self, kind: Kind, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Zendesk keeps what it deletes for a while; gone already counts as deleted."""
        unknown = [item.ext_key for item in batch if not item.vendor_id]
        ids = ids_of(self.find(kind, unknown)) if unknown else {}

        def delete(item: WriteItem) -> WriteOutcome:
            id = item.vendor_id or ids.get(item.ext_key)
            if id is None:
                raise Park("nothing carries our key", cause="not_found", trace_id=item.trace_id)
            path = f"{kind.path}/{id}.json"
            answer = self._http.send("DELETE", path, write=True, accept=(404,), trace_id=item.trace_id)
            return WriteOutcome(vendor_id=id, status=answer.status, request_id=answer.request_id)

        return one_by_one(batch, delete)


def body_of(kind: Kind, item: WriteItem, *, known: bool = False) -> Json:
    """The item as Zendesk takes it: dotted names nested, references as ids, our key; `known`: an update.

    A ticket's first comment is given once: sent again it would be a second comment.
    """
    body: Json = {
        "external_id": item.ext_key,
        **(_ARCHIVED.get(kind.plural, {}) if item.action is Action.ARCHIVE else {}),
    }
    custom: list[Json] = []
    for name, value in item.fields.items():
        top, _, rest = name.partition(".")
        if known and kind.plural == "tickets" and top in _ONCE:
            continue
        if top == "custom_fields" and kind.plural == "tickets":
            custom.append({"id": int(rest), "value": value})
        elif top == "description" and kind.plural == "tickets":
            body["comment"] = {"body": value}
        elif rest:
            body.setdefault(top, {})[rest] = value
        else:
            body[top] = [] if value is None and top in ("tags", "domain_names") else value
    for name, (_, vendor_id) in item.refs.items():
        body[kind.references.get(name, f"{name}_id")] = _number(vendor_id)
    return {**body, "custom_fields": custom} if custom else body


def _number(vendor_id: str | None) -> Any:
    return int(vendor_id) if vendor_id and vendor_id.isdigit() else vendor_id


def _job_error(kind: Kind, result: Json) -> ThroughlineError | None:
    """A failed item of a job. Its prose may quote values, so only its code and a known field are told."""
    code = str(result.get("error") or "")
    if not code and result.get("status") != "Failed" and result.get("success") is not False:
        return None
    prose = str(result.get("details") or "").lower()
    taken = "already" in prose or "taken" in prose
    if code in ("JobTooManyRequests", "DatabaseConflict"):
        return Retry(f"Zendesk did not get to it: {code}", cause="locked")
    label = prose.partition(":")[0].strip().replace(" ", "_")
    field = label if label in kind.standard else ""
    told = f"Zendesk refused {field or 'it'}: {code or 'Failed'}"
    return Park(told, cause="conflict" if taken else "refused", field=field)
