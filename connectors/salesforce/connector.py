"""The Salesforce connector.

Sources of its facts: Salesforce's REST API guide and describes. Every written object needs the key field: a text field,
External ID and Unique (case-insensitive), readable and editable by the connection's user.
"""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar, cast

from connectors.auth import BearerAuth, Token, TokenAuth
from connectors.base import Bulk, Connector, Resource
from connectors.batches import refusing
from connectors.budget import Kind, Limit
from connectors.http import Answer, Http
from connectors.oauth import fetch_token
from connectors.salesforce.api import Org, pool_left
from connectors.salesforce.ingest import IngestJob
from connectors.salesforce.reading import Reader
from connectors.salesforce.schema import (
    BATCH,
    BULK_READ,
    FIELDS,
    READ_ONLY,
    RESOURCES,
    VERDICTS,
    resources_from,
    source_record,
)
from connectors.salesforce.settings import Settings
from connectors.salesforce.writing import Writer
from kernel.clock import SECOND, instant
from kernel.errors import Park, Stop, ThroughlineError
from kernel.records import Check, Cursor, FieldInfo, JobStep, Page, SourceRecord, WriteItem, WriteOutcome

_TYPES = {
    **dict.fromkeys(("double", "int", "currency", "percent", "long"), "number"),
    **dict.fromkeys(("picklist", "multipicklist", "combobox"), "picklist"),
    **dict.fromkeys(("address", "location", "complexvalue"), "json"),
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "reference": "reference",
}
_SKEW = 120  # seconds our clock may differ from the vendor's before `check` complains
_FIND = 100  # keys in one query: its text travels in the URL


