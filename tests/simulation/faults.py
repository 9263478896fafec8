"""What vendors do to us: the kinds of trouble, and how often."""

from __future__ import annotations

from collections import Counter
from random import Random

WRITE = (
    "throttled",  # 429 without Retry-After
    "throttled_told",  # 429 with Retry-After
    "budget_spent",  # 429, and the wait is long
    "error_before",  # 5xx, nothing applied
    "error_after",  # 5xx, applied all the same
    "timeout_before",
    "timeout_after",
    "reset_before",
    "reset_after",
    "late",  # the client gave up; the vendor applies it afterwards, within max_processing
    "truncated",  # applied, the answer cannot be read
    "wrong_length",  # applied, the answer holds too few results
    "partial",  # some items applied, some refused for now, of some nothing is known
    "refused_item",  # an item is refused for good
    "refused_batch",  # the whole batch is refused for one of its items
    "token_expired",
    "connector_crash",  # our own connector fails after the request left
)
STORED = "stored_error"  # class B: the key's first answer was a 5xx, and is given again and again
JOB = (
    "job_refused",  # there is no bulk road
    "job_unreachable",  # a new job was not answered
    "job_unclosed",  # the upload failed, and the job never began
    "job_late",  # it runs, and nobody can be asked about it
    "job_lost",  # it ended, and its results cannot be used
)
AFTER_APPLY = frozenset(
    {
        "job_late",
        "job_lost",
        "error_after",
        "timeout_after",
        "reset_after",
        "late",
        "truncated",
        "wrong_length",
        "partial",
    }
)
READ = ("read_throttled", "read_error", "read_truncated", "read_token_expired")
PAGES = ("duplicate_page", "overlapping_page", "reordered_page", "short_page")
FIND = ("find_throttled", "find_timeout")


class Faults:
    """Draws faults by chance, and counts those that happened."""

    def __init__(self, random: Random, chance: float) -> None:
        """`chance`: of a fault, at each call."""
        self.random, self.chance = random, chance
        self.seen: Counter[str] = Counter()

    def draw(self, kinds: tuple[str, ...]) -> str:
        """The fault of this call; '' for none."""
        if self.random.random() >= self.chance:
            return ""
        kind = self.random.choice(kinds)
        self.seen[kind] += 1
        return kind

    @property
    def after_apply(self) -> int:
        """Faults after which the vendor held what we were told had failed."""
        return sum(times for kind, times in self.seen.items() if kind in AFTER_APPLY)
