"""After a storm: what the source, a target and the ledger hold, as `verdict` wants it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import func, select

from kernel.ledger.states import PENDING
from kernel.store import Store
from kernel.store.tables import binding, dead_letter, delivery, dirty, receipt, run, version
from sandbox.practice import at
from tests.chaos.people import People
from tests.chaos.vendors import Target, Vendors, gone, last_name, value
from tests.chaos.verdict import Held, Observed, Wanted, Written


def observed(vendors: Vendors, people: People, store: Store, target: Target) -> Observed:
    """One target."""
    sim: Any = vendors.box[target.system]
    there = [one for one in people.everybody if one.there]
    held = [
        Held(
            id,
            vendors.key(target, obj),
            str(at(obj, target.email)),
            last_name(target, obj),
            value(obj, target.phone),
        )
        for id, obj in vendors.objects(target)
    ]
    return Observed(
        target.system,
        {one.email: Wanted(one.email, one.last, one.phone) for one in there},
        frozenset(one.email for one in people.everybody if not one.there),
        held,
        list(_log(vendors, target)),
        _bound(store, target),
        sim.effects() if target.write_class == "E" else (),
        getattr(sim, "conflicts", 0),
        pending(store),
    )


def _log(vendors: Vendors, target: Target) -> Iterator[Written]:
    """The vendor's journal of the resource."""
    known: set[str] = set()
    for change in vendors.box[target.system].state.changes:
        if change.resource != target.resource:
            continue
        obj = change.object
        if obj is None or gone(obj):
            known.discard(change.id)
            yield Written(change.id, "", "")
            continue
        yield Written(change.id, vendors.key(target, obj), last_name(target, obj), change.id not in known)
        known.add(change.id)


def _bound(store: Store, target: Target) -> dict[str, str]:
    place = (binding.c.connection == f"{target.system}_main", binding.c.resource == target.resource)
    query = select(binding.c.ext_key, binding.c.vendor_id).where(*place, binding.c.vendor_id.is_not(None))
    with store.read() as conn:
        return {row.ext_key: row.vendor_id for row in conn.execute(query)}


_ENDS = ("landed", "filtered", "parked", "superseded", "discarded")


def pending(store: Store) -> Mapping[str, int]:
    """What has not ended, by what it is."""
    asked = {
        "deliveries pending": select(func.count()).where(delivery.c.state.in_(PENDING)),
        "letters open": select(func.count()).where(dead_letter.c.state.in_(("open", "replaying"))),
        "marks to plan": select(func.count()).select_from(dirty),
        "receipts": select(func.count()).where(receipt.c.state == "received"),
        "runs running": select(func.count()).where(run.c.state == "running"),
        "versions in no state": select(func.count()).where(version.c.state.not_in(_ENDS)),
    }
    with store.read() as conn:
        return {what: conn.execute(query).scalar_one() for what, query in asked.items()}


def states(store: Store) -> set[str]:
    """The states that deliveries are in now."""
    with store.read() as conn:
        return {row[0] for row in conn.execute(select(delivery.c.state).distinct())}


def attempts(store: Store) -> tuple[int, int]:
    """(sends, deliveries that were sent)."""
    with store.read() as conn:
        query = select(func.coalesce(func.sum(delivery.c.attempts), 0), func.count()).where(delivery.c.attempts > 0)
        sends, sent = conn.execute(query).one()
    return int(sends), int(sent)
