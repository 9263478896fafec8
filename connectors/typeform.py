"""Typeform: completed responses of one, several or all forms, by polling and by webhook.

Facts: typeform.com/developers (Responses API, webhooks) and recorded exchanges. Responses never change; a list comes
newest first and is walked downwards by `before=<token>`; `since` is inclusive, at second grain. A webhook may be seconds
ahead of the list, so it is taken whole and never re-read. Both ways give the same record: `form_id` is added to the
list's items, and what only one of them knows (browser metadata, the form's definition) is volatile or left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import SecretStr

from connectors.auth import BearerAuth
from connectors.base import Connector, ConnectorSettings, Limit, Resource
from connectors.http import Answer, Http, PageGuard
from connectors.proofs import Keyring
from connectors.retry import first_of, reset_at, retry_after
from connectors.signatures import admit
from connectors.verdicts import DEFAULT_VERDICTS, Verdicts
from connectors.webhook import Secrets, revealed
from kernel.clock import SECOND, instant, iso
from kernel.errors import Park, Stop, ThroughlineError
from kernel.records import Check, Cursor, Delivered, FieldInfo, Json, Page, SourceRecord, WebhookRequest

PAGE = 1000
FORMS_PAGE = 200
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
    codes=lambda body: (body.get("code"),) if isinstance(body, dict) else (),
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
        _known(resource)
        done: dict[str, str] = dict((since or {}).get("since", {}))
        at: Json = (since or {}).get("at") or {}
        forms, left = self._form_ids(), list((since or {}).get("left", ()))
        if at:
            forms = [form for form in (at["form"], *left) if form in forms]
        for place, form in enumerate(forms):
            spec, left = self.resources["responses"], forms[place + 1 :]
            asked = _window(window) if window else _since(done.get(form), spec.lookback)
            for page in self._walked(form, asked, at if at.get("form") == form else None):
                top, whole = page.cursor["top"], page.last
                if whole and top:
                    done[form] = min(top, _second(page.started_at - int(spec.safety_lag.total_seconds()) * SECOND))
                page.last = whole and not left
                going = (
                    {"at": page.cursor, "left": left}
                    if not whole
                    else {"at": {"form": left[0]}, "left": left[1:]}
                    if left
                    else {}
                )
                page.cursor = {"since": dict(done), **going}
                yield page
        if not forms:
            yield Page([], {"since": done}, self.http.clock.now(), last=True)

    def _walked(self, form: str, asked: Json, at: Json | None) -> Iterator[Page]:
        """One form from its newest response (or from below `at`) to its end; cursors are {form, before, top}."""
        guard, before, top = PageGuard(self.http.connection), (at or {}).get("before"), (at or {}).get("top")
        seen = 0
        while True:
            params = {
                "page_size": PAGE,
                "response_type": "completed",
                **asked,
                **({"before": before} if before else {}),
            }
            answer = self.http.get(f"/forms/{form}/responses", params=params)
            items = _items(answer)
            records = [_record(form, item) for item in items]
            top = top or (items[0].get("submitted_at") if items else None)
            total, seen = answer.json().get("total_items"), seen + len(items)
            if not items or (len(items) < PAGE and not (isinstance(total, int) and total > seen)):
                yield Page(records, {"top": top}, answer.sent_at, last=True)
                return
            before = str(items[-1]["token"])
            guard.advance(before)
            yield Page(records, {"form": form, "before": before, "top": top}, answer.sent_at)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named responses; one that no form shows is a tombstone."""
        _known(resource)
        found: dict[str, SourceRecord] = {}
        for form in self._form_ids():
            if missing := [id for id in ids if id not in found]:
                params = {"page_size": PAGE, "included_response_ids": ",".join(missing)}
                items = _items(self.http.get(f"/forms/{form}/responses", params=params))
                found.update((str(item["token"]), _record(form, item)) for item in items)
        return [found.get(id, SourceRecord(id, {"token": id}, deleted=True)) for id in ids]

    def check(self) -> list[Check]:
        """The token, the forms, the permission to read responses."""
        try:
            forms = self._form_ids()
        except ThroughlineError as error:
            return [
                Check("read forms", False, str(error), "make a token with the scopes forms:read and responses:read")
            ]
        checks = [Check("read forms", True, f"{len(forms)} forms")]
        for form in forms:
            try:
                self.http.get(f"/forms/{form}/responses", params={"page_size": 1})
                checks.append(Check(f"read responses of {form}", True))
            except ThroughlineError as error:
                fix = "check the form id in `forms`, and that the token has the scope responses:read"
                checks.append(Check(f"read responses of {form}", False, str(error), fix))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """The questions of all read forms by reference, and their hidden fields."""
        _known(resource)
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
        secrets = revealed(self.settings.webhook_secret, self.http.connection)
        told = admit("typeform", request, Keyring(secrets), request.received_at or self.http.clock.now())
        event, key = told.told, told.dedupe_key
        try:
            response = event["form_response"]
            form, token = str(response["form_id"]), str(response["token"])
        except (KeyError, TypeError):
            raise Park("the webhook is signed but is no form response", cause="bad_payload") from None
        wanted = not self.settings.forms or form in self.settings.forms
        if event.get("event_type") != "form_response" or not wanted:
            return Delivered(dedupe_key=key)
        kept = {name: response[name] for name in _KEPT if name in response}
        return Delivered(records=[("responses", _record(form, {**kept, "token": token}))], dedupe_key=key)

    def _form_ids(self) -> list[str]:
        if self.settings.forms:
            return list(self.settings.forms)
        found: list[str] = []
        for page in range(1, 1000):
            answer = self.http.get("/forms", params={"page": page, "page_size": FORMS_PAGE})
            items = _items(answer)
            found += [str(item["id"]) for item in items]
            if len(items) < FORMS_PAGE:
                break
        return sorted(set(found))


def _known(resource: str) -> None:
    if resource != "responses":
        raise Stop(f"typeform has no resource {resource}; it has: responses", cause="unknown_resource")


def _items(answer: Answer) -> list[Json]:
    body = answer.json()
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise answer.unreadable("the answer holds no items")
    return items


def _record(form: str, item: Json) -> SourceRecord:
    submitted = item.get("submitted_at")
    when = instant(datetime.fromisoformat(submitted)) if submitted else None
    return SourceRecord(str(item["token"]), {**item, "form_id": form}, when)


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


def _since(told: str | None, lookback: timedelta) -> Json:
    if told is None:
        return {}
    return {"since": iso(instant(datetime.fromisoformat(told) - lookback))}


def _window(window: tuple[int, int]) -> Json:
    """`until` is inclusive at second grain; a response on the edge may come twice, which is harmless."""
    return {"since": _second(window[0]), "until": _second(window[1])}


def _second(at: int) -> str:
    """An instant as Typeform writes it: whole seconds, so that texts sort as times do."""
    return iso(at - at % SECOND)
