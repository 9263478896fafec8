"""Streams: pages, cursors, ties, lag, deletes, windows, memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import orjson

from connectors.base import Connector, Deletes
from console.conformance.checks import Unmet, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.clock import SECOND
from kernel.records import Cursor, Page, SourceRecord

LARGEST_PAGE = 5_000


@check("read.pages", per="readable")
def pages(g: Ground, resource: str) -> None:
    """At least three pages where there are pages, every object in one of them, each cursor a small JSON object."""
    made = g.there(resource) | set(g.make_slowly(resource, _three_pages(g)))
    g.quiet(resource)
    found = g.read(g.ready(), resource)
    full = [page for page in found.pages if page.records]
    enough = 1 if resource in g.practice.whole else 3
    expect(len(full) >= enough, f"{len(made)} objects came on {len(full)} pages; at least {enough} are wanted")
    same(found.live, made, "objects read")
    for page in found.pages:
        told = orjson.dumps(page.cursor)
        expect(orjson.loads(told) == page.cursor, "a cursor does not survive its way through JSON")
        expect(len(told) < 4_096 + 100 * len(g.resources), "a cursor grows without bound")
    for record in found.records:
        _well_made(g, resource, record)


@check("read.resumable", per="readable")
def resumable(g: Ground, resource: str) -> None:
    """Stopped after every page and gone on from its cursor by another process: the same set."""
    made = g.there(resource) | set(g.make_slowly(resource, _three_pages(g)))
    g.ready()
    g.quiet(resource)
    seen = {record.id for page in _page_by_page(g, resource, None) for record in page.records}
    same(seen, made, "objects read page by page")


@check("read.incremental", per="readable")
def incremental(g: Ground, resource: str) -> None:
    """From a cursor come what is new and what was edited, as it is now, and not the whole again."""
    _only_incremental(g, resource)
    connector, before = g.ready(), g.make(resource, 6)
    g.quiet(resource)
    recent = set(g.make(resource, 2))
    g.quiet(resource)
    first = g.read(connector, resource)
    g.quiet(resource)
    new = set(g.make(resource, 3))
    if resource in g.practice.edit:
        g.change(resource, before[2])
        g.change(resource, before[2])
        new.add(before[2])
    g.quiet(resource)
    second = g.read(connector, resource, first.cursor)
    same(second.live - recent, new, "objects of the second read")
    expect(g.read(connector, resource, second.cursor).live <= new, "what did not change comes again and again")
    if before[2] in new:
        now = {record.id: record for record in connector.fetch(resource, [before[2]])}
        content = g.content(resource)
        same(content(second.state[before[2]]), content(now[before[2]]), "an edited object, read and fetched")


@check("read.full_equals_incremental", per="readable")
def full_equals_incremental(g: Ground, resource: str) -> None:
    """A first read and what follows add up to a read from zero: the same objects with the same content."""
    connector, before = g.ready(), g.make(resource, 7)
    first = g.read(connector, resource)
    g.quiet(resource)
    g.make(resource, 2)
    if resource in g.practice.edit:
        g.change(resource, before[0])
    gone = g.remove(resource, before[3])
    g.quiet(resource)
    second, whole = g.read(connector, resource, first.cursor), g.read(connector, resource)
    added = {**first.state, **second.state}
    if gone and g.resources[resource].deletes is not Deletes.IN_STREAM:
        added.pop(before[3])  # known by a sweep only
    content = g.content(resource)
    same({id for id, one in added.items() if not one.deleted}, whole.live, "objects by increments")
    for id, record in whole.state.items():
        if not record.deleted:
            same(content(added[id]), content(record), f"the content of {id} by increments")


@check("read.ties", per="readable")
def ties(g: Ground, resource: str) -> None:
    """Objects of one instant over several pages: none is lost at a border, wherever the read is interrupted."""
    _only_incremental(g, resource)
    connector = g.ready()
    g.make(resource, 2)
    cursor = g.read(connector, resource).cursor
    g.quiet(resource)
    made = set(g.make(resource, _three_pages(g)))
    g.quiet(resource)
    same(g.read(connector, resource, cursor).live & made, made, "objects of one instant")
    seen = {record.id for page in _page_by_page(g, resource, cursor) for record in page.records}
    same(seen & made, made, "objects of one instant, page by page")


@check("read.lag", per="readable")
def lag(g: Ground, resource: str) -> None:
    """What the vendor shows late, within the declared lag and look-back, comes with a later read."""
    _only_incremental(g, resource)
    declared = g.resources[resource]
    seconds = (declared.safety_lag + declared.lookback).total_seconds() / 2
    connector = g.ready()
    g.make(resource, 2)
    cursor = g.read(connector, resource).cursor
    g.quiet(resource)
    g.practice.lag(seconds)
    made, seen = set[str](), set[str]()
    for _ in range(4):
        made |= set(g.make(resource))
        found = g.read(connector, resource, cursor)
        seen, cursor = seen | found.live, found.cursor
        g.clock.sleep(seconds / 3 + 1)
    g.practice.lag(0.0)
    g.quiet(resource)
    seen |= g.read(connector, resource, cursor).live
    same(seen & made, made, "objects that were shown late")


@check("read.future", per="readable")
def future(g: Ground, resource: str) -> None:
    """A state of the future yields nothing of the past and harms nothing."""
    _only_incremental(g, resource)
    connector, now = g.ready(), g.clock.now()
    made = set(g.make(resource, 3))
    g.clock.sleep(10 * 86_400)
    g.make(resource)
    g.quiet(resource)
    ahead = g.read(connector, resource).cursor
    g.clock.sleep((now - g.clock.now()) / SECOND)
    g.quiet(resource)
    connector = g.open()
    found = g.read(connector, resource, ahead)
    same(found.live & made, set(), "objects yielded by a state of the future")
    same(g.read(connector, resource).live & made, made, "objects read from zero afterwards")


@check("read.deletes", per="readable")
def deletes(g: Ground, resource: str) -> None:
    """Deletes are told as declared: in the stream, by a sweep, or not; fetch always knows."""
    connector, made = g.ready(), g.make(resource, 4)
    first, declared = g.read(connector, resource), g.resources[resource].deletes
    g.quiet(resource)
    if not g.remove(resource, made[1]):
        only_where(False, "nobody can delete one")
    g.quiet(resource)
    second = g.read(connector, resource, first.cursor)
    if declared is Deletes.IN_STREAM:
        same(second.gone, {made[1]}, "tombstones")
    elif declared is Deletes.SWEEP:
        same(g.read(connector, resource).live, {*made} - {made[1]}, "objects of a complete read")
        expect(not second.gone, "tombstones in a stream that declares none")
    expect(made[1] not in second.live, "a deleted object comes as if it were there")
    fetched = connector.fetch(resource, [made[1], made[0]])
    same(
        [(one.id, one.deleted) for one in fetched],
        [(made[1], True), (made[0], False)],
        "fetch of a deleted and a live object",
    )


@check("read.empty", per="readable")
def empty(g: Ground, resource: str) -> None:
    """An empty source, and one that suddenly shows nothing: an end, and no tombstone."""
    connector = g.ready()
    nothing = g.read(connector, resource)
    same(nothing.live, g.there(resource), "objects of an empty account")
    g.make(resource, 5)
    g.quiet(resource)
    first = g.read(connector, resource, nothing.cursor or None)
    g.practice.vanish(resource)
    g._flush()
    g.quiet(resource)
    for since in (first.cursor, None):
        found = g.read(connector, resource, since)
        expect(not found.gone, "a source that shows nothing yields tombstones")


@check("read.window", per="readable")
def window(g: Ground, resource: str) -> None:
    """A window of time holds what was made in it, for resources that say they can be read back."""
    only_where(g.resources[resource].backfill, "no backfill declared")
    g.ready()
    eras = []
    for _ in range(3):
        start = g.clock.now()
        g.clock.sleep(10)
        eras.append((start, set(g.make(resource, 3))))
        g.clock.sleep(3_600)
    g.quiet(resource)
    found = g.read(g.open(), resource, window=(eras[1][0], eras[2][0]))
    same(found.live, eras[1][1], "objects of the window")


@check("read.cap")
def cap(g: Ground, resource: str) -> None:
    """More results than the vendor shows of one query are split, never silently cut."""
    resource = g.practice.main
    only_where(g.practice.cap, "the vendor has no such ceiling")
    connector = g.ready()
    cursor = g.read(connector, resource).cursor
    g.quiet(resource)
    made = set(g.make(resource, g.practice.cap + 50))
    g.quiet(resource)
    same(g.read(connector, resource, cursor).live, made, "objects beyond the ceiling")


@check("read.memory")
def memory(g: Ground, resource: str) -> None:
    """However many rows there are, no more than a few pages of them are held at once."""
    resource = g.practice.main
    only_where(g.resources[resource].readable, "nothing is read")
    g.practice.paged(large=True)
    g.make(resource, g.practice.volume)
    g.quiet(resource)
    rows = largest = 0
    for number, page in enumerate(g.ready().read(resource, None)):
        rows, largest = rows + len(page.records), max(largest, len(page.records))
        if number % 20 == 7:
            held = sum(isinstance(one, SourceRecord) for one in gc.get_objects())
            expect(held <= 3 * largest, f"{held} records are held after {rows} rows on pages of {largest}")
    expect(rows >= g.practice.volume, f"{rows} of {g.practice.volume} rows were read")
    expect(largest <= LARGEST_PAGE, f"a page holds {largest} records")


@check("read.fetch", per="readable")
def fetch(g: Ground, resource: str) -> None:
    """Objects by id come in the order asked for, with the content a read gives."""
    connector, made = g.ready(), g.make(resource, 5)
    asked = [made[3], made[0], made[4]]
    fetched = connector.fetch(resource, asked)
    same([record.id for record in fetched], asked, "the order of fetched objects")
    g.quiet(resource)
    read, content = g.read(connector, resource).state, g.content(resource)
    for record in fetched:
        same(content(record), content(read[record.id]), "an object read and fetched")


def _three_pages(g: Ground) -> int:
    return 2 * g.practice.page + g.practice.page // 2


def _only_incremental(g: Ground, resource: str) -> None:
    only_where(g.resources[resource].incremental, "every read is complete")


def _page_by_page(g: Ground, resource: str, cursor: Cursor | None) -> Iterator[Page]:
    """Each page by a connector of its own, as after a crash."""
    for _ in range(100):
        connector: Connector = g.open()
        page = next(iter(connector.read(resource, cursor)))
        connector.close()
        yield page
        if page.last:
            return
        cursor = orjson.loads(orjson.dumps(page.cursor))
    raise Unmet("a read that is interrupted after every page does not end")


def _well_made(g: Ground, resource: str, record: SourceRecord) -> None:
    declared = g.resources[resource]
    value: object = record.raw
    for step in declared.id.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    same(str(value), record.id, f"the id at {declared.id}")
    expect(not record.deleted, "an object that is there is told deleted")
    if declared.updated_at is not None:
        expect(record.updated_at is not None, f"{declared.updated_at} is declared, and a record has no time")
    if record.updated_at is not None:
        apart = abs(record.updated_at - g.clock.now()) / SECOND
        expect(apart < 86_400, "a record's time is days away from when it was made")
