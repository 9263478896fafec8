"""Where an account stands, and how long work will take at its limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.clock import SECOND
from kernel.quota.account import Account
from kernel.quota.limits import Kind, Limit, Priority

_DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit of one connection: how much is taken, what a class may still take, and when all of it is free again."""

    limit: Limit
    used: int
    left: int
    full_at: int | None  # None: nothing is taken


def standings(account: Account, now: int, priority: Priority = Priority.RUNS) -> list[Standing]:
    """Every limit of an account, as a class of callers sees it."""
    account.lower()
    found = []
    for limit in account.limits:
        used = account.used(limit, now)
        left = max(0, limit.ceiling(priority) - used)
        found.append(Standing(limit, used, left, account.frees(limit, now, used) if used else None))
    return found


def time_for(account: Account, calls: int, now: int, priority: Priority = Priority.RUNS) -> int:
    """How long (µs) so many calls take at the limits, with what is left of them now. Vendors' own slowness is not in it.

    Limits of single kinds of calls are left out: what kind they will be is not known.
    """
    longest = account.block[0] - now if account.block[0] > now else 0
    for each in standings(account, now, priority):
        if each.limit.only or each.limit.kind is Kind.CONCURRENT or calls <= each.left:
            continue
        longest = max(longest, _time(account, each, calls - each.left, now, priority))
    return longest


def _time(account: Account, each: Standing, beyond: int, now: int, priority: Priority) -> int:
    """Until the last of those calls that go beyond what is left now."""
    limit, most = each.limit, each.limit.ceiling(priority)
    if limit.kind is Kind.DAY and limit.zone:
        whole_days = (beyond - 1) // most
        return limit.frees_at(now) - now + whole_days * _DAY
    return int(limit.length * beyond / most)
