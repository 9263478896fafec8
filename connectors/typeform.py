"""Typeform: completed responses of one, several or all forms, by polling and by webhook.

Facts: typeform.com/developers (Responses API, webhooks) and recorded exchanges. Responses never change; a list comes
newest first and is walked downwards by `before=<token>`; `since` is inclusive, at second grain. A webhook may be seconds
ahead of the list, so it is taken whole and never re-read. Both ways give the same record: `form_id` is added to the
list's items, and what only one of them knows (browser metadata, the form's definition) is volatile or left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.auth import BearerAuth
from connectors.base import Connector, ConnectorSettings, Limit, Resource
from connectors.changes import Bounds
from connectors.http import Http
from connectors.looks import first_look, looked
from connectors.paging import Below, Paging
from connectors.retry import first_of, reset_at, retry_after
from connectors.shapes import as_asked, held, record_of
from connectors.verdicts import DEFAULT_VERDICTS, Verdicts, codes_at
from connectors.webhook import Secrets
from kernel.clock import SECOND, instant_of, iso
from kernel.errors import Park
from kernel.records import Check, Cursor, Delivered, FieldInfo, Json, Page, SourceRecord, WebhookRequest

_FORMS = Paging("page", ("page_size", 200), items="items", numbered=True)
_RESPONSES = Below("before", ("page_size", 1000), told="token", total="total_items", items="items")
_ASKING = Bounds("since", "until")  # `until` is inclusive: a response on the edge may come twice, which is harmless
_TYPES = {
    "yes_no": "boolean",
    "legal": "boolean",
    "number": "number",
    "rating": "number",
    "opinion_scale": "number",
    "nps": "number",
    "date": "date",
    "dropdown": "picklist",
    "multiple_choice": "picklist",
    "picture_choice": "picklist",
}
_KEPT = ("token", "landed_at", "submitted_at", "hidden", "calculated", "variables", "answers")

VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    codes=codes_at("code"),
    # The reset header is there on every answer; on a 429 it says when the budget is full again.
    wait=first_of(retry_after, reset_at("x-ratelimit-reset")),
)


class TypeformSettings(ConnectorSettings):
    """A Typeform account. EU accounts use https://api.eu.typeform.com."""

    token: SecretStr
    base_url: str = "https://api.typeform.com"
    forms: tuple[str, ...] = ()  # form ids; none: every form of the account
    webhook_secret: Secrets = ()