class Salesforce(Connector):
    """Reads and writes a Salesforce org."""

    system = "salesforce"
    Settings = Settings
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    # Any 24 hours: an Enterprise org's first 100,000; licences add to them, Developer orgs have 15,000. At once: calls of
    # 20 s and longer, in production (Salesforce's limits cheat sheet). What the header tells lowers the first.
    limits: ClassVar[Sequence[Limit]] = (Limit(100_000, 86_400.0), Limit(25, kind=Kind.CONCURRENT))
    setup = (
        "Setup → App Manager: a connected app with the client credentials flow, run as an integration user.",
        "Per written object, a text field `Throughline_Key__c`: External ID, Unique, visible to that user.",
        "A permission set for that user with the permissions below.",
    )
    permissions = ("API Enabled", "Read, Create, Edit, Delete on each written object", "Read on User")

    def __init__(self, settings: Any, http: Http) -> None:
        """See `connectors.open_connector`."""
        super().__init__(settings, http)
        self._org = Org(http, version=settings.version)
        self.resources = resources_from(settings.bulk_write_from)  # type: ignore[misc]  # where a job pays, a person says
        self._described: dict[str, dict[str, Any]] = {}

    @classmethod
    def build_http(cls, settings: Any, **options: Any) -> Http:
        """The org's Http: a fixed token, or one fetched when the last was refused (Salesforce tells no expiry)."""
        chosen = cast(Settings, settings)
        auth: BearerAuth | TokenAuth
        if chosen.access_token:
            auth = BearerAuth(chosen.access_token)
        else:
            auth = TokenAuth(lambda: _token(chosen, options), clock=options.get("clock"))
        verdicts = VERDICTS.but(left=lambda headers: pool_left(headers, chosen.daily_share))
        return Http(base_url=chosen.instance_url, auth=auth, verdicts=verdicts, **options)

    def check(self) -> list[Check]:
        """Credential, daily pool, clock, API version, and per object: permissions, and our key there and unique."""
        try:
            answer = self._org.limits()
            versions = self.http.get("/services/data").json()
        except ThroughlineError as error:
            fix = (
                "give the connection valid credentials"
                if error.cause == "unauthorized"
                else "see the detail; try again"
            )
            return [Check("org", False, str(error), fix)]
        pool = answer.json().get("DailyApiRequests", {})
        known = [one["version"] for one in versions]
        offered = self.settings.version in known
        return [
            Check("org", True, f"{pool.get('Remaining')} of {pool.get('Max')} daily requests left"),
            self._clock_check(answer),
            Check("API version", offered, self.settings.version, "" if offered else f"set version to {known[-1]}"),
            *map(self._check_resource, RESOURCES),
        ]

    def discover(self, resource: str) -> list[FieldInfo]:
        """The live fields of an object, as its describe shows them to the connection's user."""
        return [_field_info(told) for told in self._describe(resource, again=True)["fields"]]

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """All records when `since` is None; else those changed since, those in the recycle bin as tombstones."""
        settings, types = self.settings, {told["name"]: told["type"] for told in self._describe(resource)["fields"]}
        wanted = {name: types[name] for name in self._fields(resource)}
        bulk = Bulk(settings.bulk_from, BULK_READ.batch_size)
        here = self.http.clock, self.http.connection
        return Reader(self._org, resource, wanted, settings.lookback, *here, bulk).pages(since, window)

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Where an object that was read carries our key."""
        return (self.settings.key_field,)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """Records by id; one that is not there comes back as a tombstone."""
        found: list[SourceRecord] = []
        for start in range(0, len(ids), BATCH):
            wanted = list(dict.fromkeys(ids[start : start + BATCH]))
            answer = self._org.retrieve(resource, wanted, self._fields(resource))
            rows = answer.json()
            if len(rows) != len(wanted):
                raise answer.unreadable("the answer has another number of records than were asked for")
            for one, raw in zip(wanted, rows, strict=True):
                found.append(source_record(raw) if raw else SourceRecord(id=one, raw={"Id": one}, deleted=True))
        return found

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Upsert by our key, update by id, delete; at most 200 items of one action."""
        if self.declared(resource).write is None:
            return super().write(resource, batch)

        def send(rest: Sequence[WriteItem]) -> list[WriteOutcome]:
            fields = self._fields(resource) if self.settings.read_back else []
            return Writer(self._org, self.http, resource, self.settings.key_field, fields).write(rest)

        return refusing(READ_ONLY, batch, send)

    def write_job(self, resource: str, batch: Sequence[WriteItem], job: str = "") -> Iterator[JobStep]:
        """By an ingest job: upserts by our key, or updates by id."""
        if self.declared(resource).write is None:
            return super().write_job(resource, batch, job)
        fields = self._fields(resource) if self.settings.read_back else []
        return IngestJob(self._org, self.http, resource, self.settings.key_field, fields).steps(batch, job)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our external id; SOQL reads the database itself, it does not lag."""
        key, fields = self.settings.key_field, ", ".join(self._fields(resource))
        soql = f"SELECT {fields} FROM {resource} WHERE {key} IN {{keys}}"  # nosec B608 # noqa: S608 - names from the describe
        found: dict[str, list[SourceRecord]] = {one: [] for one in ext_keys}
        folded = {one.lower(): one for one in ext_keys}  # a unique text field usually ignores case
        for start in range(0, len(ext_keys), _FIND):
            body = self._org.query(soql, {"keys": list(ext_keys[start : start + _FIND])}).json()
            while True:
                for raw in body["records"]:
                    found[folded[str(raw[key]).lower()]].append(source_record(raw))
                if body["done"]:
                    break
                body = self._org.more(body["nextRecordsUrl"]).json()
        return found

    def close(self) -> None:
        """Release sockets and the SDK's session."""
        self._org.close()
        super().close()

    def _fields(self, resource: str) -> list[str]:
        """What is read: the wanted fields that this org has and shows to the connection's user."""
        live = {told["name"] for told in self._describe(resource)["fields"]}
        wanted = (*FIELDS[resource], *self.settings.fields.get(resource, ()), self.settings.key_field)
        return [name for name in dict.fromkeys(("Id", "SystemModstamp", "IsDeleted", *wanted)) if name in live]

    def _describe(self, resource: str, *, again: bool = False) -> dict[str, Any]:
        self.declared(resource)
        if again or resource not in self._described:
            try:
                self._described[resource] = self._org.describe(resource).json()
            except Park as error:  # an object the user may not see is not there for them
                told = f"{self.http.connection}: this user sees no {resource}; run: throughline check"
                raise Stop(told, cause="forbidden", status=error.status, request_id=error.request_id) from None
        return self._described[resource]

    def _clock_check(self, answer: Answer) -> Check:
        try:
            theirs = instant(email.utils.parsedate_to_datetime(answer.headers.get("date", "")))
        except ValueError:
            return Check("clock", True, "the vendor told no time")
        off = abs(self.http.clock.now() - theirs) / SECOND
        return Check(
            "clock", off <= _SKEW, f"{off:.0f} s apart", "" if off <= _SKEW else "set this machine's clock (NTP)"
        )

    def _check_resource(self, resource: str) -> Check:
        try:
            told = self._describe(resource, again=True)
        except ThroughlineError as error:
            return Check(resource, False, str(error), f"give the connection's user access to {resource}")
        if RESOURCES[resource].write is None:
            return Check(resource, bool(told["queryable"]), "readable")
        if not (told["queryable"] and told["createable"] and told["updateable"]):
            return Check(
                resource, False, "not writable", f"let the user's permission set read, create and edit {resource}"
            )
        key = self.settings.key_field
        make = f"create the text field {key} on {resource} in Setup → Object Manager: External ID, Unique, visible"
        field = next((field for field in told["fields"] if field["name"] == key), None)
        if field is None:
            return Check(resource, False, f"no field {key}, or the user may not see it", make)
        good = field["externalId"] and field["unique"] and field["createable"]
        return Check(
            resource, bool(good), f"{key} is there" if good else f"{key} is not as it must be", "" if good else make
        )


def _field_info(told: Mapping[str, Any]) -> FieldInfo:
    text = told["type"] not in ("boolean", "date", "datetime", "double", "int", "currency", "percent")
    return FieldInfo(
        name=told["name"],
        type=_TYPES.get(told["type"], "string"),
        label=told["label"],
        required=told["createable"] and not told["nillable"] and not told["defaultedOnCreate"],
        read_only=not (told["createable"] or told["updateable"]) or told["name"] in READ_ONLY,
        unique=told["unique"],
        max_length=told["length"] or None if text else None,
        values=tuple(one["value"] for one in told["picklistValues"] if one["active"]),
    )


def _token(settings: Settings, options: Mapping[str, Any]) -> Token:
    """A new access token, by refresh token or client credentials, for this instance and no other."""
    form = {"client_id": settings.client_id, "grant_type": "client_credentials"}
    if settings.client_secret:
        form["client_secret"] = settings.client_secret.get_secret_value()
    if settings.refresh_token:
        form |= {"grant_type": "refresh_token", "refresh_token": settings.refresh_token.get_secret_value()}
    with closing(Http(base_url=settings.login_url or settings.instance_url, verdicts=VERDICTS, **options)) as bare:
        body = fetch_token(bare, "/services/oauth2/token", form)
    if str(body.get("instance_url", "")).rstrip("/").lower() != settings.instance_url.rstrip("/").lower():
        told = (
            f"{options['connection']}: the token is for another instance; set instance_url to the org's My Domain URL"
        )
        raise Stop(told, cause="foreign_host")
    return Token(body["access_token"])
