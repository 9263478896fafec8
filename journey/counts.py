"""Conservation: what was read, and what was planned, ends in exactly one state each; the sums are checked after each run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from kernel.errors import Broken


@dataclass(slots=True)
class Inbound:
    """What became of the versions a run read."""

    read: int = 0
    landed: int = 0
    unchanged: int = 0
    stale: int = 0
    filtered: int = 0
    parked: int = 0
    still_parked: int = 0

    def check(self) -> None:
        """read = landed + unchanged + stale + filtered + parked + still_parked."""
        ended = self.landed + self.unchanged + self.stale + self.filtered + self.parked + self.still_parked
        if self.read != ended:
            raise Broken(f"of {self.read} versions read, {ended} ended in a state", cause="conservation")


@dataclass(slots=True)
class Outbound:
    """What became of the writes a run planned or found planned."""

    planned: int = 0
    applied: int = 0
    no_op: int = 0
    superseded: int = 0
    dead: int = 0
    pending: int = 0

    def check(self) -> None:
        """planned = applied + no-op + superseded + dead + pending."""
        ended = self.applied + self.no_op + self.superseded + self.dead + self.pending
        if self.planned != ended:
            raise Broken(f"of {self.planned} writes planned, {ended} are in a state", cause="conservation")


def add(total: Inbound, more: Inbound) -> None:
    """Add one batch's counts to a total."""
    for item in fields(Inbound):
        setattr(total, item.name, getattr(total, item.name) + getattr(more, item.name))


@dataclass(slots=True)
class Counts:
    """Both rows of one run, and what was noticed on the way."""

    inbound: Inbound = field(default_factory=Inbound)
    outbound: Outbound = field(default_factory=Outbound)
    warnings: dict[str, int] = field(default_factory=dict)  # "resource field rule" -> how often

    def check(self) -> None:
        """Both sums."""
        self.inbound.check()
        self.outbound.check()

    def warn(self, what: str, times: int = 1) -> None:
        """Count a warning; its text holds names and rules, never values."""
        self.warnings[what] = self.warnings.get(what, 0) + times

    def as_json(self) -> dict[str, dict[str, int]]:
        """For the run's row and the CLI."""
        return asdict(self)
