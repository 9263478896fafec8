"""What a connection's calls were counted to, and whether more may be leased. Pure: every instant is given.

A worker leases a block, spends it within its term and reports how many calls it made and when the last was answered.
A call reached the vendor between its beginning and its answer, so it is counted until its answer plus the window's length:
that keeps every window of that length within the limit, sliding or fixed. What a worker never reports counts in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kernel.clock import SECOND
from kernel.quota.circuit import Circuit
from kernel.quota.limits import Kind, Limit, Priority

SLOT_TERM = 180 * SECOND
"""A worker's places among so many at once are free again so long (µs) after it was last heard of."""

SLOT_START = 50 * SECOND
"""How long (µs) after that it may begin a call: the rest is for the call to end."""

FLIGHT = 30 * SECOND
"""How long (µs) after it was begun a call that nobody reports to be answered may still reach the vendor."""

_POLL = SECOND // 4
_TRUSTED = 3600 * SECOND  # how long others' use of a pool is believed without being told again
_LONGEST_BLOCK = 30
_WAITING = 60 * SECOND


@dataclass(slots=True)
class Ask:
    """What a worker wants to call next, by limit: at least `need`, `want` if there is room."""

    need: Mapping[str, int]
    want: Mapping[str, int]
    priority: Priority = Priority.RUNS


@dataclass(slots=True)
class Told:
    """What an answer says is left of a limit, and in how many seconds it is full again where it says that, too."""

    limit: str
    left: int
    full_in: float | None = None
    most: int | None = None  # what the limit is in all, by the vendor's word


@dataclass(slots=True)
class Report:
    """What a worker did since its last visit. `ago`: µs since its newest answer; `flying`: calls still unanswered."""

    worker: str
    slice: str = ""
    used: Mapping[str, int] = field(default_factory=dict)
    ago: int = 0
    flying: int = 0
    told: Sequence[Told] = ()
    failures: int = 0
    answered: bool = False
    refused: tuple[int | None, str] | None = None  # (µs the vendor asked to wait, cause)
    lifted: bool = False  # a person's call went through although the connection was blocked


@dataclass(slots=True)
class Granted:
    """A leased block: amounts by limit, to be spent within `term` µs."""

    slice: str
    amounts: Mapping[str, int]
    term: int
    crowded: bool = False  # all places at once are taken: give them back as soon as they are not needed
    worried: bool = False  # the vendor failed lately: tell when it answers
    blocked: bool = False  # only a person may try


@dataclass(slots=True)
class Later:
    """Not now: come again in `wait` µs."""

    wait: int
    cause: str  # rate_limited, daily_budget, circuit_open
    limit: str = ""


@dataclass(slots=True)
class _Slice:
    granted_at: int
    until: int
    amounts: dict[str, int]


@dataclass(slots=True)
class _Waiter:
    until: int  # who has not come again by then is forgotten
    limit: str
    priority: int
    need: int


