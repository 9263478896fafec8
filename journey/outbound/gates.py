"""Gates: a plan that would remove or change too much, or writes the same over and over, waits for a person; the rest goes on.

They are weighed by batches, in the transaction that writes a batch's plans: whoever dies where, what is too much was never
free to be sent. What waits is HELD in the ledger under one question; at the end of a plan the question says what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from journey.context import Context
from journey.limits import Limit
from journey.syncs import Route, Stream, Sync
from kernel import approvals
from kernel.approvals import Answer, Kind, Question
from kernel.ids import new_id
from kernel.ledger import holding, pace
from kernel.ledger.holding import Group

_NOTHING = Limit(0, 0.0)
Key = tuple[str, str | None, str, str]  # kind, sync, connection, resource


@dataclass(frozen=True, slots=True)
class Weight:
    """What one batch planned for one route; `superseded`: earlier plans that it takes the place of."""

    made: int  # objects that the target does not hold yet
    removed: int
    changed: int
    planned: int
    superseded: int

    @property
    def more(self) -> int:
        """By how much the writes that will be made became more."""
        return max(0, self.planned - self.superseded)


@dataclass(slots=True)
class _Tally:
    """What is counted of one route."""

    removals: int  # unsent, those of earlier plans included
    changes: int
    hour: int  # writes planned for its target


class Gates:
    """The gates of one planning of one sync."""

    def __init__(self, ctx: Context, sync: Sync) -> None:
        """One look-up; what a route needs is counted with its first batch."""
        self.ctx, self.sync = ctx, sync
        self._tallies: dict[Stream, _Tally] = {}
        self._bound: dict[tuple[Stream, bool], int] = {}  # what it holds of ours; True: and what is to be made there
        self._asking: dict[Stream, bool] = {}  # whether what a lost write became is asked for
        with ctx.store.read() as conn:
            self._open = {_key_of(question): question for question in self._concerning(conn)}
            self._shrunken = self._shrunken_reads(conn)
        self._kept = dict(self._open), dict(self._tallies), dict(self._bound)

    def begin(self) -> None:
        """A batch's transaction begins, perhaps again: what an attempt at it that was rolled back counted is forgotten."""
        self._open, tallies, self._bound = dict(self._kept[0]), self._kept[1], dict(self._kept[2])
        self._tallies = {target: replace(tally) for target, tally in tallies.items()}

    def commit(self) -> None:
        """The batch is written."""
        self._kept = self._open, self._tallies, self._bound

    def too_often(self, conn: Connection, route: Route, changed: Sequence[str]) -> list[str]:
        """Of bindings that would be written again, those that were written too often within an hour, or are held for it."""
        if not changed:
            return []
        now, held = self.ctx.store.clock.now(), self._open.get(self._key(Kind.WRITES_TO_RECORD, route))
        released = approvals.last_released(conn, Kind.WRITES_TO_RECORD, route.connection, route.resource)
        busy = holding.busy(conn, changed, max(now - pace.HOUR, released))
        return [
            key
            for key, one in busy.items()
            if one.sends >= route.limits.record or (held is not None and held.id in one.gates)
        ]

    def weigh(self, conn: Connection, route: Route, weight: Weight, too_often: Sequence[str]) -> None:
        """Count one route's part of a batch, in its transaction, and hold what is too much."""
        if (_target(route), True) in self._bound:
            self._bound[_target(route), True] += weight.made
        if not (weight.removed or weight.changed or weight.planned):
            return
        pace.add(conn, route.connection, route.resource, weight.more, self.ctx.store.clock.now())
        tally = self._count(conn, route, weight)
        if too_often:
            gate = self._gate(conn, Kind.WRITES_TO_RECORD, route)
            holding.hold(conn, _group(Kind.WRITES_TO_RECORD, self.sync, route), gate.id, too_often)
        limits = route.limits
        if weight.removed:
            self._close_if(conn, Kind.REMOVALS, route, tally.removals, self._removals(limits.removals))
        if weight.changed:
            self._close_if(conn, Kind.CHANGES, route, tally.changes, limits.changes)
        if weight.planned:
            self._close_if(conn, Kind.WRITES_TO_TARGET, route, tally.hour, limits.hour)

    def close(self) -> None:
        """The plan is complete: every question of the sync says what it is about, or is withdrawn where nothing is left of it."""
        if not self._open:
            return
        store = self.ctx.store
        # before the transaction: a connection that is opened is written down in one of its own
        self._asking = {target: self.ctx.asks(target.connection, target.resource) for target in self.sync.targets}

        def work(conn: Connection) -> None:
            self._shrunken = self._shrunken_reads(conn)
            for question in self._concerning(conn, locked=True):
                self._state(conn, question)

        store.transact(work, "gates.close")

    def _close_if(self, conn: Connection, kind: Kind, route: Route, counted: int, limit: Limit) -> None:
        """Hold a route's group from the batch on in which it became too much."""
        asked = self._key(kind, route) in self._open
        group = _group(kind, self.sync, route)
        if not asked and not limit.exceeded(counted, 0):
            return
        if not asked and not limit.exceeded(counted, self._objects(conn, route, kind)):
            return
        if not asked and kind is not Kind.WRITES_TO_TARGET:  # a newer plan may have taken an older one's place
            counted = holding.unsent(conn, group)
            self._set(route, kind, counted)
            if not limit.exceeded(counted, self._objects(conn, route, kind)):
                return
        holding.hold(conn, group, self._gate(conn, kind, route).id)

    def _set(self, route: Route, kind: Kind, counted: int) -> None:
        tally = self._tallies[_target(route)]
        if kind is Kind.REMOVALS:
            tally.removals = counted
        else:
            tally.changes = counted

    def _gate(self, conn: Connection, kind: Kind, route: Route) -> Question:
        """The open question of a group, as it stands in this moment: a person may have decided the one we knew."""
        key = self._key(kind, route)
        found = [question for question in self._concerning(conn, locked=True) if _key_of(question) == key]
        if not found:
            new = Question(kind, key[1], route.connection, route.resource, state=Answer.GATHERING)
            new.run_id = self.ctx.run_id
            found = [approvals.ask(conn, self.ctx.store, new)]
        self._open[key] = found[0]
        return found[0]

    def _state(self, conn: Connection, question: Question) -> None:
        """What a question is about by now; another set is another question."""
        keys = holding.held(conn, question.id)
        route = self._route_of(question)
        mark, facts = holding.fingerprint(keys), self._facts(conn, question, route, len(keys))
        if not keys:
            self._withdraw(conn, question, "nothing waits for it any more")
        elif route is not None and self._is_little(conn, question, route, len(keys)):
            if self._withdraw(conn, question, "what is left is no more than the limit"):
                asks = self._asking[_target(route)]
                holding.free(conn, question.id, self.ctx.store.clock.now(), asks=asks, marked=False)
        elif question.state == Answer.GATHERING:
            question.state, question.fingerprint, question.facts = Answer.ASKED, mark, facts
            approvals.restate(conn, question)
        elif question.fingerprint != mark:
            newer = replace(question, id=new_id(), fingerprint=mark, facts=facts, run_id=self.ctx.run_id)
            if self._withdraw(conn, question, f"what waits changed; see {newer.id}"):
                holding.hand_over(conn, question.id, newer.id)
                approvals.ask(conn, self.ctx.store, newer)

    def _withdraw(self, conn: Connection, question: Question, why: str) -> bool:
        return approvals.decide(conn, self.ctx.store, question, Answer.OVERTAKEN, "throughline", why)

    def _is_little(self, conn: Connection, question: Question, route: Route, waiting: int) -> bool:
        limits = {Kind.REMOVALS: self._removals(route.limits.removals), Kind.CHANGES: route.limits.changes}
        limit = limits.get(Kind(question.kind))
        return limit is not None and not limit.exceeded(waiting, self._objects(conn, route, Kind(question.kind)))

    def _facts(self, conn: Connection, question: Question, route: Route | None, waiting: int) -> dict[str, Any]:
        facts: dict[str, Any] = {"waiting": waiting, "actions": holding.by_action(conn, question.id)}
        if route is None:
            return facts
        if question.kind == Kind.WRITES_TO_RECORD:
            return facts | {"limit": {"count": route.limits.record}}
        limits = route.limits
        limit = {Kind.REMOVALS: self._removals(limits.removals), Kind.CHANGES: limits.changes}
        used = limit.get(Kind(question.kind), limits.hour)
        facts |= {
            "of": self._objects(conn, route, Kind(question.kind)),
            "limit": {"count": used.count, "share": used.share},
        }
        if question.kind == Kind.REMOVALS and self._shrunken:
            facts["shrunken"] = self._shrunken
        return facts

    def _removals(self, usual: Limit) -> Limit:
        """After a complete read that shrank nothing is removed by itself."""
        return _NOTHING if self._shrunken else usual

    def _count(self, conn: Connection, route: Route, weight: Weight) -> _Tally:
        target = _target(route)
        if target in self._tallies:
            tally = self._tallies[target]
            tally.removals += weight.removed
            tally.changes += weight.changed
            tally.hour += weight.more
        else:  # this batch is in the ledger already, beside what was planned before and never sent
            removals = holding.unsent(conn, _group(Kind.REMOVALS, self.sync, route))
            changes = holding.unsent(conn, _group(Kind.CHANGES, self.sync, route))
            hour = pace.recent(conn, route.connection, route.resource, self.ctx.store.clock.now())
            self._tallies[target] = _Tally(removals, changes, hour)
        return self._tallies[target]

    def _objects(self, conn: Connection, route: Route, kind: Kind) -> int:
        """What a limit's share is of: filling a target, however often that is interrupted, is no loop of writes to it."""
        key = _target(route), kind is Kind.WRITES_TO_TARGET
        if key not in self._bound:
            self._bound[key] = holding.count_bindings(conn, route.connection, route.resource, coming=key[1])
        return self._bound[key]

    def _key(self, kind: Kind, route: Route) -> Key:
        return (kind, None if kind is Kind.WRITES_TO_TARGET else self.sync.name, route.connection, route.resource)

    def _concerning(self, conn: Connection, locked: bool = False) -> list[Question]:
        """The open questions about what this sync writes."""
        targets = {str(target) for target in self.sync.targets}
        return [
            question
            for question in approvals.open_questions(conn, *approvals.HOLDING, locked=locked)
            if question.sync == self.sync.name or (question.sync is None and question.place in targets)
        ]

    def _shrunken_reads(self, conn: Connection) -> list[str]:
        streams = {str(stream) for stream in self.sync.streams}
        return [q.place for q in approvals.open_questions(conn, Kind.SHRUNKEN_READ) if q.place in streams]

    def _route_of(self, question: Question) -> Route | None:
        here = (question.connection, question.resource)
        return next((route for route in self.sync.routes if (route.connection, route.resource) == here), None)


def _key_of(question: Question) -> Key:
    return (question.kind, question.sync, str(question.connection), str(question.resource))


def _target(route: Route) -> Stream:
    return Stream(route.connection, route.resource)


def _group(kind: Kind, sync: Sync, route: Route) -> Group:
    if kind is Kind.WRITES_TO_TARGET:
        return Group(route.connection, route.resource)
    removing = {Kind.REMOVALS: True, Kind.CHANGES: False}.get(kind)
    return Group(route.connection, route.resource, sync.name, removing)
