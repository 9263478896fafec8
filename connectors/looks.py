"""What `check` looks at, each thing told with what to do about it."""

from __future__ import annotations

import email.utils
from collections.abc import Callable
from typing import TypeVar

from connectors.http import Answer
from kernel.clock import SECOND, instant
from kernel.errors import ThroughlineError
from kernel.records import Check

Found = TypeVar("Found")

APART = 60.0
"""Seconds our clock and the vendor's may differ."""


def looked(name: str, call: Callable[[], object], fix: str) -> Check:
    """One look: whatever `call` raises is told, with what to do about it."""
    try:
        call()
    except ThroughlineError as error:
        return Check(name, False, str(error), fix)
    return Check(name, True)


def first_look(
    name: str,
    call: Callable[[], Found],
    fix: str,
    then: Callable[[Found], list[Check]],
    detail: Callable[[Found], str] = lambda found: "",
) -> list[Check]:
    """The look that all others rest on: where it fails it stands alone, else `then` goes on with what it found."""
    try:
        found = call()
    except ThroughlineError as error:
        return [Check(name, False, str(error), fix)]
    return [Check(name, True, detail(found)), *then(found)]


def clock(answer: Answer, now: int | None = None) -> Check:
    """Whether our clock and the vendor's agree, by the date of an answer. `now`: instead of when the request was sent."""
    try:
        theirs = instant(email.utils.parsedate_to_datetime(answer.headers.get("date", "")))
    except ValueError:
        return Check("clock", True, "the answer tells no time")
    apart = abs((answer.sent_at if now is None else now) - theirs) / SECOND
    return Check("clock", apart <= APART, f"{apart:.0f} s apart", "" if apart <= APART else "set this machine's clock")
