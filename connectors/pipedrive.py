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
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from connectors.apps import AppSettings, refreshing
from connectors.auth import Auth, HeaderAuth
from connectors.base import Deletes, Limit, Resource, WriteClass, WriteSpec, named
from connectors.budget import Left, left_in
from connectors.changes import Bounds, Listed
from connectors.dotted import at, nested
from connectors.http import Http
from connectors.keyfields import KeyFields
from connectors.looks import looked
from connectors.paging import Paging
from connectors.rest import Rest
from connectors.retry import first_of, reset_in, retry_after
from connectors.shapes import by_key, flag, held, record_of
from connectors.verdicts import DEFAULT_VERDICTS, FORBIDDEN, REFUSED, Verdict, Verdicts, codes_at
from connectors.webhook import Secrets
from kernel import records as r
from kernel.errors import Fate, Park
from kernel.records import Action, Json, SourceRecord, WriteItem

KEY = "throughline_key"  # where a record shows our key, whatever the hash of its field
_FIELDS = Paging("cursor", ("limit", 500), told="additional_data.next_cursor", items="data", always=True)
# A full page may be the last, and a lost cursor looks like it.
_V2 = replace(_FIELDS, backwards={"sort_direction": "desc"})
_V1 = Paging("start", ("limit", 500), told="additional_data.pagination.next_start", items="data")
_LEADS = replace(_V1, more="additional_data.pagination.more_items_in_collection")
_KINDS = {f"{one}s": one for one in ("organization", "person", "deal", "product")} | {"activities": "activity"}
_RESOURCES = {**{one: many for many, one in _KINDS.items()}, "lead": "leads", "user": "users"}
_TYPES = {
    "int": "number", "double": "number", "monetary": "number", "boolean": "boolean", "date": "date", "json": "json",
    "enum": "picklist", "set": "picklist", "status": "picklist", "stage": "picklist", "address": "json",
    "org": "reference", "people": "reference", "user": "reference", "deal": "reference", "lead": "reference",
}  # fmt: skip
_READ_ONLY = frozenset({"id", "add_time", "update_time", "is_deleted", "first_name", "last_name", KEY})
_LINKS = {"organization": "org_id", "person": "person_id", "owner": "owner_id"}
_TOKENS = 10  # of the day's, a request
_LABELLED = ("emails", "phones")
_CLOSED = ("won", "lost")
_FIELD = re.compile(r"\b([0-9a-f]{40}|emails|phones|name|title|value|currency|status|probability|[a-z]+(?:_[a-z]+)+)\b")


def _spent(headers: httpx.Headers) -> Sequence[str]:
    return ("DAILY_TOKENS",) if headers.get("x-daily-ratelimit-token-remaining") == "0" else ()


def _burst(headers: httpx.Headers, now: int) -> float | None:
    return None if _spent(headers) else reset_in("x-ratelimit-reset")(headers, now)


VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    {402: FORBIDDEN},  # the plan has no such thing
    by_code={"ERR_SCHEMA_VALIDATION_FAILED": REFUSED, "DAILY_TOKENS": Verdict(Fate.RETRY_AT, "daily_budget", 3600.0)},
    codes=codes_at("code"),
    header_codes=_spent,
    left=left_in(  # of the user's burst and the company's day
        Left("short", "x-ratelimit-remaining"), Left("daily", "x-daily-ratelimit-token-remaining", cost=_TOKENS)
    ),
    field=lambda body: (_FIELD.findall(str(at(body, "error"))) or [""])[0],
    wait=first_of(retry_after, _burst),
    request_id=("x-correlation-id",),
)


class PipedriveSettings(AppSettings):
    """Either an API token, or an OAuth app's client and refresh token."""

    made_token: ClassVar[str] = "api_token"  # noqa: S105 - the name of the setting below
    base_url: str  # the company's own domain: https://ACME.pipedrive.com
    api_token: SecretStr | None = None
    refresh_token: SecretStr | None = None  # ends when it was not used for 60 days
    oauth_url: str = "https://oauth.pipedrive.com"
    key_name: str = "Throughline key"  # name of the text field that holds our key
    webhook_secret: Secrets = ()  # user:password, as given to the webhooks (http_auth_user, http_auth_password)


