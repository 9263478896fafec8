"""Both sides of a target counted and compared: the bindings we believe in, and what the target holds under our keys.

Reading only; the lost answers that are due are settled first. A human edit that no stream has read yet counts as differing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from journey.context import Context
from journey.outbound import delivering
from journey.syncs import Stream
from kernel.errors import Stop, ThroughlineError
from kernel.leases import Held
from kernel.ledger.states import PENDING, State
from kernel.records import SourceRecord
from kernel.store.tables import binding, delivery, target_state
from mappings import TargetPart

_BATCH = 100


@dataclass(slots=True)
class Drift:
    """One target resource, both sides."""

    target: str
    bound: int = 0  # objects that we believe to be there
    held: int = 0  # … that are, one each, under our key
    unmarked: int = 0  # … that are there without our key (adopted, not written yet)
    missing: int = 0  # … that are not
    doubled: int = 0  # keys that more than one object carries
    elsewhere: int = 0  # keys that another object than the bound one carries
    differing: int = 0  # of those held: some field differs from what we last saw
    settled: int = 0  # lost answers that were due and looked at now
    unknown: int = 0  # lost answers still open
    pending: int = 0  # deliveries not ended, those included
    note: str = ""  # why it could not be compared

    @property
    def drifted(self) -> int:
        """How many records a person should know of."""
        return self.missing + self.doubled + self.elsewhere + self.differing


def compare(ctx: Context, target: Stream, most: int | None = None) -> Drift:
    """Settle what is due for a target, then look its bindings up there, at most `most` of them."""
    found = Drift(str(target))
    try:
        found.settled = delivering.settle_unknown(ctx, target.connection, target.resource)
    except Held:
        found.note = "being written by another worker; "
    try:
        for rows in _bound(ctx, target, most):
            _look_up(ctx, target, rows, found)
    except ThroughlineError as error:
        found.note += error.message
    found.unknown, found.pending = _open(ctx, target)
    return found


def _bound(ctx: Context, target: Stream, most: int | None) -> Iterator[list[Any]]:
    after, left = "", most
    query = (
        select(binding.c.id, binding.c.ext_key, binding.c.vendor_id, target_state.c.fields)
        .join(target_state, target_state.c.binding_id == binding.c.id)
        .where(binding.c.connection == target.connection, binding.c.resource == target.resource)
        .where(binding.c.vendor_id.is_not(None), binding.c.slot != "detached", target_state.c.present == 1)
        .order_by(binding.c.id)
    )
    while left is None or left > 0:
        size = _BATCH if left is None else min(_BATCH, left)
        with ctx.store.read() as conn:
            rows = list(conn.execute(query.where(binding.c.id > after).limit(size)).all())
        if not rows:
            return
        after, left = rows[-1].id, None if left is None else left - len(rows)
        yield rows


def _look_up(ctx: Context, target: Stream, rows: Sequence[Any], found: Drift) -> None:
    connector = ctx.connections.open(target.connection)
    part = ctx.mapping(target.connection, target.resource).target_part(
        ctx.pins.written_entity(target.connection, target.resource)
    )
    hits = connector.find(target.resource, [row.ext_key for row in rows])
    keyless = [row for row in rows if not hits.get(row.ext_key)]
    alive = _alive(ctx, target, [row.vendor_id for row in keyless])
    found.bound += len(rows)
    for row in rows:
        there = hits.get(row.ext_key, [])
        if not there:
            found.unmarked += row.vendor_id in alive
            found.missing += row.vendor_id not in alive
        elif len(there) > 1:
            found.doubled += 1
        elif there[0].id != row.vendor_id:
            found.elsewhere += 1
        else:
            found.held += 1
            found.differing += part is not None and _differs(ctx, part, row, there[0])


def _alive(ctx: Context, target: Stream, vendor_ids: Sequence[str]) -> set[str]:
    """Those that are there by the vendor's own id; none where the connector cannot ask."""
    if not vendor_ids:
        return set()
    try:
        records = ctx.connections.open(target.connection).fetch(target.resource, vendor_ids)
    except Stop:
        return set()
    return {record.id for record in records if not record.deleted}


def _differs(ctx: Context, part: TargetPart, row: Any, record: SourceRecord) -> bool:
    state = ctx.store.open(target_state, row.id, row.fields)
    observed = part.observe(record.raw)
    last = {**state.get("sent", {}), **state.get("seen", {})}
    return any(
        name in last and not (value == last[name] or part.same(name, value, last[name]))
        for name, value in observed.items()
    )


def _open(ctx: Context, target: Stream) -> tuple[int, int]:
    query = (
        select(delivery.c.state, func.count())
        .where(delivery.c.connection == target.connection, delivery.c.resource == target.resource)
        .where(delivery.c.state.in_(PENDING))
        .group_by(delivery.c.state)
    )
    with ctx.store.read() as conn:
        by_state: dict[str, int] = {row[0]: row[1] for row in conn.execute(query).all()}
    return by_state.get(State.UNKNOWN, 0), sum(by_state.values())
