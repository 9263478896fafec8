"""Stripe: lists for what is new, events for what changed or went, customers written with idempotency keys.

Stripe has no updated_at and no filter by change. So a stream is first listed from its newest object to its oldest while
the cursor remembers when that began; from there on, slices of at most a day are read: creations by `created`, changes
and deletions by events, each changed object fetched once as it is now. Events older than 29 days are gone: the stream
is listed anew.
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.auth import BearerAuth
from connectors.base import Connector, ConnectorSettings, Limit, Resource
from connectors.batches import refusing
from connectors.http import Answer, Http
from connectors.shapes import flag
from connectors.stripe.api import VERDICTS, Api, Moved, object_path
from connectors.stripe.fields import declared_fields
from connectors.stripe.hook import opened
from connectors.stripe.resources import EVENTS_KEPT, EXT_FIELD, LOOKBACK, RESOURCES, SAFETY_LAG, TYPES, Type
from connectors.webhook import Secrets, revealed
from kernel.clock import SECOND, instant
from kernel.errors import Park, Stop, ThroughlineError
from kernel.records import (
    Action,
    Check,
    Cursor,
    Delivered,
    FieldInfo,
    Json,
    Page,
    SourceRecord,
    WebhookRequest,
    WriteItem,
    WriteOutcome,
)

SLICE = 86_400
FETCHED = 100
_CUSTOMERS = TYPES["customers"]
_KEY = EXT_FIELD.partition(".")[2]


class StripeSettings(ConnectorSettings):
    """A Stripe account. The key is a secret or a restricted one; test keys use the same host."""

    api_key: SecretStr
    base_url: str = "https://api.stripe.com"
    version: str = "2026-10-28.endive"
    account: str | None = None  # a connected account (acct_…)
    webhook_secret: Secrets = ()  # whsec_…
    find_days: int = 30  # `find` looks at customers created since


class Stripe(Connector):
    """One Stripe account."""

    system: ClassVar[str] = "stripe"
    Settings = StripeSettings
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    # 25 a second per endpoint, live and sandbox (docs.stripe.com/rate-limits).
    limits: ClassVar[Sequence[Limit]] = (Limit(25, 1.0),)
    setup = (
        "In the Dashboard, Developers → API keys: create a restricted key with the permissions below.",
        "For webhooks, Developers → Webhooks: add an endpoint, and take its signing secret (whsec_…).",
    )
    permissions = ("Customers: write", "Events: read", *(f"{name}: read" for name in TYPES if name != "customers"))

    def __init__(self, settings: StripeSettings, http: Http) -> None:
        super().__init__(settings, http)
        key = settings.api_key.get_secret_value()
        self._api = Api(http, api_key=key, version=settings.version, account=settings.account)

    @classmethod
    def build_http(cls, settings: StripeSettings, **options: Any) -> Http:
        """Bearer key, Stripe's verdicts."""
        auth = BearerAuth(settings.api_key)
        return Http(base_url=settings.base_url, auth=auth, verdicts=VERDICTS, **options)

    # reading ----------------------------------------------------------------------------------------------------------
    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Pages; see the module. Cursor: {from, after, before} while listing, {since} afterwards with {until, after|changed} inside a slice, {done}: a window."""
        kind, cursor, now = _kind(resource), dict(since or {}), self.http.clock.now() // SECOND
        if window is not None:
            if not cursor.get("done"):
                bounds = {"gte": window[0] // SECOND, "lt": -(-window[1] // SECOND)}
                yield from self._listed(kind, cursor, bounds, {"done": True}, last=True)
            return
        if cursor.get("since", now) < now - EVENTS_KEPT.total_seconds():
            cursor = {}
        if "since" not in cursor:
            cursor.setdefault("from", now)
            yield from self._listed(kind, cursor, {}, {"since": cursor["from"]}, last=False)
            cursor = {"since": cursor["from"]}
        yield from self._changed(kind, cursor, now - int(SAFETY_LAG.total_seconds()))

    def _listed(self, kind: Type, cursor: Cursor, bounds: Json, done: Cursor, *, last: bool) -> Iterator[Page]:
        """Newest to oldest; objects created meanwhile are above the start and come later by their `created`."""
        position = dict(cursor)
        while True:
            params = {**dict(kind.params), **({"created": bounds} if bounds else {})}
            try:
                for page in self._api.pages(kind.path, params, position.get("after")):
                    records = [self._record(kind, obj) for obj in page.objects]
                    if not page.more:
                        yield Page(records, done, page.sent_at, last=last)
                        return
                    oldest = page.objects[-1]
                    position = {"from": cursor.get("from"), "after": oldest["id"], "before": oldest["created"]}
                    yield Page(records, position, page.sent_at)
            except Moved:
                # The object to continue below is gone: continue at its second instead.
                bounds = {**bounds, "lte": position.pop("before")}
                position.pop("after")

    def _changed(self, kind: Type, cursor: Cursor, end: int) -> Iterator[Page]:
        """Slices up to `end` (epoch seconds), oldest slice first; a slice in work keeps its bounds in the cursor."""
        start = int(cursor["since"])
        if start >= end and "until" not in cursor:
            yield Page([], {"since": start}, self.http.clock.now(), last=True)
        while start < end or "until" in cursor:
            until, listed = int(cursor.get("until", min(start + SLICE, end))), set[str]()
            within = {"created": {"gte": start - int(LOOKBACK.total_seconds()), "lte": until}}
            here = {"since": start, "until": until}
            if "changed" not in cursor:
                yield from self._created(kind, within, here, cursor.get("after"), listed)
            yield from self._touched(kind, within, here, cursor.get("changed"), listed)
            start, cursor = until, {}
            yield Page([], {"since": start}, self.http.clock.now(), last=start >= end)

    def _created(self, kind: Type, within: Json, here: Cursor, after: str | None, listed: set[str]) -> Iterator[Page]:
        """The objects made within a slice, newest first, from below `after`; anew when that one is gone."""
        try:
            for page in self._api.pages(kind.path, {**dict(kind.params), **within}, after):
                listed.update(str(obj["id"]) for obj in page.objects)
                position = {"after": page.objects[-1]["id"]} if page.more else {"changed": ""}
                yield Page([self._record(kind, obj) for obj in page.objects], {**here, **position}, page.sent_at)
        except Moved:
            yield from self._created(kind, within, here, None, listed)

    def _touched(self, kind: Type, within: Json, here: Cursor, after: str | None, listed: set[str]) -> Iterator[Page]:
        """The objects with an event in a slice as they are now, from behind `after` in the order of their last event."""
        changed = [id for id in self._changed_ids(kind, within) if id not in listed]
        done = changed.index(after) + 1 if after in changed else 0
        for first in range(done, len(changed), FETCHED):
            ids, sent_at = changed[first : first + FETCHED], self.http.clock.now()
            yield Page(self._fetched(kind, ids), {**here, "changed": ids[-1]}, sent_at)

    def _changed_ids(self, kind: Type, within: Json) -> list[str]:
        """Ids with an event in the slice, the longest unchanged first."""
        found: dict[str, None] = {}
        for page in self._api.pages("/v1/events", {**within, "types": list(kind.events)}):
            for event in page.objects:
                obj = event["data"]["object"]
                if obj.get("object") == kind.object:
                    found.setdefault(str(obj["id"]))
        return list(reversed(found))

    def _record(self, kind: Type, obj: Json) -> SourceRecord:
        obj = self._api.complete(obj, kind.nested)
        obj.pop("client_secret", None)  # a credential that confirms payments has no place in a hub
        updated = obj.get("updated") if kind.object == "product" else None
        moment = int(updated) * SECOND if updated is not None else None
        return SourceRecord(str(obj["id"]), obj, moment, deleted=flag(obj.get("deleted")))

    def _fetched(self, kind: Type, ids: Sequence[str]) -> list[SourceRecord]:
        found = [(id, self._api.find(kind.path, id)) for id in ids]
        gone = {"object": kind.object, "deleted": True}
        return [self._record(kind, obj if obj is not None else {"id": id, **gone}) for id, obj in found]

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named objects as they are now; a missing or deleted one is a tombstone."""
        return self._fetched(_kind(resource), ids)

    # writing ----------------------------------------------------------------------------------------------------------
    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Customers, one request each; Stripe replays its first answer to a repeated idempotency key for 24 h."""
        spec = self.declared(resource).write
        if spec is None:
            raise Stop(f"stripe: {resource} cannot be written", cause="not_writable")
        send = self._deleted if batch and batch[0].action is Action.DELETE else self._upserted
        return refusing(spec.read_only, batch, lambda rest: [_outcome(send, item) for item in rest])

    def _upserted(self, item: WriteItem) -> WriteOutcome:
        path = _CUSTOMERS.path if item.vendor_id is None else object_path(_CUSTOMERS.path, item.vendor_id)
        params = _nested({**item.fields, EXT_FIELD: item.ext_key})
        keys = {"idempotency_key": item.idempotency_key, "trace_id": item.trace_id}
        answer = self._api.call("post", path, params, **keys)
        obj = answer.json()
        if not isinstance(obj, dict) or not isinstance(obj.get("id"), str):
            raise answer.unreadable("the answer names no customer")
        record = self._record(_CUSTOMERS, obj)
        return _applied(record, answer, created=item.vendor_id is None)

    def _deleted(self, item: WriteItem) -> WriteOutcome:
        if item.vendor_id is None:
            raise Park("a customer without an id cannot be deleted", cause="not_found")
        gone = SourceRecord(item.vendor_id, {"id": item.vendor_id, "object": "customer", "deleted": True}, deleted=True)
        path = object_path(_CUSTOMERS.path, item.vendor_id)
        try:
            answer = self._api.call("delete", path, {}, trace_id=item.trace_id)
        except Park as error:
            if error.status != 404:
                raise
            return WriteOutcome(gone.id, gone, status=404, request_id=error.request_id)
        return _applied(gone, answer, created=False)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """Customers whose metadata holds our key, by listing: Stripe's search trails by up to an hour."""
        wanted, found = set(ext_keys), dict[str, list[SourceRecord]]()
        if RESOURCES[resource].write is None:
            raise Stop(f"stripe: {resource} cannot be found by our key", cause="not_writable")
        since = self.http.clock.now() // SECOND - int(timedelta(days=self.settings.find_days).total_seconds())
        kind = TYPES[resource]
        for page in self._api.pages(kind.path, {"created": {"gte": since}}):
            for obj in page.objects:
                key = (obj.get("metadata") or {}).get(_KEY)
                if key in wanted:
                    found.setdefault(key, []).append(self._record(kind, obj))
        return found

    # looking ----------------------------------------------------------------------------------------------------------
    def check(self) -> list[Check]:
        """The key, the permission to read each type, the clock, the pinned version."""
        checks: list[Check] = []
        for name, kind in TYPES.items():
            try:
                answer = self._api.call("get", kind.path, {"limit": 1})
            except ThroughlineError as error:
                checks.append(Check(f"read {name}", False, str(error), _fix(error)))
                if error.cause in ("unauthorized", "unreachable"):
                    return checks
                continue
            if not checks:
                checks.append(_clock(answer.headers.get("date"), self.http.clock.now()))
                used = answer.headers.get("stripe-version", self.settings.version)
                same = used == self.settings.version
                checks.append(
                    Check("version", same, used, "" if same else f"set version: {used}, or update the mapping")
                )
            checks.append(Check(f"read {name}", True))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """The SDK's declared fields, and the metadata keys of the newest hundred objects (Stripe has no describe)."""
        kind = _kind(resource)
        newest = self._api.get(kind.path, {**dict(kind.params), "limit": 100}).get("data") or []
        keys = sorted({key for obj in newest for key in obj.get("metadata") or {}})
        custom = [FieldInfo(f"metadata.{key}", "string", label=key, max_length=500) for key in keys]
        spec = RESOURCES[resource].write
        return [*declared_fields(kind.object, spec.read_only if spec else None), *custom]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Verify an event and say what to re-read: its own copy may be old, and events arrive in any order."""
        secrets = revealed(self.settings.webhook_secret, self.http.connection)
        return opened(request, secrets, request.received_at or self.http.clock.now())


def _kind(resource: str) -> Type:
    if resource not in TYPES:
        raise Stop(f"stripe has no resource {resource}; it has: {', '.join(TYPES)}", cause="unknown_resource")
    return TYPES[resource]


def _applied(record: SourceRecord, answer: Answer, *, created: bool) -> WriteOutcome:
    return WriteOutcome(record.id, record, created=created, status=answer.status, request_id=answer.request_id)


def _outcome(send: Callable[[WriteItem], WriteOutcome], item: WriteItem) -> WriteOutcome:
    try:
        return send(item)
    except ThroughlineError as error:
        return WriteOutcome(error=error, status=error.status, request_id=error.request_id)


def _nested(fields: Mapping[str, Any]) -> Json:
    """Dotted paths as nested parameters; None becomes the empty string, which clears a field at Stripe."""
    params: Json = {}
    for path, value in fields.items():
        *parents, leaf = path.split(".")
        place = params
        for name in parents:
            inner = place.get(name)
            place[name] = place = inner if isinstance(inner, dict) else {}
        place[leaf] = "" if value is None else value
    return params


def _clock(date: str | None, now: int) -> Check:
    if not date:
        return Check("clock", True, "Stripe told no time")
    skew = abs(instant(email.utils.parsedate_to_datetime(date)) - now) / SECOND
    return Check("clock", skew < 60, f"{skew:.0f} s apart", "" if skew < 60 else "set this machine's clock")


def _fix(error: ThroughlineError) -> str:
    match error.cause:
        case "unauthorized":
            return "put a valid key into the variable that the connection's api_key names"
        case "forbidden":
            return "give the restricted key read permission for this resource"
        case _:
            return "try again; then look at status.stripe.com"
