"""QuickBooks Online: lists by time of change, deletes by change data capture, customers written in batches.

Facts: developer.intuit.com, Intuit's blog of 2015-04-06 on `requestid`, python-quickbooks, tap-quickbooks, and recorded
exchanges; those of reading stand in `company`, those of writing in `writing`. No field of a customer can both be queried
and hold our key, so it stands in the Notes (docs/decisions/0017). Whoever may consent may do everything: there are no
single permissions. Ten requests at once and 500 a minute for a company.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import Field, SecretStr

from connectors.apps import AppSettings, rotating
from connectors.auth import Auth, BearerAuth
from connectors.base import Connector, Deletes, Limit, Resource
from connectors.budget import Kind
from connectors.described import fields_shown
from connectors.http import Answer, Http
from connectors.looks import clock, first_look, looked
from connectors.oauth import TokenStore
from connectors.quickbooks.company import VERDICTS, Company, record
from connectors.quickbooks.resources import ENTITIES, KEY, MOST, READ_ONLY, RESOURCES, TIME
from connectors.quickbooks.writing import Writer
from connectors.shapes import as_asked, by_key, held
from connectors.webhook import Secrets
from kernel.clock import SECOND, instant_of, iso
from kernel.errors import Park
from kernel.records import (
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

_RESOURCE = {entity.lower(): resource for resource, entity in ENTITIES.items()}


class QuickbooksSettings(AppSettings):
    """One company. Sandbox companies live at https://sandbox-quickbooks.api.intuit.com."""

    realm_id: str = Field(pattern=r"^[0-9]{1,20}$")  # the company's id; it comes with the consent
    refresh_token: SecretStr | None = None  # the first one; its successors are kept in the store, sealed
    access_token: SecretStr | None = None  # instead of client and refresh token, to try: good for an hour
    base_url: str = "https://quickbooks.api.intuit.com"
    auth_url: str = "https://oauth.platform.intuit.com"
    minor_version: int = 75
    webhook_secret: Secrets = ()  # the app's verifier token
    page_size: int = Field(1000, ge=10, le=1000)  # rows asked for at once; fewer where invoices are very long
    find_days: int = 30  # `find` looks at customers that changed since


