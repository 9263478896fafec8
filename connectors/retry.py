"""The one retry policy, and how long the headers ask us to wait."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable

import httpx
import tenacity

from kernel.clock import SECOND, Clock, instant
from kernel.errors import Reauthenticate, Retry, RetryAt
from kernel.quota.purse import PATIENCE as PATIENCE

ATTEMPTS = 5

LONGEST = 86_400.0
"""Seconds: whatever a vendor asks for, it is asked again after a day. Every budget of the vendors we know is full by then."""

_A_YEAR = 366 * 86_400.0


def retry_after(headers: httpx.Headers, now: int) -> float | None:
    """Seconds until the vendor may be asked again, at most LONGEST; None where no header says so that can be read.

    `retry-after-ms`; or Retry-After in seconds or as an HTTP date (RFC 9110), or, where a vendor got it wrong, as an epoch
    in seconds or milliseconds. What lies in the past is no wait.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return _bounded(ms / 1000)
    told = headers.get("retry-after", "").strip()
    if (seconds := _number(told)) is not None:
        return _bounded(_since_epoch(seconds, now))
    try:
        then = email.utils.parsedate_to_datetime(told)
        return _bounded((instant(then) - now) / SECOND) if then.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def _since_epoch(told: float, now: int) -> float:
    """A number near to the present epoch is one; any other is a number of seconds."""
    for unit in (1.0, 0.001):
        if abs(told * unit - now / SECOND) < _A_YEAR:
            return told * unit - now / SECOND
    return told


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST)


def reset_at(header: str, *, unit: float = 1.0) -> Callable[[httpx.Headers, int], float | None]:
    """A reader of a header that holds the epoch at which the budget is full again, in `unit` seconds (0.001: ms)."""

    def wait(headers: httpx.Headers, now: int) -> float | None:
        told = _number(headers.get(header))
        return None if told is None else _bounded(told * unit - now / SECOND)

    return wait


def reset_in(header: str, *, unit: float = 1.0) -> Callable[[httpx.Headers, int], float | None]:
    """A reader of a header that holds how long until the budget is full again, in `unit` seconds (0.001: ms)."""

    def wait(headers: httpx.Headers, now: int) -> float | None:
        told = _number(headers.get(header))
        return None if told is None else _bounded(told * unit)

    return wait


def first_of(*readers: Callable[[httpx.Headers, int], float | None]) -> Callable[[httpx.Headers, int], float | None]:
    """The first reader that finds a time wins."""

    def wait(headers: httpx.Headers, now: int) -> float | None:
        return next((seconds for reader in readers if (seconds := reader(headers, now)) is not None), None)

    return wait


def policy(clock: Clock, attempts: int = ATTEMPTS) -> tenacity.Retrying:
    """Repeat what was provably not applied, after the vendor's own wait or an exponential one; raise the last error."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_again),
        wait=_wait,
        stop=tenacity.stop_after_attempt(attempts),
        sleep=clock.sleep,
        reraise=True,
    )


_BACKOFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=20.0, jitter=0.5)


def _again(error: BaseException) -> bool:
    return isinstance(error, (Retry, Reauthenticate)) and not isinstance(error, RetryAt)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Reauthenticate):
        return 0.0
    if isinstance(error, Retry) and error.after is not None:
        return error.after
    return float(_BACKOFF(state))


def _number(told: str | None) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(told) if told else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
