"""Writes: several mutations in one document, one outcome per item.

Facts (shopify.dev, customerSet, productSet, working with custom IDs; the Admin schema's own descriptions): an
identifier `customId` finds the object by our metafield or creates it with that value; list fields are replaced as a
whole, other omitted fields stay; refusals come as `userErrors` inside a 200; the mutations of one document run in order
and are not rolled back. All of it may be sent again: class A.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connectors.http import Answer
from connectors.shopify import documents
from connectors.shopify.documents import Shape
from connectors.shopify.graph import Graph, alias_errors
from connectors.shopify.shaping import records_of
from kernel.errors import Park, Retry, ThroughlineError, Unknown
from kernel.records import Action, Json, WriteItem, WriteOutcome

_LISTS = frozenset({"tags", "addresses", "taxExemptions", "variants", "productOptions", "collections", "files"})
_CAUSES: Mapping[str, str] = {
    "TAKEN": "conflict",
    "HANDLE_NOT_UNIQUE": "conflict",
    "NOT_FOUND": "not_found",
    "PRODUCT_DOES_NOT_EXIST": "not_found",
}
_AGAIN = frozenset({"INTERNAL_ERROR", "STALE_OBJECT", "JOB_ERROR"})


class Writer:
    """Writes one resource's batches. `namespace` and `key` name the metafield that holds our ext_key."""

    def __init__(self, graph: Graph, namespace: str, key: str) -> None:
        self._graph, self._namespace, self._key = graph, namespace, key

    def write(self, shape: Shape, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """One outcome per item, in order."""
        if batch[0].action is Action.DELETE:
            return self._delete(shape, batch)
        return self._set(shape, batch)

    def find(self, shape: Shape, ext_keys: Sequence[str]) -> dict[str, list[Json]]:
        """The raw objects that carry our keys; the look-up by custom id reads the truth, not the search index."""
        variables = {f"k{n}": {"customId": self._custom_id(key)} for n, key in enumerate(ext_keys)}
        data, _ = self._graph.send(documents.by_custom_ids(shape, len(ext_keys)), variables)
        return {key: [data[f"k{n}"]] if data.get(f"k{n}") else [] for n, key in enumerate(ext_keys)}

    def _custom_id(self, ext_key: str) -> Json:
        return {"namespace": self._namespace, "key": self._key, "value": ext_key}

    def _set(self, shape: Shape, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        variables: Json = {}
        for n, item in enumerate(batch):
            known = {"id": item.vendor_id} if item.vendor_id else {"customId": self._custom_id(item.ext_key)}
            variables |= {f"i{n}": known, f"m{n}": _input(item)}
        data, answer = self._graph.send(documents.set_many(shape, len(batch)), variables, write=True)
        failed = alias_errors(answer)
        outcomes = [self._outcome(shape, item, data, failed, f"m{n}", answer) for n, item in enumerate(batch)]
        self._add_metafields(batch, outcomes)
        return outcomes

    def _outcome(
        self, shape: Shape, item: WriteItem, data: Json, failed: Mapping[str, str], alias: str, answer: Answer
    ) -> WriteOutcome:
        payload = data.get(alias)
        error = self._refusal(payload, failed.get(alias), item, answer)
        node = (payload or {}).get(shape.type.lower())
        if error is None and not isinstance(node, dict):
            error = Unknown(
                "Shopify answered neither an object nor an error", cause="bad_answer", trace_id=item.trace_id
            )
        facts: Json = {"status": answer.status, "request_id": answer.request_id}
        if error is not None or node is None:
            return WriteOutcome(error=error, **facts)
        try:
            record = records_of(self._graph, shape, [node])[0]
        except ThroughlineError:  # applied all the same: only the rest of its nested lists could not be read
            record = None
        return WriteOutcome(vendor_id=node["id"], record=record, created=False if item.vendor_id else None, **facts)

    def _refusal(self, payload: Any, failed: str | None, item: WriteItem, answer: Answer) -> ThroughlineError | None:
        """The error of one item: its userErrors, or the top-level error that hit its alias."""
        facts: Json = {"status": answer.status, "request_id": answer.request_id, "trace_id": item.trace_id}
        told = (payload or {}).get("userErrors") or []
        if not told:
            return Unknown(f"Shopify answered {failed}", cause="server_error", **facts) if failed else None
        first = told[0]
        code = str(first.get("code") or "userError")
        path = ".".join(str(part) for part in first.get("field") or () if part != "input")
        message = f"Shopify refused {path or 'the object'}: {code}"  # the vendor's prose may quote values
        if code in _AGAIN:
            return Retry(message, cause="locked", field=path, **facts)
        return Park(message, cause=_CAUSES.get(code, "refused"), field=path, **facts)

    def _add_metafields(self, batch: Sequence[WriteItem], outcomes: list[WriteOutcome]) -> None:
        """Custom fields, and our key where an object known by id does not carry it yet, in a second document."""
        variables: Json = {}
        sets, deletes = [], []
        for n, (item, outcome) in enumerate(zip(batch, outcomes, strict=True)):
            if outcome.vendor_id is None:
                continue
            wanted = _metafields(item.fields)
            if _metafield(outcome.record.raw if outcome.record else {}, self._namespace, self._key) != item.ext_key:
                wanted.append((self._namespace, self._key, item.ext_key))
            owner = {"ownerId": outcome.vendor_id}
            if found := [
                {**owner, "namespace": ns, "key": key, "value": _text(v)} for ns, key, v in wanted if v is not None
            ]:
                variables[f"s{n}"] = found
                sets.append(n)
            if gone := [{**owner, "namespace": ns, "key": key} for ns, key, value in wanted if value is None]:
                variables[f"x{n}"] = gone
                deletes.append(n)
        if not variables:
            return
        touched = sorted({*sets, *deletes})
        try:
            data, answer = self._graph.send(documents.metafields_many(sets, deletes), variables, write=True)
        except ThroughlineError as error:
            for n in touched:  # the first document is applied: never "nothing was applied"
                told = f"the object is written, its metafields are not: {error.message}"
                outcomes[n] = WriteOutcome(error=Unknown(told, cause=error.cause, trace_id=batch[n].trace_id))
            return
        failed = alias_errors(answer)
        for n in touched:
            for alias in (f"s{n}", f"x{n}"):
                refusal = self._refusal(data.get(alias), failed.get(alias), batch[n], answer)
                if refusal is not None:
                    outcomes[n] = WriteOutcome(error=refusal, status=answer.status, request_id=answer.request_id)
            _show_metafields(outcomes[n], data.get(f"s{n}"), variables.get(f"x{n}"))

    def _delete(self, shape: Shape, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """An object that is gone already counts as deleted."""
        unknown = [item.ext_key for item in batch if not item.vendor_id]
        found = self.find(shape, unknown) if unknown else {}
        ids = [item.vendor_id or next((raw["id"] for raw in found[item.ext_key]), None) for item in batch]
        there = {n: id_ for n, id_ in enumerate(ids) if id_}
        if not there:
            return [_missing(item) for item in batch]
        variables = {f"d{k}": {"id": id_} for k, id_ in enumerate(there.values())}
        data, answer = self._graph.send(documents.delete_many(shape, len(there)), variables, write=True)
        failed = alias_errors(answer)
        outcomes = [_missing(item) for item in batch]
        for k, (n, id_) in enumerate(there.items()):
            error = self._refusal(data.get(f"d{k}"), failed.get(f"d{k}"), batch[n], answer)
            # A delete's errors carry no code: whether the object is gone already is asked of the shop itself.
            if isinstance(error, Park) and self._gone(shape, id_):
                error = None
            facts: Json = {"status": answer.status, "request_id": answer.request_id}
            outcomes[n] = WriteOutcome(error=error, **facts) if error else WriteOutcome(vendor_id=id_, **facts)
        return outcomes

    def _gone(self, shape: Shape, vendor_id: str) -> bool:
        try:
            data, _ = self._graph.send(documents.by_ids(shape), {"ids": [vendor_id]})
        except ThroughlineError:
            return False
        return not any(data.get("nodes") or ())


def _missing(item: WriteItem) -> WriteOutcome:
    return WriteOutcome(error=Park("no object carries our key", cause="not_found", trace_id=item.trace_id))


def _input(item: WriteItem) -> Json:
    """The fields as Shopify's input object: dotted names nested, a cleared list empty; metafields go apart."""
    built: Json = {}
    if item.action is Action.ARCHIVE:
        built["status"] = "ARCHIVED"
    for name, value in item.fields.items():
        if name.startswith("metafields."):
            continue
        *parents, last = name.split(".")
        place = built
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = [] if value is None and last in _LISTS else value
    return built


def _metafields(fields: Json) -> list[tuple[str, str, Any]]:
    """(namespace, key, value) of the fields named `metafields.<namespace>.<key>`."""
    found = []
    for name, value in fields.items():
        if name.startswith("metafields."):
            _, namespace, key = name.split(".", 2)
            found.append((namespace, key, value))
    return found


def _metafield(raw: Json, namespace: str, key: str) -> Any:
    return ((raw.get("metafields") or {}).get(namespace) or {}).get(key)


def _text(value: Any) -> str:
    """A metafield's value as Shopify takes it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _show_metafields(outcome: WriteOutcome, payload: Any, gone: Any) -> None:
    """Bring the read-back up to date with what the second document did."""
    if outcome.record is None:
        return
    held = outcome.record.raw.setdefault("metafields", {})
    for metafield in (payload or {}).get("metafields") or ():
        held.setdefault(metafield["namespace"], {})[metafield["key"]] = metafield.get("jsonValue")
    for metafield in gone or ():
        held.get(metafield["namespace"], {}).pop(metafield["key"], None)
