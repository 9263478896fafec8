"""Which of the records read are news: one bulk look-up tells unchanged, stale and still parked from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def classify(
    store: Store,
    stream: Stream,
    declared: Resource,
    records: Sequence[SourceRecord],
    counts: Inbound,
    again: bool = False,
) -> tuple[list[News], list[dict[str, Any]]]:
    """Count the records that are no news, return the others. Of several versions in one batch the newest counts as news.

    `again`: content seen before is news too (a remap, a replay); only older versions stay stale. Second come object rows
    whose content was confirmed by a newer version: an older one that arrives after it must not pass for news.
    """
    counts.read += len(records)
    hasher = Hasher(declared.volatile)
    keyed = _newest(stream, records, hasher, counts)
    with store.read() as conn:
        columns = ["id", "source_at", "landed_hash", "parked_hash", "version", "deleted"]
        found = {
            row[0]: Known(row[1], row[2], row[3], row[4], bool(row[5]))
            for row in bulk.select_in(conn, object_, "id", keyed, columns)
        }
    news, confirmed = [], []
    for key, (record, digest) in keyed.items():
        known = found.get(key)
        if _is_news(record, digest, known, counts, again):
            news.append(News(record, key, digest, new_id(), known))
        elif known is not None and digest == known.landed_hash and (record.updated_at or 0) > (known.source_at or 0):
            confirmed.append({"source_at": record.updated_at, "id": key, "was_source_at": known.source_at})
    return news, confirmed


def _newest(
    stream: Stream, records: Sequence[SourceRecord], hasher: Hasher, counts: Inbound
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
            if (earlier[0].updated_at or 0) > (record.updated_at or 0):
                continue
        keyed[key] = (record, digest)
    return keyed


def _is_news(record: SourceRecord, digest: str, known: Known | None, counts: Inbound, again: bool) -> bool:
    if known is None:
        return True
    if digest == known.landed_hash and not known.parked_hash and not again:
        counts.unchanged += 1
    elif record.updated_at is not None and known.source_at is not None and record.updated_at < known.source_at:
        counts.stale += 1
    elif digest == known.parked_hash and not again:
        counts.still_parked += 1
    else:
        return True
    return False


class Hasher:
    """The content hash of a record, less the fields its resource declares volatile. A tombstone has a hash of its own."""

    def __init__(self, volatile: Sequence[str]) -> None:
        """`volatile`: dotted paths."""
        self._paths = [path.split(".") for path in volatile]

    def __call__(self, record: SourceRecord) -> str:
        """32 hex digits."""
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
