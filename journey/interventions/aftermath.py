"""A replay carried out to its end: letters land, what follows is planned and delivered, and each letter's fate is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from journey import pausing, runs
from journey.context import Context
from journey.interventions.replay import replay_letters
from journey.outbound import planning
from journey.syncing import Watcher, deliver_rest
from kernel.errors import ThroughlineError
from kernel.ledger.states import PENDING, State
from kernel.store import Store, bulk
from kernel.store.tables import attempt, binding, dead_letter, delivery, dirty, object_, version


@dataclass(frozen=True, slots=True)
class Fate:
    """One letter's end. `outcome`: went_through, waiting, superseded, failed_again, not_replayed."""

    letter: str
    kind: str
    outcome: str
    told: str
    about: str = ""  # version (trace id) or delivery it led to
    vendor_id: str | None = None
    request_id: str | None = None
    letter_now: str | None = None  # the new letter, where it failed again


def carry_out(new_context: Callable[[], Context], watch: Watcher | None = None) -> list[ThroughlineError]:
    """Carry out the replays asked for, then plan and deliver every sync that has something to send; what stopped on the way.

    A sync that another worker runs just now carries them on itself.
    """
    ctx = new_context()
    with runs.recorded(ctx, "replay", None) as replaying:
        replay_letters(ctx, replaying.counts)
    troubles = list(replaying.stopped)
    for name in _with_work(ctx):
        try:
            with runs.recorded(new_context(), "sync", name) as run:
                planning.plan_sync(run.ctx, ctx.pins.syncs[name])
                deliver_rest(run, ctx.pins.syncs[name], watch or Watcher())
            troubles += run.stopped
        except ThroughlineError as error:
            troubles.append(error)
    return troubles


def _with_work(ctx: Context) -> list[str]:
    """The active syncs, less those that are paused, that have records to plan or deliveries to send."""
    with ctx.store.read() as conn:
        marked = set(conn.execute(select(dirty.c.sync).distinct()).scalars())
        marked |= set(conn.execute(select(delivery.c.sync).where(delivery.c.state.in_(PENDING)).distinct()).scalars())
    held = pausing.paused(ctx.store)
    return [name for name in ctx.pins.syncs if name in marked and not held.sync(name)]


def fates(store: Store, letter_ids: Sequence[str]) -> list[Fate]:
    """In the order of the letters."""
    with store.read() as conn:
        columns = ["id", "kind", "about", "object_id", "state", "reason", "mode", "cause", "message"]
        letters = {row.id: row for row in bulk.select_in(conn, dead_letter, "id", letter_ids, columns)}
        story = _Around(conn, list(letters.values()))
    return [story.fate(letters[letter_id]) for letter_id in letter_ids if letter_id in letters]


class _Around:
    """What is stored now around some letters."""

    def __init__(self, conn: Any, letters: Sequence[Any]) -> None:
        objects = [row.object_id for row in letters if row.object_id]
        self.objects = {
            row.id: row
            for row in bulk.select_in(conn, object_, "id", objects, ["id", "version", "parked_hash", "vendor_id"])
        }
        versions = [row.version for row in self.objects.values() if row.version]
        self.states = {
            row.trace_id: row
            for row in bulk.select_in(conn, version, "trace_id", versions, ["trace_id", "state", "rule"])
        }
        old = bulk.select_in(
            conn, delivery, "id", [r.about for r in letters if r.kind == "delivery"], ["id", "binding_id"]
        )
        self.seat_of = {row.id: row.binding_id for row in old}
        names = ["id", "binding_id", "state", "cause", "error"]
        self.newest: dict[str, Any] = {}
        for row in bulk.select_in(conn, delivery, "binding_id", self.seat_of.values(), names):
            known = self.newest.get(row.binding_id)
            self.newest[row.binding_id] = row if known is None or row.id > known.id else known
        seats = bulk.select_in(conn, binding, "id", self.newest, ["id", "vendor_id"])
        self.vendor_ids = {row.id: row.vendor_id for row in seats}
        ids = [row.id for row in self.newest.values()]
        self.requests = {
            row.delivery_id: row.request_id
            for row in sorted(
                bulk.select_in(conn, attempt, "delivery_id", ids, ["delivery_id", "n", "request_id"]),
                key=lambda each: each.n,
            )
        }
        open_letters = "AND t.state IN ('open','replaying')"
        again = bulk.select_in(conn, dead_letter, "object_id", objects, ["id", "object_id", "cause"], open_letters)
        self.parked_again = {row.object_id: row for row in again}
        dead = bulk.select_in(conn, dead_letter, "about", ids, ["id", "about", "cause"], open_letters)
        self.dead_again = {row.about: row for row in dead}

    def fate(self, letter: Any) -> Fate:
        """One letter's end."""
        if letter.state in ("open", "discarded"):
            told = "still open" if letter.state == "open" else "was discarded"
            return Fate(letter.id, letter.kind, "not_replayed", told)
        if letter.state == "superseded" and letter.reason != "failed again":
            return Fate(letter.id, letter.kind, "superseded", letter.reason or "something newer went through")
        return self._version(letter) if letter.kind == "version" else self._delivery(letter)

    def _version(self, letter: Any) -> Fate:
        again = self.parked_again.get(letter.object_id)
        if again is not None:
            return Fate(letter.id, "version", "failed_again", f"parked again: {again.cause}", letter_now=again.id)
        target = self.objects.get(letter.object_id)
        state = self.states.get(target.version) if target is not None else None
        if target is None or state is None:
            return Fate(letter.id, "version", "waiting", "asked for; not carried out yet")
        told = "landed" if state.state == "landed" else f"filtered: {state.rule}"
        return Fate(letter.id, "version", "went_through", told, state.trace_id, target.vendor_id)

    def _delivery(self, letter: Any) -> Fate:
        binding_id = self.seat_of.get(letter.about, "")
        row = self.newest.get(binding_id)
        if row is None:
            return Fate(letter.id, "delivery", "waiting", "asked for; not planned yet")
        facts = {"about": row.id, "vendor_id": self.vendor_ids.get(binding_id), "request_id": self.requests.get(row.id)}
        if row.state == State.APPLIED:
            return Fate(letter.id, "delivery", "went_through", "applied", **facts)
        if row.state == State.DEAD:
            again = self.dead_again.get(row.id)
            if again is None and letter.mode != "verbatim":  # nothing was planned: the target already holds it
                return Fate(letter.id, "delivery", "went_through", "nothing left to write", **facts)
            told = f"refused again: {row.cause}"
            return Fate(
                letter.id, "delivery", "failed_again", told, **facts, letter_now=again.id if again else letter.id
            )
        return Fate(
            letter.id, "delivery", "waiting", f"{row.state}" + (f" ({row.cause})" if row.cause else ""), **facts
        )
