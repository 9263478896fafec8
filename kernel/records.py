"""The few shapes that connectors and the journey exchange. Nothing here knows a vendor or a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kernel.errors import ThroughlineError

Json = dict[str, Any]
Cursor = Json
"""A stream's position as a small JSON object that only its connector understands."""


@dataclass(slots=True)
class SourceRecord:
    """One vendor object as read. `raw` is the vendor's own JSON object, unwrapped from any envelope."""

    id: str
    raw: Json
    updated_at: int | None = None  # instant; None where the vendor has none
    deleted: bool = False  # a tombstone: raw may then hold no more than the id
    hash: str = ""  # of the content the vendor holds, where `raw` is not that (a person corrected it)
    fault: str = ""  # why it cannot be read as a record at all (a row with too few cells): it is parked, never lost


@dataclass(slots=True)
class Page:
    """One page of a stream. `cursor` resumes *after* this page; it is stored with the page in one transaction."""

    records: list[SourceRecord]
    cursor: Cursor
    started_at: int = 0  # instant just before the request was sent: a later write of ours outranks what it shows
    last: bool = False  # the stream is read to its end as of its start


class Action(StrEnum):
    """What a delivery does at its target."""

    UPSERT = "upsert"
    DELETE = "delete"
    ARCHIVE = "archive"
    CLEAR = "clear"
    ASSOCIATE = "associate"
    DISSOCIATE = "dissociate"


@dataclass(slots=True)
class WriteItem:
    """One write, its body frozen. `fields` are vendor field names (dotted paths where the vendor nests).

    `refs` are vendor ids of already written parents: {reference name: (target resource, vendor id)}.
    A None in `fields` clears the field at the vendor; a field that is not there is left alone.
    """

    action: Action
    ext_key: str  # ours, written into the vendor's external-id field
    idempotency_key: str  # op_key and generation: never reused with another body
    fields: Json
    vendor_id: str | None = None
    refs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    trace_id: str = ""


@dataclass(slots=True)
class WriteOutcome:
    """What became of one WriteItem. Exactly one of `vendor_id` (applied) and `error` is set."""

    vendor_id: str | None = None
    record: SourceRecord | None = None  # the object as the vendor now holds it, when the answer (or a read-back) told
    created: bool | None = None
    error: ThroughlineError | None = None
    status: int | None = None
    request_id: str = ""


@dataclass(slots=True)
class JobStep:
    """A sign of life of a large write that the vendor works at by itself, and what became known of its items since the last."""

    job: str  # the vendor's id: whoever knows it can ask what became of the rest
    outcomes: list[tuple[int, WriteOutcome]] = field(default_factory=list)  # (place in the batch, …)


@dataclass(slots=True)
class WebhookRequest:
    """One inbound HTTP request, its body as the raw bytes that were signed."""

    method: str
    url: str  # as the sender addressed it, scheme and host restored
    headers: Mapping[str, str]  # lower-case names; what came twice stands there twice, a line each
    body: bytes
    received_at: int = 0


@dataclass(slots=True)
class Delivered:
    """What a verified webhook said: whole records, or hints (ids to re-read by API), with keys to de-duplicate it."""

    records: list[tuple[str, SourceRecord]] = field(default_factory=list)  # (resource, record)
    hints: list[tuple[str, str]] = field(default_factory=list)  # (resource, vendor id)
    dedupe_key: str = ""
    answer: tuple[int, Mapping[str, str], bytes] | None = None  # a handshake's own answer, nothing to process
    reply: tuple[int, Mapping[str, str], bytes] | None = None  # once it is stored: said instead of a bare 200


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A live field of a vendor resource, as `discover` found it."""

    name: str
    type: str  # string, number, boolean, date, datetime, picklist, reference, json
    label: str = ""
    required: bool = False
    read_only: bool = False
    unique: bool = False
    max_length: int | None = None
    values: Sequence[str] = ()  # a picklist's


@dataclass(frozen=True, slots=True)
class Check:
    """One thing `check()` looked at. A failed probe is data, not an exception."""

    name: str
    ok: bool
    detail: str = ""
    fix: str = ""
