"""Twins of the bulk road."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from console.conformance.twins.breaking import on_pages, twin
from kernel.clock import iso
from kernel.records import Cursor, Page


@twin("bulk.read salesforce", "bulk.read shopify")
def _goes_page_by_page_whatever_comes(c: Any) -> None:
    c.settings = c.settings.model_copy(update={"bulk_from": 10**9})


@twin("bulk.resumable salesforce", "bulk.resumable shopify")
def _forgets_its_job(c: Any) -> None:
    on_pages(c, lambda resource, since, pages: pages, since=None)


@twin("bulk.lost salesforce", "bulk.lost shopify")
def _ends_where_its_job_ends(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            if "job" not in page.cursor and not page.last:
                yield Page([], {}, last=True)
                return
            yield page

    on_pages(c, change)


@twin("bulk.meanwhile salesforce")
def _goes_on_from_when_its_job_ended(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            done = {"modified": iso(c.http.clock.now())}
            yield replace(page, cursor=done) if page.last and since is None else page

    on_pages(c, change)
