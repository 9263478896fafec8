"""Whose object is it? One that carries our key is the work of a write whose answer we never got; one that another record
holds is nobody else's, whatever a vendor answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from journey import bindings, echo
from journey.classifying import News
from journey.context import Context
from journey.sending import Sent
from journey.shard import Shard
from journey.syncs import Stream
from kernel.errors import Park
from kernel.ids import object_id
from kernel.ledger.states import OPEN
from kernel.records import WriteOutcome
from kernel.store import bulk
from kernel.store.tables import binding, delivery


@dataclass(frozen=True, slots=True)
class Recognised:
    """An object met for the first time that a write of ours made: its binding, and what that write sent."""

    news: News
    binding: Any
    sent: echo.Fields

    def row(self) -> dict[str, Any]:
        """The binding's change."""
        vendor_id, found = self.news.record.id, self.news.object_id
        return {"vendor_id": vendor_id, "object_id": found, "id": self.binding.id, "was_object_id": None}


def recognise(ctx: Context, conn: Connection, stream: Stream, news: Sequence[News]) -> list[Recognised]:
    """Of objects that no binding holds, those that carry the key of a binding still without one (its own id)."""
    spec, mapping = (
        ctx.declared(stream.connection, stream.resource).write,
        ctx.mapping(stream.connection, stream.resource),
    )
    if spec is None:
        return []
    keyed: dict[str, News] = {}
    for item in news:
        key = None if item.record.deleted else mapping.written(item.record.raw, spec.ext_field)
        if isinstance(key, str) and key:
            keyed.setdefault(key.lower(), item)
    rows = [
        row
        for row in bulk.select_in(conn, binding, "id", keyed, bindings.COLUMNS, "AND t.object_id IS NULL")
        if (row.connection, row.resource) == (stream.connection, stream.resource)
    ]
    sent = _sent(ctx, conn, [row.id for row in rows])
    return [Recognised(keyed[row.id], row, sent.get(row.id, {})) for row in rows]


def _sent(ctx: Context, conn: Connection, binding_ids: Sequence[str]) -> dict[str, echo.Fields]:
    """By binding: what the write that was never answered would have left there."""
    states = ",".join(f"'{state}'" for state in OPEN)
    columns = ["id", "binding_id", "body"]
    found: dict[str, echo.Fields] = {}
    for row in bulk.select_in(conn, delivery, "binding_id", binding_ids, columns, f"AND t.state IN ({states})"):
        body = ctx.store.open(delivery, row.id, row.body)
        origins = body.get("of", {})
        found[row.binding_id] = {
            name: {"sent": value, "of": origins.get(name, "")} for name, value in body["fields"].items()
        }
    return found


def without_taken(shard: Shard, sent: Sequence[Sent]) -> list[Sent]:
    """Answers that name an object which another record holds here become letters: that one record alone needs a person."""
    named: dict[str, list[Sent]] = {}
    for each in sent:
        vendor_id = each.outcome.vendor_id
        if each.error is None and vendor_id is not None and vendor_id != each.claimed.vendor_id:
            named.setdefault(object_id(shard.connection, shard.resource, vendor_id), []).append(each)
    if not named:
        return list(sent)
    with shard.ctx.store.read() as conn:
        rows = bulk.select_in(conn, binding, "object_id", named, ["id", "object_id"])
    holders = {row.object_id: row.id for row in rows}
    taken = {
        each.claimed.id
        for key, group in named.items()
        for each in group
        if each.claimed.binding_id != holders.get(key, group[0].claimed.binding_id)
    }
    return [Sent(each.claimed, _refused(each.outcome)) if each.claimed.id in taken else each for each in sent]


def _refused(outcome: WriteOutcome) -> WriteOutcome:
    error = Park("the target answered with an object that belongs to another record here", cause="object_taken")
    return WriteOutcome(error=error, status=outcome.status, request_id=outcome.request_id)
