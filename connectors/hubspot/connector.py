"""The HubSpot connector.

Sources of its facts: HubSpot's OpenAPI and usage guidelines. The unique property is created once per object type, by
`ensure_key` or by hand; everything else needs only the scopes crm.objects.*.read/write and crm.schemas.*.read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, cast

from connectors.apps import refreshing
from connectors.auth import Auth, BearerAuth
from connectors.base import Connector, Resource
from connectors.budget import Kind, Limit
from connectors.http import Answer, Http, PageGuard
from connectors.hubspot.api import Crm
from connectors.hubspot.reading import Reader
from connectors.hubspot.schema import BATCH, PROPERTIES, REQUIRED, RESOURCES, VERDICTS, source_record
from connectors.hubspot.settings import Settings
from connectors.hubspot.webhook import delivered
from connectors.hubspot.writing import Writer
from connectors.looks import clock, first_look
from connectors.shapes import as_asked, parts
from connectors.webhook import revealed
from kernel.errors import ThroughlineError
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

_TYPES = {
    "bool": "boolean",
    "enumeration": "picklist",
    "number": "number",
    "date": "date",
    "datetime": "datetime",
    "json": "json",
}


class HubSpot(Connector):
    """Reads and writes a HubSpot account."""

    system = "hubspot"
    Settings = Settings
    resources: ClassVar[Mapping[str, Resource]] = RESOURCES
    # Free and Starter private apps; Professional 190 and 650,000, Enterprise 190 and 1,000,000, OAuth apps 110 (HubSpot's
    # changelog "increasing our API limits"). The day is the account's own (`day_zone`).
    limits = (
        Limit(100, 10.0),
        Limit(4, 1.0, name="search", only=r"/search$"),
        Limit(250_000, kind=Kind.DAY),
    )
    setup = (
        "Settings → Integrations → Private Apps: create an app with the scopes below, and take its access token.",
        "Per object type, a single-line text property `throughline_key` that requires unique values.",
        "For webhooks: the app's client secret, and subscriptions to the object types that are read.",
    )
    permissions = tuple(
        scope
        for name in PROPERTIES
        for scope in (f"crm.objects.{name}.read", f"crm.objects.{name}.write", f"crm.schemas.{name}.read")
    )

    def __init__(self, settings: Any, http: Http) -> None:
        """See `connectors.open_connector`."""
        super().__init__(settings, http)
        self._crm = Crm(http)

    @classmethod
    def build_http(cls, settings: Any, **options: Any) -> Http:
        """The account's Http: private-app token, or an OAuth token renewed half an hour at a time."""
        chosen = cast(Settings, settings)
        told: Json = {"verdicts": VERDICTS, **options}
        auth: Auth = refreshing(chosen, chosen.base_url, "/oauth/v1/token", lasts=1800, **told)
        if chosen.access_token:
            auth = BearerAuth(chosen.access_token)
        return Http(base_url=chosen.base_url, auth=auth, **told)

    def check(self) -> list[Check]:
        """Credential, clock, and per object type: readable, and our key there and unique."""
        account, fix = partial(self.http.get, "/account-info/v3/details"), "give the connection a valid token"

        def further(answer: Answer) -> list[Check]:
            return [clock(answer), *map(self._check_resource, PROPERTIES)]

        return first_look("account", account, fix, further, _account)

    def discover(self, resource: str) -> list[FieldInfo]:
        """The live properties of an object type."""
        self.declared(resource)
        if resource not in PROPERTIES:
            return super().discover(resource)
        required = REQUIRED.get(resource, frozenset())
        return [_field_info(told, required) for told in self._crm.properties(resource).json()["results"]]

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """All objects when `since` is None; else those modified since, then tombstones of the archived."""
        if resource == "owners":
            return self._owners(since or {})
        return self._reader(resource).pages(since, window)

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Where an object that was read carries our key."""
        return ("properties", self.settings.key_property)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """Objects by id; one that HubSpot merged away comes back as a tombstone beside its survivor."""
        if resource == "owners":
            return [found for one in ids for found in self._owner(one)]
        wanted, reader = list(dict.fromkeys(ids)), self._reader(resource)
        there = [record for some in parts(wanted, BATCH) for record in reader.fetch(some)[0]]
        return as_asked(self.declared(resource), wanted, there)

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Upsert by our key, update by id, archive, associate; at most 100 items of one action."""
        return Writer(self._crm, self.http, resource, self.settings.key_property).write(items)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our unique property through batch/read, which does not lag as the search index does."""
        key_property = self.settings.key_property
        found: dict[str, list[SourceRecord]] = {key: [] for key in ext_keys}
        folded = {key.lower(): key for key in ext_keys}  # unique values are compared without regard to case
        for some in parts(ext_keys, BATCH):
            for record in self._reader(resource).fetch(some, key_property)[0]:
                found[folded[record.raw["properties"][key_property].lower()]].append(record)
        return found

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Verify signature v3 and name the objects to read again."""
        current = [self.settings.client_secret] if self.settings.client_secret else []
        secrets = revealed([*current, *self.settings.former_client_secrets], self.http.connection, "client_secret")
        return delivered(request, secrets, request.received_at or self.http.clock.now())

    def ensure_key(self, resource: str) -> bool:
        """Create the unique property that holds our key; False when it is there already."""
        name = self.settings.key_property
        body = {
            "name": name,
            "label": "Throughline key",
            "description": "Set by Throughline; do not edit.",
            "type": "string",
            "fieldType": "text",
            "groupName": _GROUPS[resource],
            "hasUniqueValue": True,
        }
        return self._crm.create_property(resource, body).status != 409

    def _reader(self, resource: str) -> Reader:
        self.declared(resource)
        names = (*PROPERTIES[resource], *self.settings.properties.get(resource, ()))
        return Reader(self._crm, resource, names, self.settings, self.http.clock, self.http.connection)

    def _owners(self, since: Cursor) -> Iterator[Page]:
        after, guard = since.get("after"), PageGuard(self.http.connection)
        while True:
            answer = self._crm.owners(after)
            body = answer.json()
            after = ((body.get("paging") or {}).get("next") or {}).get("after")
            records = [source_record(raw) for raw in body["results"]]
            yield Page(records, {"after": after} if after else {}, answer.sent_at, last=not after)
            if not after:
                return
            guard.advance(after)

    def _owner(self, vendor_id: str) -> list[SourceRecord]:
        answer = self.http.get(f"/crm/v3/owners/{int(vendor_id)}", accept=(404,))
        if answer.status == 404:
            return [SourceRecord(id=vendor_id, raw={"id": vendor_id}, deleted=True)]
        return [source_record(answer.json())]

    def _check_resource(self, resource: str) -> Check:
        key = self.settings.key_property
        name = f"{resource}: key"
        try:
            self._crm.list(resource, ["hs_object_id"], None)
            answer = self.http.get(f"/crm/v3/properties/{resource}/{key}", accept=(404,))
        except ThroughlineError as error:
            scopes = f"crm.objects.{resource}.read, crm.objects.{resource}.write, crm.schemas.{resource}.read"
            return Check(name, False, str(error), f"give the app the scopes {scopes}")
        make = f"create a single-line text property '{key}' on {resource} that requires unique values"
        if answer.status == 404:
            return Check(
                name, False, f"no property '{key}'", f"{make} (Settings → Properties), or: throughline check --fix"
            )
        if not answer.json().get("hasUniqueValue"):
            return Check(name, False, f"'{key}' is not unique", f"{make}; uniqueness cannot be added later")
        return Check(name, True, f"'{key}' is there and unique")


_GROUPS = {
    "contacts": "contactinformation",
    "companies": "companyinformation",
    "deals": "dealinformation",
    "tickets": "ticketinformation",
    "products": "productinformation",
    "line_items": "lineiteminformation",
}


def _account(answer: Answer) -> str:
    told = answer.json()
    return f"portal {told.get('portalId')}, {told.get('companyCurrency')}, {told.get('timeZone')}, CRM API v3"


def _field_info(told: Mapping[str, Any], required: frozenset[str]) -> FieldInfo:
    shown = [option["value"] for option in told.get("options", []) if not option.get("hidden")]
    return FieldInfo(
        name=told["name"],
        type="reference" if told.get("externalOptions") else _TYPES.get(told["type"], "string"),
        label=told.get("label", ""),
        required=told["name"] in required,
        read_only=bool((told.get("modificationMetadata") or {}).get("readOnlyValue") or told.get("calculated")),
        unique=bool(told.get("hasUniqueValue")),
        max_length=65_536 if told["type"] == "string" else None,
        values=tuple(shown),
    )
