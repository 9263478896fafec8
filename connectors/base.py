"""What a connector declares and does. One module (or package) per system under `connectors/`, found by scanning.

A connector is class attributes and a few verbs; everything that repeats (HTTP, retries, limits, verdicts, paging) is in
`connectors.http`. It never sees a golden record, a table or Prefect: it turns vendor answers into the shapes of
`kernel.records` and vendor errors into the fates of `kernel.errors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, ClassVar
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.batches import refusing
from connectors.budget import Limit as Limit
from connectors.http import Http
from connectors.proofs import Keyring
from connectors.signatures import Opened, admit
from connectors.webhook import revealed
from kernel.errors import BadSetting, Stop
from kernel.records import (
    Action,
    Check,
    Cursor,
    Delivered,
    FieldInfo,
    JobStep,
    Page,
    SourceRecord,
    WebhookRequest,
    WriteItem,
    WriteOutcome,
)


class WriteClass(StrEnum):
    """How a write stays single when its answer is lost."""

    UPSERT = "A"  # by our key: resend
    IDEMPOTENCY_KEY = "B"  # resend with the same key and body, inside the window
    CONFLICT = "C"  # a second create answers 409 with the existing id
    SEARCH_FIRST = "D"  # nothing helps: look for our key after the settle time
    APPEND_ONLY = "E"  # at least once, said so

    @property
    def asks(self) -> bool:
        """What became of a lost answer is settled by asking; class B does so where its keys prove nothing (any more)."""
        return self in (WriteClass.IDEMPOTENCY_KEY, WriteClass.CONFLICT, WriteClass.SEARCH_FIRST)


class Deletes(StrEnum):
    """How a stream learns that an object is gone."""

    NONE = "none"  # it does not
    IN_STREAM = "in_stream"  # the incremental read carries tombstones
    SWEEP = "sweep"  # only a complete read shows what is missing; `fetch` by id has the last word


@dataclass(frozen=True, slots=True)
class Bulk:
    """The vendor's own road for large volumes: a job that is begun, waited for, and gone on with by its id."""

    threshold: int  # records from which it is taken; below, asking and waiting for a job costs more than it saves
    batch_size: int  # records that travel together


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """How a resource is written. Durations are the vendor's, with the source named in the connector's docstring."""

    write_class: WriteClass
    ext_field: str  # the vendor field that holds our ext_key; unique there for class A
    batch_size: int = 1
    actions: frozenset[Action] = frozenset({Action.UPSERT})
    references: Mapping[str, str] = field(default_factory=dict)  # reference name -> resource it may point to
    read_only: frozenset[str] = frozenset()  # never sent; refused at activation
    settle: timedelta = timedelta(seconds=60)  # last possible send -> a miss in `find` proves "not applied"
    key_window: timedelta | None = None  # class B: how long the vendor remembers a key, less a margin
    max_processing: timedelta = timedelta(seconds=60)  # a request sent this long ago can no longer land
    whole: bool = False  # a write tells the whole record, not only what differs
    bulk: Bulk | None = None  # class A: how many first writes go together; `batch_size` of it is a job's
    schedule: tuple[
        timedelta, ...
    ] = ()  # the waits between attempts, where the protocol names them; none: the engine's


@dataclass(frozen=True, slots=True)
class Resource:
    """One vendor-side type and what this connector can do with it."""

    name: str
    id: str = "id"  # dotted path of the vendor id
    updated_at: str | None = None  # dotted path of the version's time; orders versions
    readable: bool = True
    incremental: bool = True  # `read` honours a cursor; otherwise every read is complete
    safety_lag: timedelta = timedelta(0)  # the vendor's index trails its truth: the cursor never passes start - lag
    lookback: timedelta = timedelta(0)  # re-read this much before the cursor each time
    deletes: Deletes = Deletes.NONE
    volatile: tuple[str, ...] = ()  # dotted paths that change without the content changing: left out of the hash
    write: WriteSpec | None = None
    backfill: bool = False  # `read(…, window=)` can be bounded in time
    bulk: Bulk | None = None  # how complete reads and backfills of large streams come
    page: int = 100  # records that one request of a read brings, as a rule: for forecasts


def named(**resources: Resource) -> dict[str, Resource]:
    """Resources under their names, which need not be written twice: `named(users=Resource("", …))`."""
    return {name: replace(one, name=name) for name, one in resources.items()}


_Bytes = Annotated[int, Field(ge=1024, le=5 * 1024 * 1024)]
_Calls = Annotated[int, Field(ge=1)]
_Rate = Annotated[int, Field(ge=1, le=10_000)]


