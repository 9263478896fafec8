"""QuickBooks Online: lists by time of change, deletes by change data capture, customers written in batches.

Facts: developer.intuit.com, Intuit's blog of 2015-04-06 on `requestid`, python-quickbooks, tap-quickbooks, and recorded
exchanges; those of reading stand in `company`, those of writing in `writing`. No field of a customer can both be queried
and hold our key, so it stands in the Notes (docs/decisions/0017). Whoever may consent may do everything: there are no
single permissions. Ten requests at once and 500 a minute for a company.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from connectors.auth import BasicAuth, BearerAuth
from connectors.base import Connector, ConnectorSettings, Deletes, Limit, Resource, WriteClass, WriteSpec
from connectors.batches import refusing
from connectors.budget import Kind
from connectors.http import Answer, Http
from connectors.oauth import RotatingAuth, TokenStore, fetch_token
from connectors.proofs import Keyring
from connectors.quickbooks.company import ENTITIES, KEY, LISTS, TIME, VERDICTS, Company, instant_of, record_of
from connectors.quickbooks.writing import Writer
from connectors.signatures import admit
from connectors.webhook import Secrets, revealed
from kernel.clock import SECOND, SystemClock, instant, iso
from kernel.errors import Park, ThroughlineError
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

LOOKBACK = timedelta(minutes=5)
_RESOURCE = {entity.lower(): resource for resource, entity in ENTITIES.items()}
_READ_ONLY = frozenset({"Id", "SyncToken", "MetaData", "FullyQualifiedName", "Balance", "BalanceWithJobs", "Level"})
_MOST = {"DisplayName": 500, "Title": 16, "GivenName": 100, "MiddleName": 100, "FamilyName": 100, "Suffix": 16,
         "CompanyName": 100, "PrimaryEmailAddr.Address": 100, "PrimaryPhone.FreeFormNumber": 30,
         "Mobile.FreeFormNumber": 30, "WebAddr.URI": 1000, "BillAddr.Line1": 500, "BillAddr.Line2": 500,
         "BillAddr.City": 255, "BillAddr.CountrySubDivisionCode": 255, "BillAddr.PostalCode": 30,
         "BillAddr.Country": 255}  # fmt: skip
"""The longest text of a customer's field (from memory, not confirmed; QuickBooks itself refuses what is longer)."""

CUSTOMER_WRITES = WriteSpec(
    write_class=WriteClass.CONFLICT,
    ext_field="Notes",
    batch_size=30,
    actions=frozenset({Action.UPSERT, Action.CLEAR, Action.ARCHIVE}),
    read_only=_READ_ONLY,
    settle=timedelta(minutes=3),  # a request is given up after two minutes; lists have no known lag
    max_processing=timedelta(minutes=2),
)


class QuickbooksSettings(ConnectorSettings):
    """One company. Sandbox companies live at https://sandbox-quickbooks.api.intuit.com."""

    realm_id: str = Field(pattern=r"^[0-9]{1,20}$")  # the company's id; it comes with the consent
    client_id: str = ""
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None  # the first one; its successors are kept in the store, sealed
    access_token: SecretStr | None = None  # instead of the three above, to try: good for an hour
    base_url: str = "https://quickbooks.api.intuit.com"
    auth_url: str = "https://oauth.platform.intuit.com"
    minor_version: int = 75
    webhook_secret: Secrets = ()  # the app's verifier token
    page_size: int = Field(1000, ge=10, le=1000)  # rows asked for at once; fewer where invoices are very long
    find_days: int = 30  # `find` looks at customers that changed since

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if bool(self.access_token) == bool(self.client_id and self.client_secret and self.refresh_token):
            raise ValueError("give client_id, client_secret and refresh_token, or access_token")
        return self


