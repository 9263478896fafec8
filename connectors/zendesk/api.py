"""What Zendesk's answers mean, and waiting for its jobs.

Facts: errors are {error, description, details} or {errors: […]}, a 429 is plain text with Retry-After; a 409 is a
database conflict, nothing was written (tap-zendesk retries it); endpoint limits stand in `zendesk-ratelimit-*` headers
as "total=10; remaining=8; resets=36". Jobs go queued → working → completed, failed or killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from connectors.budget import Told
from connectors.http import Answer, Http
from connectors.retry import PATIENCE, first_of, reset_in, retry_after
from connectors.verdicts import DEFAULT_VERDICTS, LOCKED, RETRY_SOON, Verdict, Verdicts
from kernel.clock import SECOND
from kernel.errors import Fate, RetryAt, ThroughlineError, Unknown
from kernel.records import Json

POLLS, POLL_SECONDS = 60, 2.0
_LIMIT = re.compile(r"remaining=(\d+);\s*resets=(\d+)")


def codes_of(body: Any) -> Iterable[str]:
    """The codes of an error body: those of single fields first, they tell most."""
    if not isinstance(body, dict):
        return []
    error = body.get("error")
    own = error.get("title", "") if isinstance(error, dict) else error
    listed = [one.get("code") for one in body.get("errors") or () if isinstance(one, dict)]
    inner = [one.get("error") for told in _details(body).values() for one in told if isinstance(one, dict)]
    return [str(code) for code in (*inner, own, *listed) if code]


def field_of(body: Any) -> str:
    """The first refused field."""
    return next(iter(_details(body)), "") if isinstance(body, dict) else ""


def _details(body: Mapping[str, Any]) -> Mapping[str, list[Any]]:
    details = body.get("details")
    if not isinstance(details, dict):
        return {}
    return {name: told for name, told in details.items() if isinstance(told, list)}


def _left(headers: httpx.Headers) -> list[Told]:
    """What the headers of every answer tell of the plan's requests a minute."""
    left, most = headers.get("x-rate-limit-remaining", ""), headers.get("x-rate-limit", "")
    if not left.isdigit() or not most.isdigit():
        return []
    return [Told("short", int(left), RESETS(headers, 0), most=int(most))]


RESETS = first_of(reset_in("ratelimit-reset"), reset_in("rate-limit-reset"))
VERDICTS: Verdicts = DEFAULT_VERDICTS.but(
    {409: LOCKED, 429: RETRY_SOON},
    by_code={
        "DuplicateValue": Verdict(Fate.PARK, "conflict"),
        "TooManyValues": Verdict(Fate.PARK, "too_large"),
        "TooManyJobs": RETRY_SOON,  # 30 jobs queued or running
        "IdempotentRequestError": Verdict(Fate.PARK, "wrong_request"),  # our key with another body: a defect of ours
    },
    codes=codes_of,
    field=field_of,
    wait=first_of(retry_after, RESETS),
    left=_left,
)


class Exports:
    """Keeps to an export's own limit, as its headers tell it: 10 requests a minute by time, 20 by cursor."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._free_at: dict[str, int] = {}

    def get(self, kind: str, path: str, params: Mapping[str, Any]) -> Answer:
        """One request; waits for the limit named `kind` when the last answer said that it is spent."""
        wait = (self._free_at.pop(kind, 0) - self._http.clock.now()) / SECOND
        if wait > PATIENCE:
            at = self._http.clock.now() + int(wait * SECOND)
            raise RetryAt(f"{self._http.connection}: the export's limit is spent", at=at, cause="rate_limited")
        if wait > 0:
            self._http.clock.sleep(wait)
        answer = self._http.get(path, params=params)
        told = _LIMIT.search(answer.headers.get(f"zendesk-ratelimit-{kind}", ""))
        if told and int(told[1]) == 0:
            self._free_at[kind] = self._http.clock.now() + int(told[2]) * SECOND
        return answer


def job_results(http: Http, answer: Answer) -> Sequence[Json]:
    """Wait for the job an answer started, and its results in the order of the request.

    Raises Unknown when the job does not end, ends badly, or cannot be asked: it may go on.
    """
    job = _job(answer)
    for poll in range(POLLS):
        if job.get("status") in ("completed", "failed", "killed"):
            break
        http.clock.sleep(min(POLL_SECONDS, 0.1 * 2**poll))
        try:
            job = _job(http.get(f"api/v2/job_statuses/{job['id']}.json"))
        except ThroughlineError as error:
            raise Unknown(f"the job cannot be followed: {error.message}", cause=error.cause) from None
    if job.get("status") != "completed" or not isinstance(job.get("results"), list):
        raise Unknown(f"the job is {job.get('status')}", cause="job_not_completed", request_id=answer.request_id)
    return [result if isinstance(result, dict) else {} for result in job["results"]]


def _job(answer: Answer) -> Json:
    body = answer.json()
    job = body.get("job_status") if isinstance(body, dict) else None
    if not isinstance(job, dict) or not job.get("id"):
        raise answer.unreadable("no job in the answer")
    return job
