"""Twins of files and tables, where what is broken goes by the names of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from console.conformance.twins.breaking import on_each, on_pages, on_writes, twin
from kernel.clock import iso
from kernel.records import Cursor, Page, WriteItem

_TEXTS = frozenset({"first_name", "last_name", "account", "sector", "website"})


@twin("write.update sql contacts", "write.update csv accounts")
def _writes_another_column_too(c: Any) -> None:
    more = {"last_name": "Overwritten"} if "contacts" in _writable(c) else {"sector": "Overwritten"}
    on_writes(c, on_each(lambda one: replace(one, fields={**more, **one.fields}) if one.vendor_id else one))


@twin("write.unchanged sql contacts", "write.unchanged csv accounts")
def _writes_another_text_each_time(c: Any) -> None:
    numbers = count()
    on_writes(c, on_each(lambda one: _with_texts(one, f"Text {next(numbers)}")))


@twin("mapping.round_trip sql contacts", "mapping.round_trip csv accounts")
def _overwrites_what_is_there(c: Any) -> None:
    on_writes(c, on_each(lambda one: _with_texts(one, "LOUD") if one.vendor_id else one))


@twin("mapping.writes sql contacts", "mapping.writes csv accounts")
def _declares_a_mapped_column_read_only(c: Any) -> None:
    declared = {
        name: replace(one, write=replace(one.write, read_only=one.write.read_only | _TEXTS)) if one.write else one
        for name, one in c.resources.items()
    }
    c.resources = declared


@twin("refuse.too_long sql contacts")
def _cuts_to_the_width_of_the_column(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        return replace(one, fields={**one.fields, "first_name": str(one.fields["first_name"])[:40]})

    on_writes(c, on_each(change))


@twin("read.lag sql contacts")
def _goes_on_from_now(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            now = iso(c.http.clock.now()).replace("T", " ").rstrip("Z")
            yield replace(page, cursor={"since": now}) if page.last else page

    table = c.settings.tables["contacts"].model_copy(update={"lookback": 0.0})
    c.settings = c.settings.model_copy(update={"tables": {**c.settings.tables, "contacts": table}})
    on_pages(c, change)


@twin("secret.settings sql")
def _shows_its_address(c: Any) -> None:
    url = c.settings.url.get_secret_value()
    c.http.auth = type("Auth", (), {"__repr__": lambda self: url})()


def _writable(c: Any) -> set[str]:
    return {name for name, one in c.resources.items() if one.write is not None}


def _with_texts(one: WriteItem, text: str) -> WriteItem:
    return replace(one, fields={name: text if name in _TEXTS else value for name, value in one.fields.items()})
