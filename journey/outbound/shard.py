"""One target resource while its lease is held: what sending, settling and reconciling work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import ColumnElement, bindparam, false, or_, true

from connectors.base import Connector, WriteClass, WriteSpec
from journey.context import Context
from kernel.clock import SECOND
from kernel.leases import Lease
from kernel.ledger.states import State
from kernel.store.tables import delivery
from mappings import TargetPart

ASK_AFTER = 3
"""Class B: so many lost answers to one key, and the vendor is asked: the answer it keeps may itself be a failure."""

MOST_ATTEMPTS = 8
_FIRST_WAIT, _LONGEST_WAIT = 2, 600  # seconds


@dataclass(slots=True)
class Shard:
    """A delivery shard: all writes of one target resource pass through here, one batch at a time."""

    ctx: Context
    connection: str
    resource: str
    connector: Connector
    spec: WriteSpec
    lease: Lease
    part: TargetPart = field(init=False)
    """The mapping's part that writes this resource; a resource is written from one entity only."""

    def __post_init__(self) -> None:
        """Look the part up, once."""
        entity = self.ctx.pins.written_entity(self.connection, self.resource)
        part = self.ctx.mapping(self.connection, self.resource).target_part(entity)
        assert part is not None  # refused at activation
        self.part = part

    @property
    def resends(self) -> bool:
        """A lost answer is cured by sending the same again; for class E that is the at-least-once it promises."""
        return self.spec.write_class in _RESEND

    @property
    def ever_asks(self) -> bool:
        """Class B does so where its keys prove nothing."""
        return self.spec.write_class.asks

    def asks(self, attempts: int, planned_at: int, now: int) -> bool:
        """Whether only the vendor can tell what became of a lost answer. Class B: where its key can prove nothing (any more)."""
        if self.spec.write_class is not WriteClass.IDEMPOTENCY_KEY:
            return not self.resends
        return attempts == 0 or attempts >= ASK_AFTER or planned_at <= self.forgotten(now)

    @property
    def asked(self) -> ColumnElement[bool]:
        """`asks`, of delivery rows; takes the parameter `forgotten`."""
        return _asked(self.spec.write_class)

    @property
    def to_send(self) -> dict[State, ColumnElement[bool]]:
        """What a claim takes up: new plans, and lost answers that are cured by sending the same again."""
        return _to_send(self.spec.write_class)

    def forgotten(self, now: int) -> int:
        """A key first used before this instant may be gone at the vendor."""
        return now - self._key_window if self.spec.write_class is WriteClass.IDEMPOTENCY_KEY else 0

    def patience(self, attempts: int, planned_at: int, now: int) -> int:
        """How long (µs) after a lost answer it may be taken up: whoever asks waits until nothing can land any more."""
        settle = int(self.spec.settle.total_seconds() * SECOND)
        return (
            settle
            if self.asks(attempts, planned_at, now + settle)
            else self.scheduled(attempts) or backoff(attempts - 1)
        )

    def scheduled(self, attempts: int) -> int | None:
        """The wait (µs) after so many attempts, where the protocol names one."""
        schedule = self.spec.schedule
        return int(schedule[min(attempts, len(schedule)) - 1].total_seconds() * SECOND) if schedule else None

    @property
    def most_attempts(self) -> int:
        """After so many a person must look."""
        return len(self.spec.schedule) + 1 if self.spec.schedule else MOST_ATTEMPTS

    @property
    def landing(self) -> int:
        """How long (µs) after a send was given up it could still land; a class B key lets it land once only."""
        return int(self.spec.max_processing.total_seconds() * SECOND)

    @property
    def _key_window(self) -> int:
        assert self.spec.key_window is not None, f"{self.resource}: class B without a key window"
        return int(self.spec.key_window.total_seconds() * SECOND)


_RESEND = (WriteClass.UPSERT, WriteClass.IDEMPOTENCY_KEY, WriteClass.APPEND_ONLY)


@cache
def _asked(write_class: WriteClass) -> ColumnElement[bool]:
    if write_class is not WriteClass.IDEMPOTENCY_KEY:
        return false() if write_class in _RESEND else true()
    attempts = delivery.c.attempts
    return or_(attempts == 0, attempts >= ASK_AFTER, delivery.c.planned_at <= bindparam("forgotten"))


@cache
def _to_send(write_class: WriteClass) -> dict[State, ColumnElement[bool]]:
    planned: dict[State, ColumnElement[bool]] = {State.PLANNED: true()}
    return {State.UNKNOWN: ~_asked(write_class), **planned} if write_class in _RESEND else planned


def backoff(attempts: int) -> int:
    """The wait (µs) after so many attempts."""
    return int(min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** max(0, attempts)) * SECOND)
