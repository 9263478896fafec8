"""The one retry policy, and how long the headers ask us to wait."""

from __future__ import annotations

import email.utils
from collections.abc import Callable

import httpx
import tenacity

from kernel.clock import SECOND, Clock, instant
from kernel.errors import Reauthenticate, Retry, RetryAt

PATIENCE = 60.0
"""Seconds we wait inside a call; a longer wait goes back to the engine as RetryAt."""

ATTEMPTS = 5


def retry_after(headers: httpx.Headers, now: int) -> float | None:
    """Seconds from a Retry-After header (seconds or an HTTP date, RFC 9110); None without one that can be read."""
    told = headers.get("retry-after", "").strip()
    if not told:
        return None
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        then = email.utils.parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (instant(then) - now) / SECOND) if then.tzinfo else None


def reset_at(header: str, *, unit: float = 1.0) -> Callable[[httpx.Headers, int], float | None]:
    """A reader of a header that holds the epoch at which the budget is full again, in `unit` seconds (0.001: ms)."""

    def wait(headers: httpx.Headers, now: int) -> float | None:
        told = _number(headers.get(header))
        return None if told is None else max(0.0, told * unit - now / SECOND)

    return wait


def reset_in(header: str, *, unit: float = 1.0) -> Callable[[httpx.Headers, int], float | None]:
    """A reader of a header that holds how long until the budget is full again, in `unit` seconds (0.001: ms)."""

    def wait(headers: httpx.Headers, now: int) -> float | None:
        told = _number(headers.get(header))
        return None if told is None else max(0.0, told * unit)

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
    try:
        return float(told) if told else None
    except ValueError:
        return None