def _written(*actions: Action, **references: str) -> WriteSpec:
    links = (Action.ASSOCIATE, Action.DISSOCIATE) if references else ()
    return WriteSpec(
        WriteClass.SEARCH_FIRST, KEY, batch_size=20, read_only=_READ_ONLY, references=references,
        actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE, *links, *actions}),
        settle=timedelta(seconds=120), max_processing=timedelta(seconds=90),
    )  # fmt: skip


_CHANGING = Resource(
    "", updated_at="update_time", lookback=timedelta(minutes=5), backfill=True, deletes=Deletes.SWEEP,
    volatile=("update_time", "next_activity_id"),
)  # fmt: skip
_WHOLE = replace(_CHANGING, incremental=False, lookback=timedelta(0), backfill=False)


class Pipedrive(Rest):
    """One Pipedrive company."""

    system: ClassVar[str] = "pipedrive"
    Settings = PipedriveSettings
    resources: ClassVar[Mapping[str, Resource]] = named(
        organizations=replace(_CHANGING, write=_written()),
        persons=replace(_CHANGING, write=_written(organization="organizations")),
        deals=replace(
            _CHANGING,
            write=_written(Action.ARCHIVE, organization="organizations", person="persons"),
            deletes=Deletes.IN_STREAM,
        ),
        activities=_CHANGING,
        products=_WHOLE,
        leads=_WHOLE,
        users=replace(_WHOLE, updated_at="modified", volatile=("modified", "last_login")),
    )
    lists: ClassVar[Mapping[str, Sequence[Listed]]] = {
        **{many: (Listed(f"/api/v2/{many}", _V2),) for many in _KINDS},
        "deals": (
            Listed("/api/v2/deals", _V2),
            Listed("/api/v2/deals/archived", _V2),
            Listed("/api/v2/deals", _V2, {"status": "deleted"}, goes_on=True, bounded=False),
        ),
        "leads": (Listed("/api/v1/leads", _LEADS), Listed("/api/v1/leads/archived", _LEADS)),
        "users": (Listed("/api/v1/users", _V1),),
    }
    asking = Bounds("updated_since", "updated_until", also={"sort_by": "update_time"})
    holds = "data"
    ids = r"[\w-]{1,64}"  # webhooks are not signed: whatever else they name leads nowhere
    see = "let the token's user (or app) see {}"
    # Of one user on the smallest plan; the company's day is 30,000 tokens × plan × seats, and a request is taken for 10
    # of them, the price of a list of 500; a create costs 26. What the headers tell lowers both.
    limits: ClassVar[Sequence[Limit]] = (Limit(20, 2.0), Limit(30_000 // _TOKENS, 86_400.0))
    setup = (
        "Personal preferences → API: the token of a user who sees everything; or an OAuth app with the scopes below.",
        "A text field `Throughline key` on organizations, persons and deals: `throughline check --fix` makes it.",
        "For webhooks: POST /v1/webhooks, version 2.0, event_action `*`, with http_auth_user and http_auth_password.",
    )
    permissions = (
        "admin", "contacts:full", "deals:full", "products:read", "activities:read", "leads:read", "users:read",
    )  # fmt: skip

    def __init__(self, settings: Any, http: Http) -> None:
        """See `connectors.open_connector`."""
        super().__init__(settings, http)
        self._keys = KeyFields(http.connection, settings.key_name, self._looked_up, self._made)

    @classmethod
    def build_http(cls, settings: PipedriveSettings, **options: Any) -> Http:
        """The token in its own header, or an OAuth access token of about an hour; the app proves itself by HTTP Basic."""
        told: Json = {"verdicts": VERDICTS, **options}
        auth: Auth = refreshing(settings, settings.oauth_url, "/oauth/token", basic=True, **told)
        if settings.api_token:
            auth = HeaderAuth("x-api-token", settings.api_token)
        return Http(base_url=settings.base_url, auth=auth, **told)

    def check(self) -> list[r.Check]:
        """The credential; then each resource: whether it can be read, and the field that holds our key."""
        account = looked("account", partial(self.http.get, "/api/v1/users/me"), "give a valid token for this base_url")
        read = super().check()
        written = [one.name for one in read if one.ok and self.resources[one.name].write]
        return [account, *read, *map(self._keys.look, written)]

    def record(self, resource: str, raw: Json) -> SourceRecord:
        """Our key at its own place, primary addresses first, and a deal's `stage`: its status once it is closed."""
        for name in _LABELLED:
            if raw.get(name):
                raw[name] = sorted(raw[name], key=lambda one: not one.get("primary"))
        spec = self.resources[resource]
        if spec.write is not None:
            raw[KEY] = at(raw, f"custom_fields.{self._keys.name(resource)}")
        if resource == "deals":
            raw["stage"] = raw["status"] if raw.get("status") in _CLOSED else str(raw.get("stage_id") or "")
        return record_of(spec, raw, deleted=resource != "users" and flag(raw.get("is_deleted")))

    def body(self, resource: str, item: WriteItem, id: str | None) -> Json:
        """The fields as Pipedrive takes them. A write replaces a list of addresses whole, so the others go along."""
        labelled = [name for name in item.fields if name.partition(".")[0] in _LABELLED]
        there = held(self.http.get(f"/api/v2/{resource}/{id}"), "data") if id and labelled else {}
        body = nested({name: value for name, value in item.fields.items() if name not in (*labelled, "stage")})
        for name in labelled:
            top = name.partition(".")[0]
            body[top] = _first_changed(there.get(top) or [], item.fields[name] or None)
        if "stage" in item.fields:  # won and lost are a status, everything else is the stage of an open deal
            stage = item.fields["stage"]
            body |= {"status": stage} if stage in _CLOSED else {"status": "open", "stage_id": int(stage or 0) or None}
        for name, (_, vendor_id) in item.refs.items():
            body[_LINKS[name]] = None if item.action is Action.DISSOCIATE else int(vendor_id)
        if item.action is Action.ARCHIVE:
            body["is_archived"] = True
        body.setdefault("custom_fields", {})[self._keys.needed(resource)] = item.ext_key
        return body

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By an exact search of our field, and among what changed in the last ten minutes, which a search may miss."""
        asked, ids = {"entity_type": _KINDS[resource], "match": "exact"}, dict[str, None]()
        for key in dict.fromkeys(ext_keys):
            asked |= {"field": self._keys.needed(resource), "term": key}
            hits = held(self.http.get("/api/v2/itemSearch/field", params=asked), "data", list)
            ids.update((str(hit["id"]), None) for hit in hits)
        seen = self.fetch(resource, list(ids)) + (self.lately(resource, 600) if ext_keys else [])
        return by_key(ext_keys, seen, KEY)

    def discover(self, resource: str) -> list[r.FieldInfo]:
        """The live fields. A choice goes by its id, so a label tells which is which."""
        self.declared(resource)
        if resource not in _KINDS:
            return super().discover(resource)
        stage = [r.FieldInfo("stage", "string", "won, lost, or the id of an open deal's stage")]
        return [_info(told) for told in self._fields(resource)] + (stage if resource == "deals" else [])

    def ensure_key(self, resource: str) -> bool:
        """Make the text field that holds our key; False when it is there."""
        return self._keys.ensure(resource)

    def webhook(self, request: r.WebhookRequest) -> r.Delivered:
        """Webhooks v2, proven by HTTP Basic and not signed: each names an object to read again."""
        opened = self.opened(request)
        kind, id = at(opened.told, "meta.entity"), at(opened.told, "meta.entity_id")
        if not isinstance(kind, str) or not id:
            raise Park("the webhook names no object", cause="bad_payload")
        return opened.naming([(_RESOURCES.get(kind), id)])

    def _fields(self, resource: str) -> list[Json]:
        pages = _FIELDS.pages(self.http, f"/api/v2/{_KINDS[resource]}Fields", {})
        return [told for items, _, _ in pages for told in items]

    def _looked_up(self, resource: str) -> str:
        mine = (told for told in self._fields(resource) if told["field_name"] == self.settings.key_name)
        return str(next(mine, {}).get("field_code", ""))

    def _made(self, resource: str) -> str:
        body = {"field_name": self.settings.key_name, "field_type": "varchar"}
        made = self.http.send("POST", f"/api/v2/{_KINDS[resource]}Fields", json=body, write=True)
        return str(held(made, "data")["field_code"])


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