class Quickbooks(Connector):
    """One QuickBooks company."""

    system: ClassVar[str] = "quickbooks"
    Settings = QuickbooksSettings
    rotates: ClassVar[bool] = True
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    limits: ClassVar[Sequence[Limit]] = (
        Limit(500, 60.0),
        Limit(40, 60.0, name="batch", only=r"/batch$"),
        Limit(10, kind=Kind.CONCURRENT),
    )
    setup = (
        "developer.intuit.com → My Apps: make an app with the scope below; its keys are client id and secret.",
        "Let a company's admin consent (the OAuth playground does): that gives realm id and the first refresh token.",
        "For webhooks: the app's Webhooks page takes the receiver's address and shows the verifier token.",
    )
    permissions = ("com.intuit.quickbooks.accounting",)

    def __init__(self, settings: QuickbooksSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._company = Company(http, settings.realm_id, settings.minor_version, settings.page_size)
        self._writer = Writer(self._company)

    @classmethod
    def build_http(cls, settings: QuickbooksSettings, *, tokens: TokenStore | None = None, **options: Any) -> Http:
        """A bearer token good for an hour, renewed by a refresh token that rotates about daily."""
        told: Json = {"verdicts": VERDICTS, **options}
        path = "/oauth2/v1/tokens/bearer"
        auth: Auth = rotating(settings, settings.auth_url, path, basic=True, tokens=tokens, attempts=2, **told)
        if settings.access_token:
            auth = BearerAuth(settings.access_token)
        return Http(base_url=settings.base_url, auth=auth, **told)

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Our key is shown apart from the Notes that hold it."""
        return (KEY,) if self.declared(resource).write else ()

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Pages by time of change, deletes last. Cursor: {at, deletes}; within a read {skip, last, begun} besides."""
        cursor, spec = dict(since or {}), self.declared(resource)
        back = int(spec.lookback.total_seconds()) * SECOND
        if "last" not in cursor and window is not None:
            cursor = {"at": iso(window[0])}
        elif "last" not in cursor and "at" in cursor:
            cursor["at"] = iso(instant_of(cursor["at"]) - back)
        before = f" AND {TIME} < '{iso(window[1])}'" if window else ""
        for rows, position, answer in self._company.changed(resource, cursor, before):
            cursor.setdefault("begun", str(answer.json().get("time") or iso(answer.sent_at)))
            records = [record(resource, row) for row in rows]
            if "last" in position:
                yield Page(records, {**cursor, **position}, answer.sent_at)
                continue
            if spec.deletes is Deletes.IN_STREAM and window is None and "deletes" in cursor:
                records += self._company.deleted(resource, instant_of(cursor["deletes"]) - back)
            yield Page(records, {**position, "deletes": cursor["begun"]}, answer.sent_at, last=True)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named objects; one that was deleted or merged away is a tombstone."""
        spec = self.declared(resource)
        return as_asked(spec, ids, (record(resource, row) for row in self._company.among(resource, "Id", ids)))

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Customers, in one request and what is needed to know their SyncTokens."""
        return self._writer.write(items)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """Customers whose Notes hold our key, by listing those that changed lately: Notes cannot be queried."""
        if self.declared(resource).write is None:
            return super().find(resource, ext_keys)
        since = iso(self.http.clock.now() - self.settings.find_days * 86_400 * SECOND)
        pages = self._company.changed(resource, {"at": since})
        return by_key(ext_keys, (record(resource, row) for rows, _, _ in pages for row in rows), KEY)

    def check(self) -> list[Check]:
        """The token and the company, the clock, the right to read each resource."""
        fix = "let a company's admin connect the app again, and give the connection what that gives"
        asked = {name: partial(self._company.query, name, "Id > '0'", "MAXRESULTS 1") for name in ENTITIES}

        def further(about: Answer) -> list[Check]:
            return [clock(about), *(looked(f"read {name}", call, fix) for name, call in asked.items())]

        return first_look("company", self._about, fix, further, lambda about: self.settings.realm_id)

    def discover(self, resource: str) -> list[FieldInfo]:
        """What the newest hundred objects show, and a customer's fields that may be written: there is no describe."""
        spec = self.declared(resource).write
        rows, _ = self._company.query(resource, "Id > '0'", f"ORDER BY {TIME} DESC MAXRESULTS 100")
        shown = fields_shown((record(resource, row).raw for row in rows), reference={"value", "name"})
        most, never = MOST if spec else {}, READ_ONLY | {"domain", "sparse", "Notes"}
        written = [FieldInfo(name, "string", max_length=length) for name, length in most.items()]
        return written + [
            FieldInfo(name, kind, read_only=not spec or name in never, unique=name == "Id")
            for name, kind in shown.items()
            if name not in (*most, KEY)
        ]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Verify a delivery of either format (CloudEvents, or the older one) and say what to read again."""
        opened = self.opened(request)
        try:
            changes = list(_changes(opened.told))
        except (KeyError, TypeError, AttributeError, IndexError):
            raise Park("the webhook is signed but tells of no changes", cause="bad_payload") from None
        ours = [(entity, id) for realm, entity, id in changes if realm == self.settings.realm_id]
        return opened.naming((_RESOURCE.get(entity), id) for entity, id in ours)

    def _about(self) -> Answer:
        answer = self.http.get(self._company.path(f"companyinfo/{self.settings.realm_id}"))
        held(answer, "CompanyInfo")
        return answer


def _changes(told: Any) -> Iterator[tuple[str, str, str]]:
    """(realm, entity in small letters, id) of each change; of a merge, also what was merged away."""
    if isinstance(told, list):
        for event in told:
            yield str(event["intuitaccountid"]), event["type"].split(".")[1], str(event["intuitentityid"])
        return
    for note in told["eventNotifications"]:
        for one in note["dataChangeEvent"]["entities"]:
            for id in (one["id"], one.get("deletedId") or ""):
                yield str(note["realmId"]), one["name"].lower(), str(id)
