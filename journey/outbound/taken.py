"""An object that another record holds is nobody else's, whatever a vendor answers."""

from __future__ import annotations

from collections.abc import Sequence

from journey.outbound.sending import Sent
from journey.outbound.shard import Shard
from kernel.errors import Park
from kernel.ids import object_id
from kernel.records import WriteOutcome
from kernel.store import bulk
from kernel.store.tables import binding


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
