"""What one worker may call: a leased block, spent in memory. The till is asked only where the block is spent or over."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.clock import SECOND
from kernel.errors import RetryAt
from kernel.ids import new_id
from kernel.quota.account import SLOT_START, Account, Ask, Granted, Later, Report, Told
from kernel.quota.limits import Kind, Limit, Priority, asking
from kernel.quota.tills import Till

PATIENCE = 60.0
"""Seconds we wait inside a call; a longer wait goes back to the engine as RetryAt."""

_A_WINDOW = 1.25 * PATIENCE  # a limit a minute is waited for, its rounding included
_STARVED = 3 * PATIENCE
_WORDS = {
    "rate_limited": "its request limit is spent",
    "daily_budget": "its budget for the day is spent",
    "circuit_open": "it failed again and again and is left alone for a while",
}


@dataclass(slots=True)
class _Held:
    """One class's block."""

    slice: str = ""
    granted: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    deadline: int = 0
    half: int = 0  # of its term is over
    calls: int = 1  # how many to ask for next

    def used(self, n: int) -> int:
        return self.granted[n] - self.left[n]


class Purse:
    """Leave to make calls to one connection; used by all threads of a process."""

    def __init__(self, till: Till, limits: Sequence[Limit], connection: str = "") -> None:
        """`connection`: for messages."""
        self._till, self._limits, self._connection = till, tuple(limits), connection
        self._names = [limit.called for limit in limits]
        assert len(set(self._names)) == len(limits), f"two limits of one name: {self._names}"
        self._places = [limit.kind is Kind.CONCURRENT for limit in limits]
        self._plain = [0 if place else 1 for place in self._places]
        self._simple = not any(limit.only or limit.costed for limit in limits)
        self._idle = not limits and not till.shared
        self._worker = new_id()
        self._lock, self._visiting = threading.Lock(), threading.Lock()
        self._held = [_Held(left=[0] * len(limits), granted=[0] * len(limits)) for _ in Priority]
        self._flying, self._answered, self._slots, self._slots_until = 0, till.timer(), 0, 0
        self._crowded = self._worried = self._blocked = False
        self._told: dict[str, Told] = {}
        self._timer = till.timer

    def take(self, calls: int = 1, cost: int = 1, what: str = "") -> None:
        """Return when the calls may be made; RetryAt when that is too long from now. `what`: "METHOD /path"."""
        if self._idle:
            return
        amounts = self._plain if self._simple else self._amounts(cost, what)
        for _ in range(calls):
            held = self._held[asking()]
            with self._lock:
                if self._spend(held, amounts):
                    continue
            self._wait_for(held, amounts)

    def done(self, trouble: bool = False) -> bool:
        """A call ended. `trouble`: the vendor failed, or could not be reached. Whether it is left alone from now on."""
        if self._idle:
            return False
        with self._lock:
            self._flying = max(0, self._flying - 1)
            self._answered = self._timer()
            news = self._till.shared and (trouble or self._worried or self._blocked or self._crowded)
        if not news:
            return False
        report = Report(self._worker, failures=int(trouble), answered=not trouble and self._worried)
        report.lifted, self._blocked = self._blocked and not trouble, False
        self._worried = trouble
        opened = self._tell(report)
        if opened:
            self._give_up()
        return opened

    def told(self, left: Sequence[Told]) -> None:
        """What an answer said is left; it is believed with the next visit, and at once as far as this block goes."""
        with self._lock:
            for each in left:
                self._told[each.limit] = each
                if each.limit in self._names and each.left <= 0:
                    self._give_up()

    def refused(self, after: float | None, cause: str) -> None:
        """The vendor asked to wait (seconds, where it said how long): everybody does."""
        if self._till.shared:
            self._give_up()
            self._tell(Report(self._worker, refused=(None if after is None else int(after * SECOND), cause)))

    def close(self) -> None:
        """Give back what was not spent."""
        if self._till.shared and any(held.slice for held in self._held):
            for held in self._held:
                self._tell(self._report(held))

    # ------------------------------------------------------------------------------------------------------------------
    def _give_up(self) -> None:
        """What is leased is not to be spent any more: the till is asked before the next call."""
        for held in self._held:
            held.deadline = 0

    def _amounts(self, cost: int, what: str) -> list[int]:
        return [
            0
            if place or (limit.pattern is not None and not limit.pattern.search(what))
            else cost
            if limit.costed
            else 1
            for limit, place in zip(self._limits, self._places, strict=True)
        ]

    def _spend(self, held: _Held, amounts: Sequence[int]) -> bool:
        now, left = self._timer(), held.left
        if now >= held.deadline or (self._slots_until and (self._flying >= self._slots or now >= self._slots_until)):
            return False
        for n, amount in enumerate(amounts):
            if left[n] < amount:
                return False
        for n, amount in enumerate(amounts):
            left[n] -= amount
        self._flying += 1
        return True

    def _wait_for(self, held: _Held, amounts: Sequence[int]) -> None:
        waited = 0.0
        while True:
            with self._visiting:  # one thread asks for all
                with self._lock:
                    if self._spend(held, amounts):
                        return
                begun = self._timer()
                answer = self._lease(held, amounts)
                if isinstance(answer, Granted):
                    with self._lock:
                        self._take_up(held, answer, begun)
                        if self._spend(held, amounts):
                            return
                    continue
            seconds = answer.wait / SECOND
            waited += seconds
            if answer.cause == "circuit_open" or seconds > _A_WINDOW or waited > _STARVED:
                told = f"{self._connection}: {_WORDS[answer.cause]}".removeprefix(": ")
                at = self._till.clock.now() + answer.wait
                raise RetryAt(told, at=at, cause=answer.cause, sent=False)
            spread = random.random() * 0.02 * min(seconds, 1.0) if self._till.shared else 0.0
            self._till.clock.sleep(seconds + spread)

    def _lease(self, held: _Held, amounts: Sequence[int]) -> Granted | Later:
        with self._lock:
            report, ask = self._report(held), self._ask(held, amounts)

        def visit(account: Account, now: int) -> Granted | Later:
            account.report(report, now)
            return account.grant(self._worker, ask, new_id(), now)

        return self._till.visit(visit)

    def _ask(self, held: _Held, amounts: Sequence[int]) -> Ask:
        """More than last time where that was soon gone, less where some was left over."""
        if held.slice:
            soon = self._timer() < held.half
            left = any(left for left, place in zip(held.left, self._places, strict=True) if not place)
            held.calls = max(1, held.calls // 2) if left else min(2 * held.calls, 1 << 16) if soon else held.calls
        need, want = {}, {}
        for n, name in enumerate(self._names):
            if self._places[n]:
                need[name] = want[name] = self._flying + 1
            else:
                need[name], want[name] = amounts[n], amounts[n] * held.calls
        return Ask(need, want, asking())

    def _take_up(self, held: _Held, granted: Granted, begun: int) -> None:
        """`begun`: when the till was asked; the term is counted from then, for its clock was read after that."""
        held.slice, held.deadline, held.half = granted.slice, begun + granted.term, begun + granted.term // 2
        self._slots_until = begun + SLOT_START if any(self._places) else 0
        held.granted = [granted.amounts.get(name, 0) for name in self._names]
        held.left = list(held.granted)
        self._slots = min((held.granted[n] for n, place in enumerate(self._places) if place), default=0)
        for n, place in enumerate(self._places):
            if place:
                held.granted[n] = held.left[n] = 0
        self._crowded, self._blocked = granted.crowded, granted.blocked
        self._worried = self._worried or granted.worried

    def _report(self, held: _Held) -> Report:
        """What was made of a block, which is over with this. Called under the lock."""
        used = {name: held.used(n) for n, name in enumerate(self._names)}
        told, self._told = list(self._told.values()), {}
        report = Report(self._worker, held.slice, used, max(0, self._timer() - self._answered), self._flying, told)
        held.deadline = 0
        return report

    def _tell(self, report: Report) -> bool:
        """A visit that asks for nothing; whether the breaker is open after it."""
        with self._visiting:
            with self._lock:
                report.flying = self._slots = self._flying
                report.ago = max(0, self._timer() - self._answered)

            def visit(account: Account, now: int) -> bool:
                account.report(report, now)
                return bool(account.circuit.opened_at)

            return self._till.visit(visit)
