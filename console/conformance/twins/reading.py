"""Twins of what is reached and read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from console.conformance.twins.breaking import on_pages, twin
from kernel.clock import SECOND
from kernel.errors import Retry
from kernel.records import Check, Cursor, Page, SourceRecord


@twin("reach.good hubspot", "reach.good sql", "reach.good csv")
def _complains_without_reason(c: Any) -> None:
    c.check = lambda: [Check("account", False, "something is wrong", "do something")]


@twin("reach.bad_credential hubspot", "reach.missing_permission hubspot contacts")
def _finds_everything_good(c: Any) -> None:
    c.check = lambda: [Check("contacts", True)]


@twin("reach.wrong_host hubspot")
def _raises_instead_of_telling(c: Any) -> None:
    def check() -> list[Check]:
        raise Retry("cannot be reached")

    c.check = check


@twin("reach.unknown_resource hubspot", "reach.unknown_resource sql", "reach.unknown_resource csv")
def _reads_what_there_is_not(c: Any) -> None:
    c.read = lambda resource, since, **_: iter(())


@twin("discover.fields hubspot contacts", "discover.fields sql contacts", "discover.fields csv contacts")
def _finds_a_field_twice(c: Any) -> None:
    discover = c.discover
    c.discover = lambda resource: [*discover(resource), discover(resource)[0]]


@twin("discover.live hubspot contacts", "discover.live sql contacts", "discover.live csv contacts")
def _remembers_fields(c: Any) -> None:
    known = c.discover("contacts")
    c.discover = lambda resource: known


@twin(
    "read.pages hubspot companies", "read.pages pipedrive users", "read.pages sql accounts", "read.pages csv contacts"
)
def _loses_the_last_of_a_page(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            page.records = page.records[:-1]
            yield page

    on_pages(c, change)


@twin("read.resumable hubspot companies", "read.resumable sql contacts", "read.resumable csv contacts")
def _tells_the_cursor_of_the_page_after(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        held = list(pages)
        for page, after in zip(held, held[1:], strict=False):
            yield replace(page, cursor=after.cursor)
        yield held[-1]

    on_pages(c, change)


@twin(
    "read.incremental hubspot companies",
    "read.future hubspot companies",
    "read.incremental sql contacts",
    "read.future sql contacts",
)
def _reads_the_whole_again(c: Any) -> None:
    on_pages(c, lambda resource, since, pages: pages, since=None)


@twin(
    "read.full_equals_incremental hubspot companies",
    "read.full_equals_incremental sql contacts",
    "read.full_equals_incremental csv contacts",
)
def _shapes_changes_otherwise(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            for record in page.records:
                record.raw["changed"] = since is not None
            yield page

    on_pages(c, change)


@twin("read.ties hubspot companies", "read.ties sql contacts")
def _passes_over_equal_times(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        newest = 0
        for page in pages:
            page.records = [one for one in page.records if since is None or (one.updated_at or 0) > newest]
            newest = max([newest, *(one.updated_at or 0 for one in page.records)])
            yield page

    on_pages(c, change)


@twin("read.lag hubspot companies")
def _looks_never_back(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            now = c.http.clock.now() // (SECOND // 1000)
            yield replace(page, cursor={"modified": now, "archived": now}) if page.last else page

    c.settings = c.settings.model_copy(update={"lookback": 0.0})
    on_pages(c, change)


@twin("read.deletes hubspot companies", "read.deletes sql contacts")
def _keeps_tombstones_back(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            page.records = [one for one in page.records if not one.deleted]
            yield page

    on_pages(c, change)


@twin("sweep.deletes pipedrive persons", "sweep.deletes woocommerce customers", "sweep.deletes csv contacts")
def _says_of_everything_that_it_is_there(c: Any) -> None:
    fetch = c.fetch
    c.fetch = lambda resource, ids: [replace(one, deleted=False) for one in fetch(resource, ids)]


@twin("sweep.deletes shopify customers", "sweep.deletes hubspot owners")
def _forgets_one_at_its_second_read(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        reads.append(resource)
        for n, page in enumerate(pages):
            if n == 0 and len(reads) == 2:
                hidden.add(page.records.pop(0).id)
            yield page

    reads: list[str] = []
    hidden: set[str] = set()
    fetch = c.fetch
    c.fetch = lambda resource, ids: [
        replace(one, deleted=one.deleted or one.id in hidden) for one in fetch(resource, ids)
    ]
    on_pages(c, change)


@twin("sweep.deletes sql accounts")
def _keeps_showing_what_is_gone(c: Any) -> None:
    shown: dict[str, SourceRecord] = {}

    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            shown.update({one.id: one for one in page.records})
            page.records = list(shown.values()) if page.last else page.records
            yield page

    on_pages(c, change)


@twin(
    "read.empty hubspot companies",
    "read.empty sql contacts",
    "read.empty csv contacts",
    "read.deletes sql accounts",
    "read.deletes csv contacts",
)
def _takes_what_is_not_shown_for_deleted(c: Any) -> None:
    known: set[str] = set()

    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        seen: set[str] = set()
        for page in pages:
            seen |= {one.id for one in page.records}
            if page.last:
                page.records += [SourceRecord(id, {"id": id}, deleted=True) for id in known - seen]
            yield page
        known.update(seen)

    on_pages(c, change)


@twin("read.window hubspot companies", "read.window sql contacts")
def _looks_past_the_window(c: Any) -> None:
    on_pages(c, lambda resource, since, pages: pages, window=None)


@twin("read.cap hubspot")
def _cuts_at_the_ceiling(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        rows = 0
        for page in pages:
            rows += len(page.records)
            yield replace(page, last=True) if rows >= 10_000 else page
            if rows >= 10_000:
                return

    on_pages(c, change)


@twin("read.memory csv", "read.memory sql")
def _holds_every_page(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        held = list(pages)
        yield from held

    on_pages(c, change)


@twin("read.fetch hubspot companies", "read.fetch sql contacts", "read.fetch csv contacts")
def _fetches_in_another_order(c: Any) -> None:
    fetch = c.fetch
    c.fetch = lambda resource, ids: fetch(resource, ids)[::-1]
