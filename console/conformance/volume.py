"""Large reads by the vendor's bulk road, where a connector declares one."""

from __future__ import annotations

import orjson

from connectors.base import Connector
from console.conformance.checks import Unmet, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.records import Cursor, Page


@check("bulk.read")
def bulk_read(g: Ground, resource: str) -> None:
    """A complete read that is large enough takes one job, and gives the content its pages would."""
    resource = _declared(g)
    made = _many(g, resource)
    by_pages, by_job = g.read(g.ready(), resource), g.read(_large(g), resource)
    same(g.practice.jobs(), 1, "jobs begun")
    same(by_job.live, made, "objects read by a job")
    content = g.content(resource)
    for id, record in by_pages.state.items():
        same(content(by_job.state[id]), content(record), "the content of an object, by a job and by pages")
        same(by_job.state[id].updated_at, record.updated_at, "the time of an object, by a job and by pages")


@check("bulk.resumable")
def bulk_resumable(g: Ground, resource: str) -> None:
    """Killed after every page, while it waits too, a read goes on with its job by the id in the cursor."""
    resource = _declared(g)
    made, seen = _many(g, resource), set[str]()
    cursor: Cursor | None = None
    for _ in range(100):
        page = next(iter(_large(g).read(resource, cursor)))
        seen |= {record.id for record in page.records}
        cursor = orjson.loads(orjson.dumps(page.cursor))
        if page.last:
            break
    else:
        raise Unmet("a read by a job that is killed after every page does not end")
    same(g.practice.jobs(), 1, "jobs begun")
    same(seen, made, "objects read page by page")


@check("bulk.lost")
def bulk_lost(g: Ground, resource: str) -> None:
    """Where the vendor has forgotten the job, the read is complete all the same."""
    resource = _declared(g)
    made, seen = _many(g, resource), set[str]()
    pages: list[Page] = []
    for page in _large(g).read(resource, None):
        pages.append(page)
        seen |= {record.id for record in page.records}
        if len(pages) == 1:
            g.practice.lose_jobs()
    expect(pages[-1].last, "the last page does not say that it is the last")
    same(seen, made, "objects read without the job")


@check("bulk.meanwhile")
def bulk_meanwhile(g: Ground, resource: str) -> None:
    """What is edited after a job was begun comes with it or with the next read, however long the job takes."""
    resource = _declared(g)
    made, connector = _many(g, resource), _large(g)
    edited, pages = sorted(made)[-1], list[Page]()
    for page in connector.read(resource, None):
        pages.append(page)
        if page.records and len(pages) > 1 and edited:
            g.clock.sleep(600)
            g.change(resource, edited)
            g.quiet(resource)
            edited, wanted = "", edited
    now = connector.fetch(resource, [wanted])[0]
    last = [record for page in pages for record in page.records if record.id == wanted]
    last += [record for record in g.read(connector, resource, pages[-1].cursor).records if record.id == wanted]
    content = g.content(resource)
    same(content(last[-1]), content(now), "an object that was edited while its job ran")


def _declared(g: Ground) -> str:
    resource = g.practice.main
    only_where(g.resources[resource].bulk, "no bulk road declared")
    expect(g.practice.bulk[0], "the practice does not say how the bulk road is taken")
    return resource


def _many(g: Ground, resource: str) -> set[str]:
    made = g.there(resource) | set(g.make_slowly(resource, max(g.practice.bulk[1] + 10, 2 * g.practice.page + 10)))
    g.quiet(resource)
    return made


def _large(g: Ground) -> Connector:
    return g.but(*g.practice.bulk)