class ConnectorSettings(BaseModel):
    """Base of every connector's settings: unknown names are refused, values never shown in an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    webhook_bytes: _Bytes = 1024 * 1024  # of an inbound webhook; a larger one is refused; at most 5 MiB
    limits: Mapping[str, _Calls] = {}  # by name: what the account really has, where that is not what is documented
    day_zone: str = ""  # whose midnight fills its daily limit again, where the vendor counts by the account's own day
    webhook_rate: _Rate = 100  # inbound webhooks a second from one address, and ten times that at once

    @field_validator("day_zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone and zone not in available_timezones():
            raise ValueError("a time zone such as Europe/Berlin")
        return zone


class Connector(ABC):
    """One connection to one account of one system.

    Verbs raise `kernel.errors` only. `read` may be stopped and started again at any page's cursor. `write` returns one
    outcome per item, in order; it raises only when the whole batch failed before or while being sent (Retry: provably
    nothing was applied; Unknown: it may have been; Park: the whole batch was refused, the caller bisects it).
    """

    system: ClassVar[str]
    Settings: ClassVar[type[ConnectorSettings]]
    resources: ClassVar[Mapping[str, Resource]]
    limits: ClassVar[Sequence[Limit]] = ()
    setup: ClassVar[Sequence[str]] = ()
    """What a person does at the vendor before the first `check`, step by step; for the reference page."""
    permissions: ClassVar[Sequence[str]] = ()
    """The vendor's names of the permissions to grant."""
    rotates: ClassVar[bool] = False
    """Its credential changes with use: `build_http` is given `tokens`, where it outlives the process."""

    def __init__(self, settings: Any, http: Http) -> None:
        """`http` carries the connection's name, limits, clock and verdicts; see `connectors.open_connector`."""
        self.settings = settings
        self.http = http

    @classmethod
    def limits_with(cls, settings: ConnectorSettings, connection: str) -> list[Limit]:
        """The limits of an account: as documented, but where its settings say otherwise."""
        own, zone = settings.limits, settings.day_zone
        known = [limit.called for limit in cls.limits]
        if wrong := sorted(set(own) - set(known)):
            told = f"{connection}: limits: {cls.system} has no limit {', '.join(wrong)}; there are: "
            raise BadSetting(told + (", ".join(known) or "none"), field="limits")
        return [replace(each, calls=own.get(each.called, each.calls), zone=each.zone or zone) for each in cls.limits]

    @classmethod
    @abstractmethod
    def build_http(cls, settings: Any, **options: Any) -> Http:
        """The connection's Http: base URL, auth, verdicts. `options` (connection, clock, budget, transport) pass."""

    @classmethod
    def promised(cls, written: Mapping[str, Any]) -> Mapping[str, Resource]:
        """What a connection will declare, from its settings as written, their secrets not read.

        The class's own resources, unless they are named by each connection (files, tables). Raises ValueError for settings
        that are wrong.
        """
        return cls.resources

    def declared(self, resource: str) -> Resource:
        """What is declared of a resource. Raises Stop, naming the resources there are, for one that is not."""
        if resource not in self.resources:
            known = ", ".join(self.resources)
            raise Stop(f"{self.system} has no resource {resource}; it has: {known}", cause="unknown_resource")
        return self.resources[resource]

    def key_path(self, resource: str) -> tuple[str, ...]:
        """Where an object that was read carries our key; () where it carries none. Asked within a transaction: no HTTP.

        Where the account names the field as it likes, `read`, `fetch` and `find` put our key at a place of its own.
        """
        spec = self.declared(resource).write
        return tuple(spec.ext_field.split(".")) if spec is not None else ()

    @abstractmethod
    def check(self) -> list[Check]:
        """Reach the account: credentials, permissions per resource, clock, version. Never raises for a bad answer."""

    def discover(self, resource: str) -> list[FieldInfo]:
        """The live fields of a resource."""
        raise Stop(f"{self.system} cannot list the fields of {resource}")

    def read(self, resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        """Pages from `since` (None: from the beginning) or of a window of instants [from, to)."""
        raise Stop(f"{self.system} cannot read {resource}")

    def holds_back(self, resource: str) -> str:
        """Why a complete read may not show objects that are there (a scope that was not granted); '' where it shows all.

        Asked where a read misses objects that only a sweep tells to be gone: with a reason, none of them is deleted.
        """
        return ""

    def fetch(self, resource: str, ids: Sequence[str]) -> list[SourceRecord]:
        """The named objects as they are now; a missing one comes back as a tombstone."""
        raise Stop(f"{self.system} cannot fetch {resource} by id")

    def write(self, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Write a batch of one action kind; at most `batch_size` items, no ext_key twice. Read-only fields are refused."""
        spec = self.declared(resource).write
        if spec is None:
            raise Stop(f"{self.system} cannot write {resource}", cause="not_writable")
        return refusing(spec.read_only, batch, partial(self.send, resource))

    def send(self, resource: str, items: Sequence[WriteItem]) -> list[WriteOutcome]:
        """What `write` does once it is known that the resource is written, and no item names a read-only field."""
        raise Stop(f"{self.system} cannot write {resource}", cause="not_writable")

    def write_job(self, resource: str, batch: Sequence[WriteItem], job: str = "") -> Iterator[JobStep]:
        """Upserts, all by our key or all by the vendor's id, by the bulk road that `WriteSpec.bulk` declares.

        The first step tells the id of the vendor's job before any item leaves; later ones say that we live, and what became
        of items, each item once. `job`: the id that an earlier call told before it died: nothing is sent, and what became of
        the same batch is told; where it was not sent by then, it never will be. An error before the first step: nothing was
        sent (Park: not by this road). After it, Unknown: the job can tell no more; any other: it may be asked again later.
        """
        raise Stop(f"{self.system} has no bulk road to write {resource}")

    def find(self, resource: str, ext_keys: Sequence[str]) -> dict[str, list[SourceRecord]]:
        """By our key, from the most consistent read the vendor has: what is there, for reconcile."""
        raise Stop(f"{self.system} cannot find {resource} by our key")

    def ensure_key(self, resource: str) -> bool:
        """Make the vendor field that holds our key where that is missing and can be made by API; whether it was made."""
        return False

    def webhook(self, request: WebhookRequest) -> Delivered:
        """Verify and open one webhook. Raises Park(cause='bad_signature') only for a proven bad signature."""
        raise Stop(f"{self.system} receives no webhooks")

    def opened(self, request: WebhookRequest, setting: str = "webhook_secret") -> Opened:
        """A webhook proven by the system's row of `connectors.signatures`; `setting` holds the secrets."""
        keys = Keyring(revealed(getattr(self.settings, setting), self.http.connection, setting))
        return admit(self.system, request, keys, request.received_at or self.http.clock.now())

    def close(self) -> None:
        """Release sockets."""
        self.http.close()
