"""Every error says what must happen next: its fate.

ThroughlineError
├── Retry              nothing was applied (or it was only a read): the same call may be made again soon
│   └── RetryAt        … but not before `at` (a daily budget, a long Retry-After)
├── Reauthenticate     the credential was refused: refresh it once, then Stop
├── Park               this record alone needs a person; its batch goes on
├── Unknown            a write may or may not have been applied; only a reconcile may decide
└── Stop               the stream or the run must not go on
    ├── BadDocument    a steward's file is wrong: file, line, field, allowed values
    ├── BadSetting     a variable, a connection or a command line is wrong
    └── Broken         one of our own invariants does not hold

A message never holds personal data: it names fields, rules and allowed values, never a record's value.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any


class Fate(StrEnum):
    """What the engine does with a failed step."""

    RETRY = "retry"
    RETRY_AT = "retry_at"
    REAUTHENTICATE = "reauthenticate"
    PARK = "park"
    UNKNOWN = "unknown"
    STOP = "stop"


class ThroughlineError(Exception):
    """Something went wrong."""

    fate = Fate.STOP
    outage = False
    """The vendor is down for everybody: it says nothing about this record."""

    def __init__(
        self,
        message: str = "",
        *,
        cause: str = "",
        field: str = "",
        trace_id: str = "",
        status: int | None = None,
        request_id: str = "",
    ) -> None:
        """`cause` is a code of `kernel.causes`; `status` and `request_id` are the vendor's, when there was an answer."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.cause = cause or self.fate.value
        self.field = field
        self.trace_id = trace_id
        self.status = status
        self.request_id = request_id
        super().__init__(self.message)

    def __str__(self) -> str:
        facts = [
            f"trace {self.trace_id}" if self.trace_id else "",
            f"request {self.request_id}" if self.request_id else "",
        ]
        told = ", ".join(fact for fact in facts if fact)
        return f"{self.message} [{told}]" if told else self.message


class Retry(ThroughlineError):
    """The call was not applied and may be made again."""

    fate = Fate.RETRY

    def __init__(
        self, message: str = "", *, after: float | None = None, sent: bool = True, cause: str = "", **facts: Any
    ) -> None:
        """`after`: seconds the vendor asked us to wait. `sent`: False where we did not even ask it."""
        super().__init__(message, cause=cause, **facts)
        self.after, self.sent = after, sent


class RetryAt(Retry):
    """The vendor's budget is spent; the call may be made again later."""

    fate = Fate.RETRY_AT

    def __init__(self, message: str = "", *, at: int, cause: str = "", **facts: Any) -> None:
        """`at`: instant (µs since the epoch) before which no call may be made."""
        super().__init__(message, cause=cause, **facts)
        self.at = at


class Reauthenticate(ThroughlineError):
    """The vendor refused the credential."""

    fate = Fate.REAUTHENTICATE


class Park(ThroughlineError):
    """This record needs a person."""

    fate = Fate.PARK

    def __init__(self, message: str = "", *, allowed: Iterable[str] = (), cause: str = "", **facts: Any) -> None:
        """`allowed`: the values that would have been right."""
        self.allowed = tuple(allowed)
        super().__init__(message + _allowed_text(self.allowed), cause=cause, **facts)


class Unknown(ThroughlineError):
    """The write may or may not have been applied."""

    fate = Fate.UNKNOWN


class Stop(ThroughlineError):
    """The run cannot go on."""


class BadSetting(Stop):
    """A setting is wrong."""


class Broken(Stop):
    """An invariant does not hold; this is a defect of Throughline."""


class BadDocument(Stop):
    """A steward's file is wrong."""

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        field: str = "",
        value: str = "",
        allowed: Iterable[str] = (),
    ) -> None:
        """`value` is the wrong name as written; the nearest of `allowed` is offered first."""
        self.file, self.line, self.allowed = file, line, tuple(allowed)
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        where = f"{field}: " if field else ""
        near = difflib.get_close_matches(value, self.allowed, n=1) if value else []
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        super().__init__(
            f"{place}{where}{message}{hint}{_allowed_text(self.allowed)}", cause="bad_document", field=field
        )


def _allowed_text(allowed: tuple[str, ...], most: int = 12) -> str:
    if not allowed:
        return ""
    shown = ", ".join(allowed[:most]) + (f" … ({len(allowed)} in all)" if len(allowed) > most else "")
    return f"; allowed: {shown}"
