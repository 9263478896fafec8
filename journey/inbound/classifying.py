"""Which of the records read are news: one bulk look-up tells unchanged, stale and still parked from the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from connectors.base import Resource
from journey.counts import Inbound
from journey.syncs import Stream
from kernel.ids import content_hash, new_id, object_id
from kernel.records import Json, SourceRecord
from kernel.store import Store, bulk
from kernel.store.tables import object_


@dataclass(slots=True)
class Known:
    """An object as last seen."""

    source_at: int | None
    landed_hash: str | None
    parked_hash: str | None
    version: str | None
    deleted: bool


@dataclass(slots=True)
class News:
    """A record that is a new version of its object."""

    record: SourceRecord
    object_id: str
    hash: str
    trace_id: str
    known: Known | None
    rule: str | None = None  # how it is known, where no record told it


@dataclass(slots=True)
class Touch:
    """An object whose newest content was read again with a newer time."""

    object_id: str
    source_at: int
    known: Known


@dataclass(slots=True)
class Classified:
    """What a batch of records is."""

    news: list[News] = field(default_factory=list)
    touched: list[Touch] = field(default_factory=list)  # a version from before that time is stale from now on
    seen: Collection[str] = ()  # the ids of all objects the batch showed
    ties: list[str] = field(default_factory=list)  # vendor ids: only the vendor knows which of two versions is newer


class Arrival(Enum):
    """How records came, which says what two versions with one time mean."""

    READ = "read"  # the later read is the newer
    PUSHED = "pushed"  # nobody knows: senders do not keep the order
    AGAIN = "again"  # from our own store: content seen before is news too; what landed meanwhile is the newer


def classify(
    store: Store, stream: Stream, declared: Resource, records: Sequence[SourceRecord], counts: Inbound, arrival: Arrival
) -> Classified:
    """Count the records that are no news, return the others. Of several versions in one batch the newest counts as news."""
    counts.read += len(records)
    hasher = Hasher(declared.volatile)
    found = Classified()
    keyed = _newest(stream, records, hasher, counts, found if arrival is Arrival.PUSHED else None)
    found.seen = keyed.keys()
    with store.read() as conn:
        columns = ["id", "source_at", "landed_hash", "parked_hash", "version", "deleted"]
        seen = {
            row[0]: Known(row[1], row[2], row[3], row[4], bool(row[5]))
            for row in bulk.select_in(conn, object_, "id", keyed, columns)
        }
    for key, (record, digest) in keyed.items():
        known = seen.get(key)
        if _is_news(record, digest, known, counts, arrival):
            found.news.append(News(record, key, digest, new_id(), known))
        elif known is not None and (record.updated_at or 0) > (known.source_at or 0):
            found.touched.append(Touch(key, record.updated_at or 0, known))
        elif arrival is Arrival.PUSHED and known is not None and _ties(record, digest, known):
            found.ties.append(record.id)
    return found


def _newest(
    stream: Stream, records: Sequence[SourceRecord], hasher: Hasher, counts: Inbound, ties: Classified | None
) -> dict[str, tuple[SourceRecord, str]]:
    keyed: dict[str, tuple[SourceRecord, str]] = {}
    for record in records:
        key = object_id(stream.connection, stream.resource, record.id)
        digest = hasher(record)
        earlier = keyed.get(key)
        if earlier is not None:
            if earlier[1] == digest:
                counts.unchanged += 1
            else:
                counts.stale += 1
                if ties is not None and earlier[0].updated_at == record.updated_at:
                    ties.ties.append(record.id)
            if (earlier[0].updated_at or 0) > (record.updated_at or 0):
                continue
        keyed[key] = (record, digest)
    return keyed


def _is_news(record: SourceRecord, digest: str, known: Known | None, counts: Inbound, arrival: Arrival) -> bool:
    if known is None:
        return True
    again = arrival is Arrival.AGAIN
    if digest == known.landed_hash and not known.parked_hash and not again:
        counts.unchanged += 1
    elif record.updated_at is not None and known.source_at is not None and record.updated_at < known.source_at:
        counts.stale += 1
    elif digest == known.parked_hash and not again:
        counts.still_parked += 1
    elif (arrival is Arrival.PUSHED or (again and not known.parked_hash)) and _ties(record, digest, known):
        counts.stale += 1
    else:
        return True
    return False


def _ties(record: SourceRecord, digest: str, known: Known) -> bool:
    """Another version with the same time: vendors stamp seconds, and people are faster."""
    same = record.updated_at is not None and record.updated_at == known.source_at
    return same and digest not in (known.landed_hash, known.parked_hash)


class Hasher:
    """The content hash of a record, less the fields its resource declares volatile. A tombstone has a hash of its own."""

    def __init__(self, volatile: Sequence[str]) -> None:
        """`volatile`: dotted paths."""
        self._paths = [path.split(".") for path in volatile]

    def __call__(self, record: SourceRecord) -> str:
        """32 hex digits."""
        if record.hash:
            return record.hash
        raw = record.raw
        for path in self._paths:
            raw = _without(raw, path)
        return content_hash({"deleted": raw} if record.deleted else raw)


def _without(raw: Json, path: Sequence[str]) -> Json:
    name, *rest = path
    if name not in raw:
        return raw
    copy: dict[str, Any] = dict(raw)
    inner = copy.pop(name)
    if rest and isinstance(inner, dict):
        copy[name] = _without(inner, rest)
    return copy
