"""Pipedrive: organizations, persons and deals both ways; products, activities, leads and users to read.

Facts, by source. [sdk] pipedrive/client-nodejs, generated from the vendor's OpenAPI; [rec] recorded exchanges; [doc] the
vendor's guides on rate limits and webhooks v2; [M] memory, not confirmed.
* API v2, but v1 for leads and users, which v2 has not. v2 pages by `cursor`, 500 at most; `updated_since` is inclusive,
  `updated_until` exclusive [sdk], both in whole seconds; products know neither [sdk], so they are read whole, as are
  leads, which page by `start`, and users, who come in one answer [rec].
* A deleted object leaves the lists and is gone for good after 30 days. Only deals list what was deleted [sdk]; the others
  are missed by a complete read, or told by a webhook. Archived deals and leads have lists of their own [sdk].
* No upsert, no idempotency key: class D. Our key is in a custom text field, which every account names by another 40-hex
  hash. The exact search of it trails by seconds [M]; lists do not, so `find` also looks through what changed lately.
* A write replaces the whole list of e-mails or phones: the other entries are read before and sent along.
* A day's tokens for the company (list 10, search 20, write 5, one object 1; v1 twice that [doc, M]), a burst limit in 2 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Self

import httpx
from pydantic import SecretStr, model_validator

from connectors.auth import Auth, BasicAuth, HeaderAuth, TokenAuth
from connectors.base import Connector, ConnectorSettings, Deletes, Limit, Resource, WriteClass, WriteSpec, flag, looked
from connectors.batches import one_by_one, refusing
from connectors.budget import Told
from connectors.changes import Listed, changes
from connectors.http import Answer, Http
from connectors.oauth import renewed
from connectors.paging import Paging, at
from connectors.proofs import Keyring
from connectors.retry import first_of, reset_in, retry_after
from connectors.signatures import admit
from connectors.verdicts import DEFAULT_VERDICTS, FORBIDDEN, REFUSED, Verdict, Verdicts
from connectors.webhook import Secrets, revealed
from kernel import records as r
from kernel.clock import SECOND, instant_of, iso
from kernel.errors import Fate, Park, Stop
from kernel.records import Action, Json, SourceRecord, WriteItem, WriteOutcome

KEY = "throughline_key"  # where a record shows our key, whatever the hash of its field
_FIELDS = Paging("cursor", ("limit", 500), told="additional_data.next_cursor", items="data", always=True)
_V2 = replace(
    _FIELDS, backwards={"sort_direction": "desc"}
)  # a full page may be the last, and a lost cursor looks like it
_V1 = Paging("start", ("limit", 500), told="additional_data.pagination.next_start", items="data")
_LEADS = replace(_V1, more="additional_data.pagination.more_items_in_collection")
_KINDS = {f"{one}s": one for one in ("organization", "person", "deal", "product")} | {"activities": "activity"}
_RESOURCES = {**{one: many for many, one in _KINDS.items()}, "lead": "leads", "user": "users"}
_DELETED = Listed("/api/v2/deals", _V2, {"status": "deleted"}, goes_on=True, bounded=False)
_LISTS: Mapping[str, Sequence[Listed]] = {
    **{many: (Listed(f"/api/v2/{many}", _V2),) for many in _KINDS},
    "deals": (Listed("/api/v2/deals", _V2), Listed("/api/v2/deals/archived", _V2), _DELETED),
    "leads": (Listed("/api/v1/leads", _LEADS), Listed("/api/v1/leads/archived", _LEADS)),
    "users": (Listed("/api/v1/users", _V1),),
}
_TYPES = {
    "int": "number", "double": "number", "monetary": "number", "boolean": "boolean", "date": "date", "json": "json",
    "enum": "picklist", "set": "picklist", "status": "picklist", "stage": "picklist", "address": "json",
    "org": "reference", "people": "reference", "user": "reference", "deal": "reference", "lead": "reference",
}  # fmt: skip
_READ_ONLY = frozenset({"id", "add_time", "update_time", "is_deleted", "first_name", "last_name", KEY})
_LINKS = {"organization": "org_id", "person": "person_id", "owner": "owner_id"}
_PLAIN = re.compile(r"[\w-]{1,64}")
_TOKENS = 10  # of the day's, a request
_LABELLED = ("emails", "phones")
_FIELD = re.compile(r"\b([0-9a-f]{40}|emails|phones|name|title|value|currency|status|probability|[a-z]+(?:_[a-z]+)+)\b")


def _left(headers: httpx.Headers) -> list[Told]:
    """What the headers of an answer tell of the user's burst and the company's day."""
    burst, day = headers.get("x-ratelimit-remaining", ""), headers.get("x-daily-ratelimit-token-remaining", "")
    told = [Told("short", int(burst))] if burst.isdigit() else []
    return told + ([Told("daily", int(day) // _TOKENS)] if day.isdigit() else [])


def _spent(headers: httpx.Headers) -> Sequence[str]:
    return ("DAILY_TOKENS",) if headers.get("x-daily-ratelimit-token-remaining") == "0" else ()


def _burst(headers: httpx.Headers, now: int) -> float | None:
    return None if _spent(headers) else reset_in("x-ratelimit-reset")(headers, now)


VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    {402: FORBIDDEN},  # the plan has no such thing
    by_code={"ERR_SCHEMA_VALIDATION_FAILED": REFUSED, "DAILY_TOKENS": Verdict(Fate.RETRY_AT, "daily_budget", 3600.0)},
    codes=lambda body: (body.get("code"),) if isinstance(body, dict) else (),
    header_codes=_spent,
    left=_left,
    field=lambda body: (_FIELD.findall(str(at(body, "error"))) or [""])[0],
    wait=first_of(retry_after, _burst),
    request_id=("x-correlation-id",),
)


class PipedriveSettings(ConnectorSettings):
    """Either an API token, or an OAuth app's client and refresh token."""

    base_url: str  # the company's own domain: https://ACME.pipedrive.com
    api_token: SecretStr | None = None
    client_id: str = ""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None  # ends when it was not used for 60 days
    oauth_url: str = "https://oauth.pipedrive.com"
    key_name: str = "Throughline key"  # name of the text field that holds our key
    webhook_secret: Secrets = ()  # user:password, as given to the webhooks (http_auth_user, http_auth_password)

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if bool(self.api_token) == bool(self.client_id and self.client_secret and self.refresh_token):
            raise ValueError("give api_token, or client_id, client_secret and refresh_token")
        return self


