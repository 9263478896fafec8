"""What an HTTP answer means: a table from status and body code to a fate, which each connector may override.

A vendor's status alone is not enough: Salesforce spends its daily budget with a 403, Shopify throttles inside a 200.
So a connector names its body codes, and codes win over statuses. A status nobody named stops the stream, unretried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from connectors.budget import Told
from connectors.dotted import at
from connectors.retry import retry_after
from kernel.clock import SECOND
from kernel.errors import Fate, Park, Reauthenticate, Retry, RetryAt, Stop, ThroughlineError, Unknown

_PLAIN = re.compile(r"[^\w.\-: ]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What must happen next. UNKNOWN means "may have been applied": for a read it becomes RETRY."""

    fate: Fate
    cause: str
    seconds: float | None = None  # how long to wait when the answer itself names no time


RETRY_SOON = Verdict(Fate.RETRY, "rate_limited")
MAYBE_APPLIED = Verdict(Fate.UNKNOWN, "server_error")
LOCKED = Verdict(Fate.RETRY, "locked")
REFUSED = Verdict(Fate.PARK, "refused")
FORBIDDEN = Verdict(Fate.STOP, "forbidden")
REFUSED_CREDENTIAL = Verdict(Fate.REAUTHENTICATE, "unauthorized")

STATUSES: Mapping[int, Verdict] = {
    **dict.fromkeys((301, 302, 303, 307, 308), Verdict(Fate.STOP, "redirected")),
    **dict.fromkeys((400, 402, 406, 411, 412, 415, 422), REFUSED),
    401: REFUSED_CREDENTIAL,
    403: FORBIDDEN,
    404: Verdict(Fate.PARK, "not_found"),
    405: Verdict(Fate.STOP, "wrong_request"),
    408: Verdict(Fate.UNKNOWN, "timeout"),
    409: Verdict(Fate.PARK, "conflict"),
    410: Verdict(Fate.PARK, "not_found"),
    413: Verdict(Fate.PARK, "too_large"),
    414: Verdict(Fate.STOP, "wrong_request"),
    423: LOCKED,
    425: LOCKED,
    429: RETRY_SOON,
    **dict.fromkeys((500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 524, 529, 530), MAYBE_APPLIED),
}
"""The statuses every vendor means alike."""


def no_codes(body: Any) -> Iterable[str]:
    """A vendor without body codes."""
    return ()


def codes_at(*paths: str) -> Callable[[Any], Iterable[str]]:
    """A vendor whose codes stand at these dotted paths of an error body, the most telling first."""
    return lambda body: [code for path in paths if (code := at(body, path))]


def no_header_codes(headers: httpx.Headers) -> Iterable[str]:
    """A vendor whose headers tell no more than its status."""
    return ()


def no_field(body: Any) -> str:
    """A vendor that does not name the field it refused."""
    return ""


def no_wait(body: Any) -> float | None:
    """A vendor whose bodies name no waiting time."""
    return None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A connector's reading of its vendor's answers.

    `codes` draws the vendor's error codes out of a parsed error body, the most telling first; `field` the name of the
    refused field; `header_codes` gives codes of our own for what only the headers tell (a spent day). `wait` reads how
    many seconds the headers ask for. `inside_success` also asks `codes` of 2xx bodies.
    """

    statuses: Mapping[int, Verdict] = field(default_factory=lambda: STATUSES)
    by_code: Mapping[str, Verdict] = field(default_factory=dict)
    codes: Callable[[Any], Iterable[str]] = no_codes
    header_codes: Callable[[httpx.Headers], Iterable[str]] = no_header_codes
    field: Callable[[Any], str] = no_field
    wait: Callable[[httpx.Headers, int], float | None] = retry_after
    body_wait: Callable[[Any], float | None] = no_wait  # seconds, where a body says more than the headers
    left: Callable[[httpx.Headers], list[Told]] | None = None  # what the headers of any answer say is left of a limit
    request_id: tuple[str, ...] = ("request-id", "x-request-id")
    inside_success: bool = False

    def but(self, statuses: Mapping[int, Verdict] | None = None, **changes: Any) -> Verdicts:
        """The same reading with some statuses or parts changed."""
        return replace(self, statuses={**self.statuses, **(statuses or {})}, **changes)

    def judge(self, status: int, body: Any, headers: httpx.Headers | None = None) -> tuple[Verdict | None, str]:
        """The verdict (None: all is well) and the vendor's code it rests on. `body` is None when it is not JSON."""
        success = 200 <= status < 300
        for code in self.header_codes(headers) if headers is not None and not success else ():
            if code in self.by_code:
                return self.by_code[code], code
        if body is not None and (self.inside_success or not success):
            codes = [str(code) for code in self.codes(body) if code]
            known = next((code for code in codes if code in self.by_code), None)
            if known is not None:
                return self.by_code[known], known
            if not success:
                return self.statuses.get(status, _UNNAMED), codes[0] if codes else ""
        return (None, "") if success else (self.statuses.get(status, _UNNAMED), "")


DEFAULT_VERDICTS = Verdicts()
_UNNAMED = Verdict(Fate.STOP, "unexpected_status")


def fated(
    verdict: Verdict, *, write: bool, now: int, after: float | None, connection: str, **facts: Any
) -> ThroughlineError:
    """The error a verdict stands for. `facts`: code, field, status, request_id, trace_id; never the vendor's prose."""
    code = _PLAIN.sub("", str(facts.pop("code", "")))[:80]
    facts["field"] = _PLAIN.sub("", str(facts.get("field", "")))[:80]
    told = f"{connection}: the vendor answered {facts.get('status')}" + (f" {code}" if code else "")
    told += f" for field {facts['field']}" if facts["field"] else ""
    wait = after if after is not None else verdict.seconds
    match verdict.fate:
        case Fate.RETRY | Fate.UNKNOWN if verdict.fate is Fate.RETRY or not write:
            return Retry(told, after=wait, cause=verdict.cause, **facts)
        case Fate.RETRY_AT:
            return RetryAt(told, at=now + int((wait or 3600.0) * SECOND), cause=verdict.cause, **facts)
        case Fate.UNKNOWN:
            return Unknown(told, cause=verdict.cause, **facts)
        case Fate.REAUTHENTICATE:
            return Reauthenticate(told, cause=verdict.cause, **facts)
        case Fate.PARK:
            return Park(told, cause=verdict.cause, **facts)
        case _:
            return Stop(f"{told}; run: throughline check {connection}", cause=verdict.cause, **facts)