class Typeform(Connector):
    """One Typeform account."""

    system: ClassVar[str] = "typeform"
    Settings = TypeformSettings
    resources: ClassVar[Mapping[str, Resource]] = {
        "responses": Resource(
            "responses",
            id="token",
            updated_at="submitted_at",
            safety_lag=timedelta(seconds=60),
            lookback=timedelta(minutes=10),
            volatile=("metadata", "landing_id", "response_id", "ending"),
            backfill=True,
            page=1000,
        )
    }
    # Two a second on the Responses API (typeform.com/developers).
    limits: ClassVar[Sequence[Limit]] = (Limit(2, 1.0),)
    setup = (
        "Account → Personal tokens: a token with the scopes below.",
        "For webhooks, per form: Connect → Webhooks, with a secret.",
    )
    permissions = ("forms:read", "responses:read")

    @classmethod
    def build_http(cls, settings: TypeformSettings, **options: Any) -> Http:
        """Bearer token, Typeform's verdicts."""
        auth = BearerAuth(settings.token)
        return Http(base_url=settings.base_url, auth=auth, verdicts=VERDICTS, **options)

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Pages, form after form. Cursor: {since: {form: time}, at: {form, before, top}, left: [form]} within a read."""
        spec, cursor = self.declared(resource), dict(since or {})
        lag, lookback = (int(one.total_seconds()) * SECOND for one in (spec.safety_lag, spec.lookback))
        done, at, forms = dict(cursor.get("since", {})), cursor.get("at") or {}, self._form_ids()
        if at:  # in the middle of a read, which began with the forms there were then
            forms = [form for form in (at["form"], *cursor.get("left", ())) if form in forms]
        for place, form in enumerate(forms):
            left, here = forms[place + 1 :], at if at.get("form") == form else {}
            start, top = instant_of(done[form]) - lookback if form in done else None, here.get("top")
            asked = {"response_type": "completed", **_ASKING(*(window or (start, None)))}
            for items, before, answer in _RESPONSES.pages(self.http, _path(form), asked, here.get("before")):
                top = top or (items[0].get("submitted_at") if items else None)
                if before is not None:
                    going = {"at": {"form": form, "before": before, "top": top}, "left": left}
                else:
                    going = {"at": {"form": left[0]}, "left": left[1:]} if left else {}
                    if top:  # no later than what the list surely showed; whole seconds, so that texts sort as times do
                        done[form] = min(top, iso((answer.sent_at - lag) // SECOND * SECOND))
                records = [self._record(form, item) for item in items]
                yield Page(records, {"since": dict(done), **going}, answer.sent_at, last=not going)
        if not forms:
            yield Page([], {"since": done}, self.http.clock.now(), last=True)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named responses; one that no form shows is a tombstone."""
        spec, found = self.declared(resource), dict[str, SourceRecord]()
        for form in self._form_ids():
            if missing := [id for id in ids if id not in found]:
                asked = {**_RESPONSES.asking(1000), "included_response_ids": ",".join(missing)}
                items = held(self.http.get(_path(form), params=asked), "items", list)
                found |= {record.id: record for record in (self._record(form, item) for item in items)}
        return as_asked(spec, ids, found.values())

    def check(self) -> list[Check]:
        """The token, the forms, the permission to read responses."""
        make = "make a token with the scopes forms:read and responses:read"

        def further(forms: list[str]) -> list[Check]:
            return [self._readable(form) for form in forms]

        return first_look("read forms", self._form_ids, make, further, lambda forms: f"{len(forms)} forms")

    def discover(self, resource: str) -> list[FieldInfo]:
        """The questions of all read forms by reference, and their hidden fields."""
        self.declared(resource)
        found: dict[str, FieldInfo] = {}
        for form in self._form_ids():
            definition = self.http.get(f"/forms/{form}").json()
            for field in _fields(definition.get("fields") or []):
                found.setdefault(field.name, field)
            for name in definition.get("hidden") or []:
                found.setdefault(f"hidden.{name}", FieldInfo(f"hidden.{name}", "string", read_only=True))
        times = [FieldInfo(name, "datetime", read_only=True) for name in ("landed_at", "submitted_at")]
        return [FieldInfo("token", "string", read_only=True, unique=True), *times, *found.values()]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """A response, whole."""
        opened = self.opened(request)
        try:
            response = opened.told["form_response"]
            form, token = str(response["form_id"]), str(response["token"])
        except (KeyError, TypeError):
            raise Park("the webhook is signed but is no form response", cause="bad_payload") from None
        wanted = not self.settings.forms or form in self.settings.forms
        if opened.told.get("event_type") != "form_response" or not wanted:
            return Delivered(dedupe_key=opened.dedupe_key)
        kept = {name: response[name] for name in _KEPT if name in response}
        record = self._record(form, {**kept, "token": token})
        return Delivered(records=[("responses", record)], dedupe_key=opened.dedupe_key)

    def _form_ids(self) -> list[str]:
        if self.settings.forms:
            return list(self.settings.forms)
        pages = _FORMS.pages(self.http, "/forms", {})
        return sorted({str(item["id"]) for items, _, _ in pages for item in items})

    def _readable(self, form: str) -> Check:
        call = partial(self.http.get, _path(form), params=_RESPONSES.asking(1))
        fix = "check the form id in `forms`, and that the token has the scope responses:read"
        return looked(f"read responses of {form}", call, fix)

    def _record(self, form: str, item: Json) -> SourceRecord:
        return record_of(self.resources["responses"], {**item, "form_id": form})


def _path(form: str) -> str:
    return f"/forms/{form}/responses"


def _fields(fields: Sequence[Json]) -> Iterator[FieldInfo]:
    """Questions, those inside groups included."""
    for field in fields:
        properties = field.get("properties") or {}
        if properties.get("fields"):
            yield from _fields(properties["fields"])
            continue
        labels = [str(choice.get("label")) for choice in properties.get("choices") or []]
        yield FieldInfo(
            f"answers.{field.get('ref') or field.get('id')}",
            _TYPES.get(str(field.get("type")), "string"),
            label=str(field.get("title") or ""),
            required=bool((field.get("validations") or {}).get("required")),
            read_only=True,
            values=tuple(labels),
        )
