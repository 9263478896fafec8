"""The Zendesk connector: what it declares, and its verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import SecretStr, model_validator

from connectors.auth import Auth, BasicAuth, BearerAuth
from connectors.base import Connector, ConnectorSettings, Deletes, Resource, WriteClass, WriteSpec
from connectors.budget import Limit
from connectors.http import Http
from connectors.shapes import as_asked
from connectors.zendesk import hooks
from connectors.zendesk.api import VERDICTS
from connectors.zendesk.checking import check, fields_of
from connectors.zendesk.kinds import KINDS, Kind
from connectors.zendesk.reading import Reader
from connectors.zendesk.writing import Writer
from kernel.errors import Stop
from kernel.records import (
    Action,
    Check,
    Cursor,
    Delivered,
    FieldInfo,
    Page,
    SourceRecord,
    WebhookRequest,
    WriteItem,
    WriteOutcome,
)


class ZendeskSettings(ConnectorSettings):
    """An OAuth token, or an API token with its owner's e-mail; exports need an admin's."""

    subdomain: str = ""
    email: str = ""
    api_token: SecretStr | None = None
    oauth_token: SecretStr | None = None
    webhook_secrets: tuple[SecretStr, ...] = ()
    base_url: str = ""  # instead of the account's own address (a sandbox)
    adopt_by_email: bool = False  # a user without our key but with the address is taken for ours

    @model_validator(mode="after")
    def _reachable(self) -> ZendeskSettings:
        if not (self.subdomain or self.base_url):
            raise ValueError("either subdomain or base_url is needed")
        if self.oauth_token is None and not (self.email and self.api_token):
            raise ValueError("oauth_token, or email and api_token, are needed")
        return self

    @property
    def auth(self) -> Auth:
        """Bearer where there is an OAuth token, else the API token's Basic form."""
        if self.oauth_token is not None:
            return BearerAuth(self.oauth_token)
        return BasicAuth(f"{self.email}/token", self.api_token or SecretStr(""))


_BOTH = frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE})


def _resource(name: str, volatile: Sequence[str], write: WriteSpec) -> Resource:
    return Resource(
        name=name,
        updated_at="updated_at",
        safety_lag=timedelta(seconds=60),  # Zendesk leaves the last minute out by itself
        deletes=Deletes.IN_STREAM,
        volatile=("updated_at", *volatile),
        write=write,
        backfill=True,
        page=1000,
    )


def _by_external_id(name: str, *actions: Action) -> WriteSpec:
    return WriteSpec(
        write_class=WriteClass.UPSERT,
        ext_field="external_id",
        batch_size=100,
        actions=_BOTH | set(actions),
        references=KINDS[name].targets,
        read_only=KINDS[name].read_only,
        settle=timedelta(minutes=5),  # an accepted job may wait behind others
        max_processing=timedelta(minutes=5),
    )


class Zendesk(Connector):
    """Users, organizations and tickets, both ways."""

    system = "zendesk"
    Settings = ZendeskSettings
    # Growth and Professional; Team 200, Enterprise 700, High Volume 2,500. The others hold for every plan
    # (developer.zendesk.com, rate limits; the exports' own headers).
    limits: ClassVar = (
        Limit(400, 60.0),
        Limit(10, 60.0, name="exports", only=r"/incremental/(?!.*cursor)"),
        Limit(20, 60.0, name="cursor_exports", only=r"/incremental/.*cursor"),
        Limit(100, 60.0, name="ticket_updates", only=r"^PUT .*/tickets"),
    )
    setup = (
        "Admin Center → Apps and integrations → APIs: an API token of an admin, or an OAuth client's token.",
        "For webhooks, Admin Center → Webhooks: subscribe to the events, and take the signing secret.",
    )
    permissions = ("role admin (incremental exports)", "read", "write")
    resources: ClassVar = {
        "users": _resource(
            "users", ("last_login_at", "last_active", "permanently_deleted"), _by_external_id("users", Action.ARCHIVE)
        ),
        "organizations": _resource("organizations", ("deleted_at",), _by_external_id("organizations")),
        "tickets": _resource(
            "tickets",
            ("generated_timestamp",),
            WriteSpec(
                write_class=WriteClass.IDEMPOTENCY_KEY,
                ext_field="external_id",  # not unique on tickets
                batch_size=20,
                actions=_BOTH | {Action.ARCHIVE},
                references=KINDS["tickets"].targets,
                read_only=KINDS["tickets"].read_only,
                key_window=timedelta(minutes=105),  # two hours, less a margin
            ),
        ),
    }

    def __init__(self, settings: ZendeskSettings, http: Http) -> None:
        super().__init__(settings, http)
        self._reader = Reader(http)
        self._writer = Writer(http, adopt_by_email=settings.adopt_by_email)

    @classmethod
    def build_http(cls, settings: ZendeskSettings, **options: Any) -> Http:
        """The account's address."""
        return Http(
            base_url=settings.base_url or f"https://{settings.subdomain}.zendesk.com",
            auth=settings.auth,
            verdicts=VERDICTS,
            **options,
        )

    def check(self) -> list[Check]:
        """Credential, role, clock, and each resource."""
        return check(self.http)

    def discover(self, resource: str) -> list[FieldInfo]:
        """Standard fields and the account's own."""
        return fields_of(self.http, self._kind(resource))

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """The incremental export; deleted objects come as tombstones."""
        self._kind(resource)
        return self._reader.read(resource, since, window)

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """By id, 100 at a time."""
        return as_asked(self.declared(resource), ids, self._writer.fetch(self._kind(resource), ids))

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Create or update by external_id or id; tickets under an idempotency key."""
        return self._writer.write(self._kind(resource), items)

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By external_id, not through the search index."""
        return self._writer.find(self._kind(resource), ext_keys)

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Hints and tombstones."""
        return hooks.delivered(self.opened(request, "webhook_secrets"))

    def _kind(self, resource: str) -> Kind:
        if resource not in KINDS:
            raise Stop(f"zendesk has no resource {resource}; there are: {', '.join(KINDS)}")
        return KINDS[resource]
