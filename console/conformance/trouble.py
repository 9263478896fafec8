"""Limits and errors: what is waited for, what is given up, and that nothing is lost or asked for too often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import orjson

from connectors.base import Connector
from console.conformance.checks import Unmet, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.causes import CAUSES
from kernel.clock import SECOND
from kernel.errors import Fate, RetryAt, ThroughlineError

PASSING = ("429", "500", "502", "503", "504", "timeout", "reset", "truncated", "dropped", "html200", "empty200")
STATUSES = (400, 401, 403, 404, 405, 409, 413, 415, 422, 423, 429, 500, 502, 503, 504)


@check("trouble.read")
def reading(g: Ground, resource: str) -> None:
    """Every passing trouble in the middle of a read: the read is complete, and asked no more than it had to."""
    resource = _read(g)
    made = g.there(resource) | set(g.make_slowly(resource, 2 * g.practice.page + 3))
    g.quiet(resource)
    for kind in PASSING:
        connector = g.ready()
        connector.http.timeout = 0.2
        g.forget()
        g.sim.faults.add(kind, *g.practice.reading, nth=2, seconds=0.5)
        same(g.read(connector, resource).live, made, f"objects read through {kind}")
        hit = [call for call in g.sim.calls if call.fault]
        same(len(hit), 1, f"{kind}: requests spoiled")
        g.sim.faults.clear()
        g.quiet(resource)


@check("trouble.retry_after")
def retry_after(g: Ground, resource: str) -> None:
    """A 429's own wait is kept to; a long one goes back as a time not before which."""
    resource = _read(g)
    g.make(resource, 3)
    g.quiet(resource)
    connector = g.ready()
    g.sim.faults.add(429, *g.practice.reading, retry_after=7)
    before = g.clock.now()
    g.read(connector, resource)
    expect(g.clock.now() - before >= 7 * SECOND, "Retry-After is not kept to")
    g.sim.faults.clear()
    g.sim.faults.add(429, *g.practice.reading, retry_after=3_600, times=None)
    g.forget()
    error = _error(g.open(), resource)
    expect(isinstance(error, RetryAt), f"an hour's Retry-After: {error.fate}, not retry_at")
    if isinstance(error, RetryAt):
        apart = (error.at - g.clock.now()) / SECOND
        expect(3_500 <= apart <= 3_700, f"an hour's Retry-After became {apart:.0f} s")
    expect(len(g.calls()) < 12, "it is asked again though an hour's wait was told")


@check("trouble.daily")
def daily(g: Ground, resource: str) -> None:
    """A day's budget that is spent pauses the connection, for both reading and writing."""
    resource = _read(g)
    only_where("spend" in type(g.practice).__dict__, "the vendor has no daily budget")
    connector = g.ready()
    g.make(resource, 2)
    g.practice.spend()
    error = _error(connector, resource)
    expect(isinstance(error, RetryAt) and error.cause == "daily_budget", f"a spent day: {error.fate} ({error.cause})")
    written = next(iter(g.practice.written), "")
    if written:
        told = g.write(connector, written, [g.item(written)])[0].error
        expect(isinstance(told, RetryAt), f"a write on a spent day: {told and told.fate}")


@check("trouble.permanent")
def permanent(g: Ground, resource: str) -> None:
    """A vendor that is down for good: given up after a few tries, to be tried again later, never stopped for ever."""
    resource = _read(g)
    connector = g.ready()
    for kind in ("500", "reset", "html200"):
        g.sim.faults.clear()
        g.sim.faults.add(kind, *g.practice.reading, times=None)
        g.forget()
        error = _error(connector, resource)
        expect(error.fate in (Fate.RETRY, Fate.RETRY_AT), f"{kind} for ever: {error.fate}, not retry")
        expect(len(g.calls()) <= 12, f"{kind} for ever: {len(g.calls())} requests")