class Quickbooks(Connector):
    """One QuickBooks company."""

    system: ClassVar[str] = "quickbooks"
    Settings = QuickbooksSettings
    rotates: ClassVar[bool] = True
    resources: ClassVar[Mapping[str, Resource]] = {
        name: Resource(
            name,
            id="Id",
            updated_at=TIME,
            lookback=LOOKBACK,
            deletes=Deletes.NONE if name in LISTS else Deletes.IN_STREAM,
            # What a customer owes changes with each invoice; the rest with each touch.
            volatile=("SyncToken", "MetaData", *(("Balance", "BalanceWithJobs") if name in LISTS else ())),
            write=CUSTOMER_WRITES if name == "customers" else None,
            backfill=True,
        )
        for name in ENTITIES
    }
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

        def renew(token: str) -> Json:
            basic = BasicAuth(settings.client_id, settings.client_secret or SecretStr(""))
            url, form = settings.auth_url, {"grant_type": "refresh_token", "refresh_token": token}
            with closing(Http(base_url=url, auth=basic, verdicts=VERDICTS, attempts=2, **options)) as bare:
                return fetch_token(bare, "/oauth2/v1/tokens/bearer", form)

        clock, seed = options.get("clock") or SystemClock(), settings.refresh_token or SecretStr("")
        fixed = BearerAuth(settings.access_token) if settings.access_token else None
        auth = fixed or RotatingAuth(seed, renew, tokens=tokens, clock=clock)
        return Http(base_url=settings.base_url, auth=auth, verdicts=VERDICTS, **options)

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Our key is shown apart from the Notes that hold it."""
        return (KEY,) if self.declared(resource).write else ()

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Pages by time of change, deletes last. Cursor: {at, deletes}; within a read {skip, last, begun} besides."""
        cursor, spec = dict(since or {}), self.declared(resource)
        back = int(LOOKBACK.total_seconds()) * SECOND
        if "last" not in cursor and window is not None:
            cursor = {"at": iso(window[0])}
        elif "last" not in cursor and "at" in cursor:
            cursor["at"] = iso(instant_of(cursor["at"]) - back)
        before = f" AND {TIME} < '{iso(window[1])}'" if window else ""
        for rows, position, answer in self._company.changed(resource, cursor, before):
            cursor.setdefault("begun", str(answer.json().get("time") or iso(answer.sent_at)))
            records = [record_of(row) for row in rows]
            if "last" in position:
                yield Page(records, {**cursor, **position}, answer.sent_at)
                continue
            if spec.deletes is Deletes.IN_STREAM and window is None and "deletes" in cursor:
                records += self._company.deleted(resource, instant_of(cursor["deletes"]) - back)
            yield Page(records, {**position, "deletes": cursor["begun"]}, answer.sent_at, last=True)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named objects; one that was deleted or merged away is a tombstone."""
        self.declared(resource)
        there = {str(row["Id"]): record_of(row) for row in self._company.among(resource, "Id", ids)}
        return [there.get(id) or SourceRecord(id, {"Id": id}, deleted=True) for id in ids]

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Customers, in one request and what is needed to know their SyncTokens."""
        if self.declared(resource).write is None:
            return super().write(resource, batch)
        return refusing(_READ_ONLY, batch, self._writer.write)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """Customers whose Notes hold our key, by listing those that changed lately: Notes cannot be queried."""
        if self.declared(resource).write is None:
            return super().find(resource, ext_keys)
        since = iso(self.http.clock.now() - self.settings.find_days * 86_400 * SECOND)
        wanted, latest = set(ext_keys), dict[str, SourceRecord]()
        for rows, _, _ in self._company.changed(resource, {"at": since}):
            latest.update((record.id, record) for record in map(record_of, rows) if record.raw.get(KEY) in wanted)
        found: dict[str, list[SourceRecord]] = {}
        for record in latest.values():
            found.setdefault(record.raw[KEY], []).append(record)
        return found

    def check(self) -> list[Check]:
        """The token and the company, the clock, the right to read each resource."""
        checks: list[Check] = []
        name, fix = "company", "let a company's admin connect the app again, and give the connection what that gives"
        try:
            answer = self.http.get(self._company.path(f"companyinfo/{self.settings.realm_id}"))
            if not isinstance(answer.json(), dict) or "CompanyInfo" not in answer.json():
                raise answer.unreadable("the answer tells of no company")
            checks += [Check(name, True, self.settings.realm_id), _clock(answer, self.http.clock.now())]
            for resource in ENTITIES:
                name = f"read {resource}"
                self._company.query(resource, "Id > '0'", "MAXRESULTS 1")
                checks.append(Check(name, True))
        except ThroughlineError as error:
            checks.append(Check(name, False, str(error), fix))
        return checks

    def discover(self, resource: str) -> list[FieldInfo]:
        """What the newest hundred objects show, and a customer's fields that may be written: there is no describe."""
        spec = self.declared(resource).write
        rows, _ = self._company.query(resource, "Id > '0'", f"ORDER BY {TIME} DESC MAXRESULTS 100")
        shown = {name: value for row in rows for name, value in record_of(row).raw.items() if name != KEY}
        most = _MOST if spec else {}
        never = _READ_ONLY | {"domain", "sparse", "Notes"}
        return [FieldInfo(name, "string", max_length=length) for name, length in most.items()] + [
            FieldInfo(name, _kind(value), read_only=not spec or name in never, unique=name == "Id")
            for name, value in sorted(shown.items())
            if name not in most
        ]

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Verify a delivery of either format (CloudEvents, or the older one) and say what to read again."""
        secrets = revealed(self.settings.webhook_secret, self.http.connection)
        told = admit("quickbooks", request, Keyring(secrets), request.received_at or self.http.clock.now())
        try:
            changes = list(_changes(told.told))
        except (KeyError, TypeError, AttributeError, IndexError):
            raise Park("the webhook is signed but tells of no changes", cause="bad_payload") from None
        ours = ((_RESOURCE.get(entity), id) for realm, entity, id in changes if realm == self.settings.realm_id)
        return Delivered(hints=list(dict.fromkeys((r, id) for r, id in ours if r and id)), dedupe_key=told.dedupe_key)


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


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", dict: "json", list: "json"}
    return (
        "reference" if isinstance(value, dict) and set(value) <= {"value", "name"} else kinds.get(type(value), "string")
    )


def _clock(answer: Answer, now: int) -> Check:
    date = answer.headers.get("date")
    skew = abs(instant(email.utils.parsedate_to_datetime(date)) - now) / SECOND if date else 0.0
    return Check("clock", skew < 60, f"{skew:.0f} s apart", "" if skew < 60 else "set this machine's clock")
