"""How much may happen without asking a person: limits of syncs and routes, as ops write them, with defaults that suit most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Limit:
    """More than both waits: `count` deliveries, and `share` of the objects that the target holds."""

    count: int
    share: float

    def exceeded(self, n: int, of: int) -> bool:
        """Whether n of so many objects are too many."""
        return n > self.count and n > self.share * of


@dataclass(frozen=True, slots=True)
class Limits:
    """What a route may do by itself. A new object at a target counts towards the hour only: it overwrites nothing."""

    removals: Limit = Limit(count=25, share=0.02)  # deletes, archivings and clearings of one plan
    changes: Limit = Limit(count=1000, share=0.5)  # of one plan, to objects that are there
    hour: Limit = Limit(count=5000, share=5.0)  # writes to one target within an hour; five for each object are a loop
    record: int = 30  # writes of one record to one target within an hour
    shrunken: float = 0.5  # share of the records of the last complete read; with fewer a person is asked


class WrittenLimit(BaseModel):
    """A limit as ops write it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    count: int | None = Field(default=None, ge=0)
    share: float | None = Field(default=None, ge=0)

    def over(self, base: Limit) -> Limit:
        """What is written, and for the rest the base."""
        share, count = self.share, self.count
        return Limit(base.count if count is None else count, base.share if share is None else share)


class WrittenLimits(BaseModel):
    """`limits:` of a route, or of a sync for all its routes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    removals: WrittenLimit | None = None
    changes: WrittenLimit | None = None
    writes_per_hour: WrittenLimit | None = None
    record_writes_per_hour: int | None = Field(default=None, ge=1)

    def over(self, base: Limits) -> Limits:
        """What is written, and for the rest the base."""
        return Limits(
            removals=self.removals.over(base.removals) if self.removals else base.removals,
            changes=self.changes.over(base.changes) if self.changes else base.changes,
            hour=self.writes_per_hour.over(base.hour) if self.writes_per_hour else base.hour,
            record=self.record_writes_per_hour or base.record,
            shrunken=base.shrunken,
        )


class WrittenSyncLimits(WrittenLimits):
    """`limits:` of a sync: also what its complete reads may lose."""

    shrunken_read: float | None = Field(default=None, ge=0, le=1)

    def over(self, base: Limits) -> Limits:
        """What is written, and for the rest the base."""
        found: dict[str, Any] = {"shrunken": base.shrunken if self.shrunken_read is None else self.shrunken_read}
        rest = super().over(base)
        return Limits(rest.removals, rest.changes, rest.hour, rest.record, **found)