@check("trouble.codes")
def codes(g: Ground, resource: str) -> None:
    """A fate for every status and documented code, its cause in the catalogue; live answers get the fate declared."""
    connector = g.ready()
    verdicts = connector.http.verdicts
    for verdict in (*verdicts.statuses.values(), *verdicts.by_code.values()):
        expect(verdict.cause in CAUSES, f"the cause {verdict.cause} is not in the catalogue")
    for status in STATUSES:
        verdict_of, _ = verdicts.judge(status, None)
        expect(verdict_of is not None and verdict_of.cause != "unexpected_status", f"nobody says what {status} means")
    strange, _ = verdicts.judge(418, None)
    expect(strange is not None and strange.fate is Fate.STOP, "a status nobody knows must stop")
    written = next(iter(g.practice.written), "")
    only_where(g.practice.simulated and written, "nothing is written")
    for status in (400, 403, 404, 409, 422, 500, 503):
        g.sim.faults.clear()
        g.sim.faults.add(status, *g.practice.writes(written), times=None)
        error = g.write(connector, written, [g.item(written)])[0].error
        declared, _ = verdicts.judge(status, _body(g, status))
        expect(error is not None, f"a write answered {status} is told as applied")
        if error is not None and declared is not None:
            wanted = {declared.fate, Fate.RETRY_AT} if declared.fate is Fate.RETRY else {declared.fate}
            expect(error.fate in wanted, f"a write answered {status}: {error.fate}, declared is {declared.fate}")
            expect(error.cause in CAUSES, f"the cause {error.cause} is not in the catalogue")


@check("trouble.calls")
def calls(g: Ground, resource: str) -> None:
    """Reading costs one request a page and what the vendor makes necessary, not one a record; also before any set-up."""
    resource = _read(g)
    g.make_slowly(resource, 3 * g.practice.page)
    g.quiet(resource)
    connector = g.open()
    g.forget()
    found = g.read(connector, resource)
    most = len(found.pages) * g.practice.page_calls + 3
    expect(len(g.calls()) <= most, f"{len(found.pages)} pages cost {len(g.calls())} requests, {most} are allowed")


@check("trouble.page_loop")
def page_loop(g: Ground, resource: str) -> None:
    """A vendor whose paging goes in circles ends the read; it never becomes ours to go round for ever."""
    resource = _read(g)
    g.make_slowly(resource, 3 * g.practice.page)
    g.quiet(resource)
    connector = g.ready()
    next(iter(connector.read(resource, None)))  # what will be given again and again
    g.sim.faults.add("duplicate_page", *g.practice.reading, times=None)
    pages = 0
    try:
        for _ in connector.read(resource, None):
            pages += 1
            if pages > 60:
                raise Unmet("the read goes round and round")
    except ThroughlineError as error:
        same(error.fate, Fate.STOP, f"the fate of a paging loop ({error.cause})")


@check("trouble.token")
def token(g: Ground, resource: str) -> None:
    """A token that ends in the middle of a run is fetched once, however many threads were refused; reads go on."""
    resource = _read(g)
    settings = g.practice.oauth()
    only_where(settings, "no token that ends")
    made = g.there(resource) | set(g.make_slowly(resource, 2 * g.practice.page + 3))
    g.quiet(resource)
    g.ready()
    connector = g.open(settings)
    reading = connector.read(resource, None)
    seen = {record.id for record in next(reading).records}
    newer, newest = (f"{g.sim.token}-{n}" for n in (2, 3))
    g.sim.token = newer
    g.forget()
    seen |= {record.id for page in reading for record in page.records}
    same(seen, made, "objects of a read through a token's end")
    same(len(g.calls("POST", g.practice.token_path)), 1, "tokens fetched")
    g.sim.token = newest
    g.forget()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: next(connector.read(resource, None)), range(4)))
    same(len(g.calls("POST", g.practice.token_path)), 1, "tokens fetched by four threads")


def _read(g: Ground) -> str:
    """The resource to read."""
    resource = g.practice.main
    only_where(g.practice.simulated and g.resources[resource].readable, "no vendor is read")
    return resource


def _error(connector: Connector, resource: str) -> ThroughlineError:
    try:
        for _ in connector.read(resource, None):
            pass
    except ThroughlineError as error:
        return error
    raise Unmet("the read goes through all the same")


def _body(g: Ground, status: int) -> object:
    """The vendor's error body, parsed; None when it is no JSON."""
    try:
        told: object = orjson.loads(bytes(g.sim.error(status).body))
    except orjson.JSONDecodeError:
        return None
    return told