_KEYED = WriteSpec(
    WriteClass.SEARCH_FIRST, KEY, batch_size=20, actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
    read_only=_READ_ONLY, settle=timedelta(seconds=120), max_processing=timedelta(seconds=90),
)  # fmt: skip
_LINKED = replace(
    _KEYED, actions=_KEYED.actions | {Action.ASSOCIATE, Action.DISSOCIATE}, references={"organization": "organizations"}
)
_DEAL = replace(
    _LINKED, actions=_LINKED.actions | {Action.ARCHIVE}, references={**_LINKED.references, "person": "persons"}
)


def _changing(name: str, write: WriteSpec | None = None, deletes: Deletes = Deletes.SWEEP) -> Resource:
    back, volatile = timedelta(minutes=5), ("update_time", "next_activity_id")
    return Resource(
        name, updated_at="update_time", lookback=back, backfill=True, deletes=deletes, volatile=volatile, write=write
    )


def _whole(name: str, stamp: str) -> Resource:
    volatile = (stamp, "next_activity_id", "last_login")
    return Resource(name, updated_at=stamp, incremental=False, deletes=Deletes.SWEEP, volatile=volatile)


class Pipedrive(Connector):
    """One Pipedrive company."""

    system: ClassVar[str] = "pipedrive"
    Settings = PipedriveSettings
    resources: ClassVar[Mapping[str, Resource]] = {
        "organizations": _changing("organizations", _KEYED),
        "persons": _changing("persons", _LINKED),
        "deals": _changing("deals", _DEAL, Deletes.IN_STREAM),
        "activities": _changing("activities"),
        "products": _whole("products", "update_time"),
        "leads": _whole("leads", "update_time"),
        "users": _whole("users", "modified"),
    }
    # Of one user on the smallest plan; the company's day is 30,000 tokens × plan × seats, and a request is taken for 10
    # of them, the price of a list of 500; a create costs 26. What the headers tell lowers both.
    limits: ClassVar[Sequence[Limit]] = (Limit(20, 2.0), Limit(30_000 // _TOKENS, 86_400.0))
    setup = (
        "Personal preferences → API: the token of a user who sees everything; or an OAuth app with the scopes below.",
        "A text field `Throughline key` on organizations, persons and deals: `throughline check --fix` makes it.",
        "For webhooks: POST /v1/webhooks, version 2.0, event_action `*`, with http_auth_user and http_auth_password.",
    )
    permissions = (
        "admin",
        "contacts:full",
        "deals:full",
        "products:read",
        "activities:read",
        "leads:read",
        "users:read",
    )

    def __init__(self, settings: Any, http: Http) -> None:
        """See `connectors.open_connector`."""
        super().__init__(settings, http)
        self._hashes: dict[str, str] = {}

    @classmethod
    def build_http(cls, settings: PipedriveSettings, **options: Any) -> Http:
        """The token in its own header, or an OAuth access token of about an hour."""
        auth: Auth = TokenAuth(lambda: _renewed(settings, options), clock=options.get("clock"))
        if settings.api_token:
            auth = HeaderAuth("x-api-token", settings.api_token)
        return Http(base_url=settings.base_url, auth=auth, verdicts=VERDICTS, **options)

    def check(self) -> list[r.Check]:
        """The credential; then each resource: whether it can be read, and the field that holds our key."""
        found = [looked("account", partial(self.http.get, "/api/v1/users/me"), "give a valid token for this base_url")]
        for name, spec in self.resources.items():
            one = partial(self.http.get, _LISTS[name][0].path, params={"limit": 1})
            found.append(looked(name, one, f"let the token's user (or app) see {name}"))
            if spec.write is not None and found[-1].ok:
                fix = f"add a text field '{self.settings.key_name}' to {name}, or: throughline check --fix"
                found.append(looked(f"{name}: key", partial(self._hash, name, needed=True), fix))
        return found

    def read(self, resource: str, since: r.Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[r.Page]:
        """What changed since, list after list; products, leads and users whole."""
        spec = self.declared(resource)
        asking, record = _asking if spec.incremental else None, partial(self._record, resource)
        lists, lookback = _LISTS[resource], spec.lookback
        return changes(self.http, lists, since, record, asking=asking, lookback=lookback, window=window)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """One by one: the cheapest read there is, and the only one that shows archived ones too."""
        self.declared(resource)
        path = _LISTS[resource][0].path
        plain = [id for id in ids if _PLAIN.fullmatch(id)]  # a webhook's body is not proven: its id is no way elsewhere
        found = {id: self.http.get(f"{path}/{id}", accept=(404, 410)) for id in plain}
        there = {id: self._record(resource, _data(answer)) for id, answer in found.items() if answer.status < 400}
        return [there.get(id) or SourceRecord(id, {"id": id}, deleted=True) for id in ids]

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Search by our key where no id is known, then create, change or delete one by one."""
        if self.declared(resource).write is None:
            return super().write(resource, batch)

        def send(items: Sequence[WriteItem]) -> list[WriteOutcome]:
            known = self.find(resource, [item.ext_key for item in items if not item.vendor_id])
            ids = {key: found[0].id for key, found in known.items() if found}
            return one_by_one(items, lambda item: self._sent(resource, item, item.vendor_id or ids.get(item.ext_key)))

        return refusing(_READ_ONLY, batch, send)

    def _sent(self, resource: str, item: WriteItem, id: str | None) -> WriteOutcome:
        path, trace = f"/api/v2/{resource}" + (f"/{id}" if id else ""), item.trace_id
        if id is None and item.action not in (Action.UPSERT, Action.CLEAR):
            raise Park("nothing carries our key", cause="not_found", trace_id=trace)
        if item.action is Action.DELETE:
            gone = self.http.send("DELETE", path, write=True, trace_id=trace, accept=(404, 410))
            return WriteOutcome(id, status=gone.status, request_id=gone.request_id)
        lists = any(name.partition(".")[0] in _LABELLED for name in item.fields)
        body = _body(item, _data(self.http.get(path)) if id and lists else {})
        body.setdefault("custom_fields", {})[self._hash(resource, needed=True)] = item.ext_key
        answer = self.http.send("PATCH" if id else "POST", path, json=body, write=True, trace_id=trace)
        record = self._record(resource, _data(answer))
        return WriteOutcome(record.id, record, id is None, status=answer.status, request_id=answer.request_id)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By an exact search of our field, and among what changed in the last ten minutes, which a search may miss."""
        found: dict[str, dict[str, SourceRecord]] = {key: {} for key in ext_keys}
        asked, ids = {"entity_type": _KINDS[resource], "match": "exact"}, dict[str, None]()
        for key in found:
            asked |= {"field": self._hash(resource, needed=True), "term": key}
            hits = _data(self.http.get("/api/v2/itemSearch/field", params=asked), list)
            ids.update((str(hit["id"]), None) for hit in hits)
        seen = self.fetch(resource, list(ids))
        lately = _asking(self.http.clock.now() - 600 * SECOND, None)
        for items, _, _ in _V2.pages(self.http, f"/api/v2/{resource}", lately) if found else ():
            seen += [self._record(resource, raw) for raw in items]
        for record in seen:
            if not record.deleted and record.raw[KEY] in found:
                found[record.raw[KEY]][record.id] = record
        return {key: list(records.values()) for key, records in found.items()}

    def discover(self, resource: str) -> list[r.FieldInfo]:
        """The live fields. A choice goes by its id, so a label tells which is which."""
        self.declared(resource)
        if resource not in _KINDS:
            return super().discover(resource)
        stage = [r.FieldInfo("stage", "string", "won, lost, or the id of an open deal's stage")]
        return [_info(told) for told in self._fields(resource)] + (stage if resource == "deals" else [])

    def ensure_key(self, resource: str) -> bool:
        """Make the text field that holds our key; False when it is there."""
        self._hashes.pop(resource, None)
        if self._hash(resource):
            return False
        body = {"field_name": self.settings.key_name, "field_type": "varchar"}
        made = self.http.send("POST", f"/api/v2/{_KINDS[resource]}Fields", json=body, write=True)
        self._hashes[resource] = str(_data(made)["field_code"])
        return True

    def webhook(self, request: r.WebhookRequest) -> r.Delivered:
        """Webhooks v2, proven by HTTP Basic and not signed: each names an object to read again."""
        keys = Keyring(revealed(self.settings.webhook_secret, self.http.connection))
        told = admit("pipedrive", request, keys, request.received_at or self.http.clock.now())
        kind, id = at(told.told, "meta.entity"), at(told.told, "meta.entity_id")
        if not isinstance(kind, str) or not id:
            raise Park("the webhook names no object", cause="bad_payload")
        return r.Delivered(
            hints=[(_RESOURCES[kind], str(id))] if kind in _RESOURCES else [], dedupe_key=told.dedupe_key
        )

    def _fields(self, resource: str) -> list[Json]:
        pages = _FIELDS.pages(self.http, f"/api/v2/{_KINDS[resource]}Fields", {})
        return [told for items, _, _ in pages for told in items]

    def _hash(self, resource: str, *, needed: bool = False) -> str:
        """The account's own name of our field: looked up once, and again when it is needed and was not there."""
        name = self.settings.key_name
        if resource not in self._hashes or (needed and not self._hashes[resource]):
            mine = (str(told["field_code"]) for told in self._fields(resource) if told["field_name"] == name)
            self._hashes[resource] = next(mine, "")
        if needed and not self._hashes[resource]:
            told = f"{self.http.connection}: {resource} have no field '{name}'; run: throughline check --fix"
            raise Stop(told, cause="not_writable")
        return self._hashes[resource]

    def _record(self, resource: str, raw: Json) -> SourceRecord:
        """Our key at its own place, primary addresses first, and a deal's `stage`: its status once it is closed."""
        for name in _LABELLED:
            if raw.get(name):
                raw[name] = sorted(raw[name], key=lambda one: not one.get("primary"))
        spec = self.resources[resource]
        if spec.write is not None:
            raw[KEY] = at(raw, f"custom_fields.{self._hash(resource)}")
        if resource == "deals":
            raw["stage"] = raw["status"] if raw.get("status") in ("won", "lost") else str(raw.get("stage_id") or "")
        told, id = raw.get(str(spec.updated_at)), str(raw.get("id") or "")
        stamp = instant_of(told) if told else None
        if resource != "users" and flag(raw.get("is_deleted")):
            return SourceRecord(id, {"id": id}, stamp, deleted=True)
        return SourceRecord(id, raw, stamp, fault="" if id else "it has no id")


def _renewed(settings: PipedriveSettings, options: Mapping[str, Any]) -> Any:
    """A new access token; the app proves itself by HTTP Basic."""
    assert settings.client_secret
    assert settings.refresh_token
    auth = BasicAuth(settings.client_id, settings.client_secret)
    form = {"grant_type": "refresh_token", "refresh_token": settings.refresh_token.get_secret_value()}
    return renewed("/oauth/token", form, base_url=settings.oauth_url, auth=auth, verdicts=VERDICTS, **options)


def _asking(start: int | None, end: int | None) -> Json:
    """Bounds in whole seconds, which Pipedrive insists on; the first second of the window may come twice."""
    bounds = {"updated_since": start, "updated_until": end and end + SECOND - 1}
    told = {name: iso(when - when % SECOND) for name, when in bounds.items() if when}
    return {**told, "sort_by": "update_time" if told else "id"}


def _body(item: WriteItem, held: Json) -> Json:
    """The fields as Pipedrive takes them; `held` is the object as it is, for the lists that a write replaces."""
    body: Json = {"is_archived": True} if item.action is Action.ARCHIVE else {}
    for name, told in item.fields.items():
        top, _, rest = name.partition(".")
        value = None if told == "" else told
        if top in _LABELLED:
            body[top] = _first_changed(held.get(top) or [], value)
        elif name == "stage":  # won and lost are a status, everything else is the stage of an open deal
            body |= (
                {"status": value}
                if value in ("won", "lost")
                else {"status": "open", "stage_id": int(value or 0) or None}
            )
        elif rest:
            body.setdefault(top, {})[rest] = value
        else:
            body[top] = value
    for name, (_, vendor_id) in item.refs.items():
        body[_LINKS[name]] = None if item.action is Action.DISSOCIATE else int(vendor_id)
    return body


def _first_changed(listed: Sequence[Json], value: Any) -> list[Json]:
    """A labelled list with another primary entry; the rest is kept. None takes the primary one away."""
    first, *others = sorted(listed, key=lambda one: not one.get("primary")) or [{"label": "work"}]
    rest = [{**one, "primary": False} for one in others if one.get("value") != value]
    return rest if value is None else [{**first, "value": value, "primary": True}, *rest]


def _info(told: Json) -> r.FieldInfo:
    code, choices = str(told["field_code"]), told.get("options") or ()
    name, kind = (f"custom_fields.{code}" if told.get("is_custom_field") else code), str(told.get("field_type"))
    named = ", ".join(f"{one['id']}: {one['label']}" for one in choices)
    label = f"{told.get('field_name')} ({named})" if named else str(told.get("field_name"))
    values = tuple(str(one["id"]) for one in choices)
    return r.FieldInfo(name, _TYPES.get(kind, "string"), label, read_only=code in _READ_ONLY, values=values)


def _data(answer: Answer, kind: type[Any] = dict) -> Any:
    """The `data` of an answer. A 200 without it says nothing: it is known to pass."""
    data = at(answer.json(), "data")
    if not isinstance(data, kind):
        raise answer.unreadable("the answer holds no data")
    return data