@dataclass(slots=True)
class Account:
    """One connection's counts, as they are kept."""

    limits: tuple[Limit, ...] = ()
    most: dict[str, int] = field(default_factory=dict)  # limit -> where the vendor says it is less than we know
    open: dict[str, _Slice] = field(default_factory=dict)
    spent: dict[str, dict[int, int]] = field(default_factory=dict)  # limit -> when it frees -> amount
    others: dict[str, tuple[int, int]] = field(default_factory=dict)  # limit -> (believed until, amount)
    slots: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)  # worker -> (until, amounts)
    queue: dict[str, _Waiter] = field(default_factory=dict)  # worker -> what it waits for; in the order of coming
    block: tuple[int, int, str] = (0, 0, "")  # until, how often in a row, cause
    circuit: Circuit = field(default_factory=Circuit)

    # what a visit does ------------------------------------------------------------------------------------------------
    def report(self, told: Report, now: int) -> None:
        """Count what was called, and believe what the vendor said of it."""
        self.lower()
        self._forget(now)
        self._settle(told, now)
        self._place(told.worker, {limit.called: told.flying for limit in self.limits if _at_once(limit)}, now)
        for each in told.told:
            self._correct(each, now, since=now - told.ago)
        self.lower()
        if told.failures:
            self.circuit.failed(now, told.failures)
        if told.answered:
            self.circuit.answered()
        if told.lifted:
            self.block = (0, 0, "")
        if told.refused is not None:
            self._refuse(*told.refused, now)

    def lower(self) -> None:
        """The vendor's word may lower a limit; it never raises one past what is documented or set."""
        if self.most:
            self.limits = tuple(
                replace(limit, calls=min(limit.calls, self.most.get(limit.called, limit.calls)))
                for limit in self.limits
            )

    def grant(self, worker: str, ask: Ask, slice: str, now: int) -> Granted | Later:
        """A block for whoever asks; or when to come again."""
        blocked = self.block[0] > now
        if blocked and not (ask.priority is Priority.PEOPLE and self.block[2] == "daily_budget"):
            return Later(self.block[0] - now, self.block[2])
        later = self._room(worker, ask, now)
        if later is not None:
            until = now + min(later.wait, _WAITING) + SECOND
            self.queue[worker] = _Waiter(until, later.limit, ask.priority, ask.need[later.limit])
            return later
        if wait := self.circuit.wait(now):
            return Later(wait, "circuit_open")
        if self.circuit.opened_at:
            ask = Ask(ask.need, ask.need, ask.priority)  # the probe is one call
        self.queue.pop(worker, None)
        amounts = {limit.called: self._amount(limit, worker, ask, now) for limit in self.limits}
        places = {limit.called: amounts[limit.called] for limit in self.limits if _at_once(limit)}
        windows = {name: n for name, n in amounts.items() if n and name not in places}
        term = min((self._term(limit, now) for limit in self.limits if limit.called in windows), default=10 * SECOND)
        if windows:
            self.open[slice] = _Slice(now, now + term, windows)
        self._place(worker, places, now)
        crowded = any(self.used(limit, now) >= limit.ceiling(Priority.RUNS) for limit in self.limits if _at_once(limit))
        return Granted(slice, amounts, term, crowded, bool(self.circuit.failures), blocked)

    # what is counted --------------------------------------------------------------------------------------------------
    def used(self, limit: Limit, now: int, but: str = "") -> int:
        """How much of a limit is taken; `but`: not counting this worker's own places."""
        return sum(amount for _, amount in self._taken(limit, now, but))

    def frees(self, limit: Limit, now: int, amount: int) -> int:
        """When so much of what is taken may be free, at the soonest."""
        freed = 0
        for at, n in sorted(self._taken(limit, now)):
            freed += n
            if freed >= amount:
                return max(at, now + limit.grain)
        return now + max(limit.length, _POLL)

    def _taken(self, limit: Limit, now: int, but: str = "") -> Iterator[tuple[int, int]]:
        """(free again at the soonest, amount) of everything that counts."""
        name = limit.called
        if _at_once(limit):
            for worker, (until, held) in self.slots.items():
                if worker != but and until > now:
                    yield now + _POLL, held.get(name, 0)
            return
        yield from ((at, n) for at, n in self.spent.get(name, {}).items() if at > now)
        for slice in self.open.values():
            if n := slice.amounts.get(name, 0):
                again = SECOND if slice.until + SECOND < now else limit.grain  # overdue: slow, or dead
                yield max(limit.frees_at(slice.granted_at), now + again), n
        until, n = self.others.get(name, (0, 0))
        if until > now and n:
            yield until, n

    def _room(self, worker: str, ask: Ask, now: int) -> Later | None:
        """None where there is room for what is needed; else the limit that is spent for longest."""
        worst: Later | None = None
        for limit in self.limits:
            need = min(ask.need.get(limit.called, 0), limit.ceiling(ask.priority))
            lacking = need - self._left(limit, worker, ask.priority, now) if need else 0
            if lacking > 0:
                soonest = self.frees(limit, now, lacking)
                more = lacking - need + min(ask.want.get(limit.called, 0), limit.block)
                together = min(self.frees(limit, now, more), soonest + limit.term // 2)  # fewer visits, little later
                wait = max(soonest, together) - now
                cause = "daily_budget" if limit.daily else "rate_limited"
                if worst is None or wait > worst.wait:
                    worst = Later(wait, cause, limit.called)
        return worst

    def _left(self, limit: Limit, worker: str, priority: Priority, now: int) -> int:
        """What is there for this worker: less the shares above its class, and less what those before it wait for."""
        first, mine = 0, False
        for name, waiter in self.queue.items():
            mine = mine or name == worker
            if waiter.limit == limit.called and name != worker:
                if waiter.priority < priority:
                    first += max(limit.block, waiter.need)
                elif waiter.priority == priority and not mine:
                    first += waiter.need
        return limit.ceiling(priority) - self.used(limit, now, worker) - first

    def _amount(self, limit: Limit, worker: str, ask: Ask, now: int) -> int:
        need, want = ask.need.get(limit.called, 0), ask.want.get(limit.called, 0)
        share = self._left(limit, worker, ask.priority, now) // (1 + len(self.queue))  # whoever waits gets some, too
        return max(need, min(want, limit.block, share))

    def _term(self, limit: Limit, now: int) -> int:
        """How long (µs) a block may be spent: longer where most of the limit is free, for a visit costs more than a call."""
        free = limit.calls - self.used(limit, now)
        return max(limit.term, min(limit.length // 2, SECOND)) if 2 * free > limit.calls else limit.term

    # how it changes ---------------------------------------------------------------------------------------------------
    def _settle(self, told: Report, now: int) -> None:
        """What a block was used for, and what was still unanswered at the last visit, is answered by now or flies on."""
        slice, flew = self.open.pop(told.slice, None), self.open.pop(f"{told.worker}~", None)
        flying: dict[str, int] = {}
        for limit in self.limits:
            name = limit.called
            used = min(told.used.get(name, 0), slice.amounts.get(name, 0)) if slice is not None else 0
            used += flew.amounts.get(name, 0) if flew is not None else 0
            late = (used if limit.costed else min(used, told.flying)) if told.flying else 0
            self._spend(limit, now - told.ago, used - late)
            if late:
                flying[name] = late
        if flying:
            self.open[f"{told.worker}~"] = _Slice(now, now, flying)

    def _spend(self, limit: Limit, end: int, amount: int) -> None:
        if amount > 0:
            held = self.spent.setdefault(limit.called, {})
            at = limit.frees_at(end)
            held[at] = held.get(at, 0) + amount

    def _place(self, worker: str, places: dict[str, int], now: int) -> None:
        taken = {name: n for name, n in places.items() if n}
        if taken:
            self.slots[worker] = (now + SLOT_TERM, taken)
        else:
            self.slots.pop(worker, None)

    def _correct(self, told: Told, now: int, since: int) -> None:
        """Others use the account, too: what is left by the vendor's word can only be less than by our count.

        `since`: when it was told; a worker that was idle for a day brings yesterday's word.
        """
        limit = next((one for one in self.limits if one.called == told.limit), None)
        if limit is None:
            return
        if told.most is not None:
            self.most[limit.called] = max(told.most, 1)
            limit = replace(limit, calls=min(limit.calls, max(told.most, 1)))
        self.others.pop(limit.called, None)
        beyond = limit.calls - self.used(limit, now) - max(told.left, 0)
        if beyond > 0:
            full_in = int(told.full_in * SECOND) if told.full_in is not None else limit.length
            until = since + min(max(full_in, limit.grain), limit.length, _TRUSTED)
            if until > now:
                self.others[limit.called] = (until, beyond)

    def _refuse(self, after: int | None, cause: str, now: int) -> None:
        until, times, _ = self.block
        times = times + 1 if now < until + 60 * SECOND else 1
        wait = min(_LONGEST_BLOCK, 2 ** min(times - 1, 8)) * SECOND if after is None else after
        if now + wait > until:
            self.block = (now + wait, times, cause)

    def _forget(self, now: int) -> None:
        """What counts no longer goes; a block whose worker was not heard of counts as if spent at its very end."""
        for name, slice in list(self.open.items()):
            if slice.until + FLIGHT < now:
                del self.open[name]
                for limit in self.limits:
                    self._spend(limit, slice.until + FLIGHT, slice.amounts.get(limit.called, 0))
        self.spent = {name: {at: n for at, n in held.items() if at > now} for name, held in self.spent.items() if held}
        self.slots = {worker: held for worker, held in self.slots.items() if held[0] > now}
        self.queue = {worker: waiter for worker, waiter in self.queue.items() if waiter.until > now}
        self.others = {name: held for name, held in self.others.items() if held[0] > now}

    # how it is kept ---------------------------------------------------------------------------------------------------
    def as_json(self) -> dict[str, Any]:
        """For the row; read back by `account_of`."""
        return {
            "limits": [[x.calls, x.per, x.name, x.kind, x.zone, x.only, x.costed] for x in self.limits],
            "most": self.most,
            "open": {name: [s.granted_at, s.until, s.amounts] for name, s in self.open.items()},
            "spent": {name: list(held.items()) for name, held in self.spent.items() if held},
            "others": self.others,
            "slots": self.slots,
            "queue": [[name, each.until, each.limit, each.priority, each.need] for name, each in self.queue.items()],
            "block": self.block,
            "circuit": self.circuit.as_json(),
        }


def account_of(kept: Mapping[str, Any]) -> Account:
    """An account as `as_json` wrote it."""
    return Account(
        limits=tuple(
            Limit(calls, per, name, Kind(kind), zone, only, costed)
            for calls, per, name, kind, zone, only, costed in kept.get("limits", ())
        ),
        most=kept.get("most", {}),
        open={name: _Slice(*held) for name, held in kept.get("open", {}).items()},
        spent={name: dict(map(tuple, held)) for name, held in kept.get("spent", {}).items()},
        others={name: tuple(held) for name, held in kept.get("others", {}).items()},
        slots={worker: (until, held) for worker, (until, held) in kept.get("slots", {}).items()},
        queue={name: _Waiter(*waiter) for name, *waiter in kept.get("queue", ())},
        block=tuple(kept.get("block", (0, 0, ""))),
        circuit=Circuit(**kept.get("circuit", {})),
    )


def _at_once(limit: Limit) -> bool:
    return limit.kind is Kind.CONCURRENT
