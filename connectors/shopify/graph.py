"""Sending GraphQL: what an answer means, and staying inside the cost bucket.

Facts (shopify.dev, API rate limits; recorded exchanges): every answer carries `extensions.cost` with the points asked
for and the bucket's state. A spent bucket answers 200 with the code THROTTLED and nothing executed. A document over
1,000 points answers MAX_COST_EXCEEDED whatever the bucket holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.http import Answer, Http
from connectors.verdicts import DEFAULT_VERDICTS, FORBIDDEN, MAYBE_APPLIED, REFUSED, RETRY_SOON, Verdict, Verdicts
from kernel.clock import SECOND, Clock
from kernel.errors import Fate, Stop
from kernel.records import Json

_MAYBE = ("INTERNAL_SERVER_ERROR", "TIMEOUT")
_MUTATION = re.compile(r"[msxd]\d+")  # our aliases of mutations
TOO_LARGE = Verdict(Fate.PARK, "too_large")
WRONG_QUERY = Verdict(Fate.STOP, "wrong_request")


def codes_of(body: Any) -> Iterable[str]:
    """The codes of the top-level errors; a locked or frozen shop answers `errors` as a plain text."""
    errors = _errors(body)
    data = body.get("data") if isinstance(body, dict) else None
    partly = isinstance(data, dict) and any(told is not None for told in data.values())
    codes = [(str((error.get("extensions") or {}).get("code") or ""), error.get("path") or [""]) for error in errors]
    # What became of one mutation of several is told by its own outcome; see `alias_errors`.
    return [code for code, path in codes if not (partly and code in _MAYBE and _MUTATION.fullmatch(str(path[0])))]


def field_of(body: Any) -> str:
    """The field whose value does not fit its type."""
    problems = ((error.get("extensions") or {}).get("problems") or () for error in _errors(body))
    paths = (problem.get("path") or () for told in problems for problem in told)
    return next((".".join(map(str, path)) for path in paths if path), "")


def _errors(body: Any) -> list[Json]:
    errors = body.get("errors") if isinstance(body, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def cost_wait(body: Any) -> float | None:
    """Seconds until the bucket holds what was asked for; None when the body tells no cost."""
    cost = ((body.get("extensions") or {}).get("cost") or {}) if isinstance(body, dict) else {}
    status = cost.get("throttleStatus") or {}
    rate = float(status.get("restoreRate") or 0)
    if rate <= 0:
        return None
    return max(0.0, (float(cost.get("requestedQueryCost") or 0) - float(status.get("currentlyAvailable") or 0)) / rate)


VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    {
        402: Verdict(Fate.STOP, "forbidden"),  # the shop is frozen
        404: Verdict(Fate.STOP, "wrong_request"),  # no such shop, or no such API version
        423: Verdict(Fate.STOP, "forbidden"),  # the shop is locked
        430: Verdict(Fate.RETRY, "rate_limited", seconds=30.0),  # too many suspicious requests
    },
    by_code={
        "THROTTLED": RETRY_SOON,
        "MAX_COST_EXCEEDED": TOO_LARGE,
        "ACCESS_DENIED": FORBIDDEN,
        "SHOP_INACTIVE": FORBIDDEN,
        "INTERNAL_SERVER_ERROR": MAYBE_APPLIED,
        "TIMEOUT": MAYBE_APPLIED,
        "INVALID_VARIABLE": REFUSED,  # one record's value does not fit its type: nothing was executed
        "BAD_USER_INPUT": REFUSED,
        "undefinedField": WRONG_QUERY,  # the pinned API version and our documents disagree
    },
    codes=codes_of,
    field=field_of,
    body_wait=cost_wait,
    inside_success=True,
)


class Graph:
    """Documents out, `data` in. One per connection."""

    def __init__(self, http: Http, path: str) -> None:
        """`path`: the endpoint below the base URL."""
        self.http, self._path = http, path
        self._bucket = _Bucket(http.clock)

    def send(
        self, document: str, variables: Mapping[str, Any] | None = None, *, write: bool = False
    ) -> tuple[Json, Answer]:
        """The answer's `data`, and the answer. A write's errors about single aliases are left for `alias_errors`."""
        self._bucket.wait_for(document)
        body = {"query": document, "variables": dict(variables or {})}
        answer = self.http.send("POST", self._path, json=body, write=write)
        told = answer.json()
        if not isinstance(told, dict):
            raise answer.unreadable()
        self._bucket.learn(document, (told.get("extensions") or {}).get("cost"))
        data = told.get("data")
        if told.get("errors") and not (write and isinstance(data, dict)):
            code = next(iter(codes_of(told)), "") or "an error without a code"
            raise Stop(
                f"{self.http.connection}: Shopify answered {code}", cause="wrong_request", request_id=answer.request_id
            )
        if not isinstance(data, dict):
            raise answer.unreadable()
        return data, answer


def alias_errors(answer: Answer) -> dict[str, str]:
    """The code of the error that hit each alias of a document, by alias."""
    found: dict[str, str] = {}
    for error in answer.json().get("errors") or ():
        path = error.get("path") or ()
        if path:
            found.setdefault(str(path[0]), str((error.get("extensions") or {}).get("code") or "error"))
    return found


class _Bucket:
    """The cost bucket as the last answer showed it, refilled by the clock; other apps' workers drain it too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._costs: dict[str, float] = {}
        self._available = self._rate = self._most = 0.0
        self._at = 0

    def wait_for(self, document: str) -> None:
        """Sleep until the bucket can pay for a document that was sent before."""
        cost = self._costs.get(document, 0.0)
        if self._rate <= 0 or cost <= 0:
            return
        available = min(self._most, self._available + self._rate * (self._clock.now() - self._at) / SECOND)
        if cost > available:
            self._clock.sleep(min(60.0, (cost - available) / self._rate))

    def learn(self, document: str, cost: Any) -> None:
        """Remember what a document costs and what was left."""
        status = (cost or {}).get("throttleStatus") or {}
        if not status:
            return
        if len(self._costs) > 200:  # the aliased documents come in as many kinds as there are batch sizes
            self._costs.clear()
        self._costs[document] = float(cost.get("requestedQueryCost") or 0)
        self._available, self._rate = (
            float(status.get("currentlyAvailable") or 0),
            float(status.get("restoreRate") or 0),
        )
        self._most, self._at = float(status.get("maximumAvailable") or 0), self._clock.now()
