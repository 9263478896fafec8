"""The breaker: a vendor that fails again and again is left alone for a while, then tried by one call. Pure.

Shared by all workers of a connection. It judges the vendor, not a record: 5xx, time-outs and refused connections in a
row count, an answer of any other kind closes it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kernel.clock import SECOND

FAILURES = 10
"""In a row, whoever met them, open it."""

FIRST, LONGEST = 15 * SECOND, 300 * SECOND
"""How long (µs) it stays open: doubled with each probe that failed."""

PROBE = 150 * SECOND
"""How long (µs) a probe may take; one whose worker died is given to another then."""


@dataclass(slots=True)
class Circuit:
    """closed (opened_at 0), open (until `next_at`), half-open (one probe is on its way until `probe_until`)."""

    failures: int = 0
    opened_at: int = 0
    next_at: int = 0
    probe_until: int = 0
    times: int = 0  # probes that failed

    def state(self, now: int) -> str:
        """In a word."""
        if not self.opened_at:
            return "closed"
        return "half_open" if self.probe_until > now else "open"

    def wait(self, now: int) -> int:
        """0: go on (where it is open, as its one probe); else how long (µs) to leave the vendor alone."""
        if not self.opened_at:
            return 0
        if self.probe_until > now:
            return min(self.probe_until - now, FIRST)
        if self.next_at > now:
            return self.next_at - now
        self.probe_until = now + PROBE
        return 0

    def failed(self, now: int, times: int = 1) -> None:
        """So many calls failed."""
        self.failures += times
        if self.opened_at:
            if self.probe_until:  # the probe, or what was still on its way when it opened
                self.times += 1
                self.probe_until = 0
                self.next_at = now + min(LONGEST, FIRST * 2 ** min(self.times, 8))
        elif self.failures >= FAILURES:
            self.opened_at, self.next_at = now, now + FIRST

    def answered(self) -> None:
        """The vendor answered like one who is well."""
        self.failures = self.opened_at = self.next_at = self.probe_until = self.times = 0

    def as_json(self) -> dict[str, Any]:
        """For the account."""
        return {name: value for name, value in asdict(self).items() if value}
