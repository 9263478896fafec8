"""Twins of trouble, webhooks, secrets, mappings and pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from connectors.verdicts import Verdict
from console.conformance.twins.breaking import on_each, on_pages, on_writes, twin
from kernel.errors import BadSetting, Fate, Park, Stop, ThroughlineError
from kernel.records import Cursor, Delivered, Page, SourceRecord, WriteItem


@twin("trouble.retry_after hubspot")
def _does_not_wait(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but(wait=lambda headers, now: 0.0)


@twin("trouble.daily hubspot")
def _takes_a_day_for_a_second(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but(by_code={})


@twin("trouble.permanent hubspot")
def _never_gives_up(c: Any) -> None:
    c.http.attempts = 30


@twin("trouble.codes hubspot")
def _names_a_cause_nobody_knows(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but({400: Verdict(Fate.PARK, "no_such_cause")})


@twin("trouble.calls hubspot")
def _asks_for_each_record(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            for record in page.records[:20]:
                c.fetch(resource, [record.id])
            yield page

    on_pages(c, change)


@twin("trouble.page_loop hubspot")
def _goes_round_and_round(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        first = next(pages)
        while True:
            yield first

    on_pages(c, change)


@twin("trouble.token hubspot")
def _fetches_two_tokens(c: Any) -> None:
    auth = c.http.auth
    refresh = getattr(auth, "refresh", None)
    fetch = getattr(auth, "_fetch", None)
    if refresh is not None and fetch is not None:
        auth.refresh = lambda used: bool(fetch()) and refresh(used)


@twin("webhook.golden stripe")
def _gives_all_one_key(c: Any) -> None:
    _hears(c, lambda delivered: replace(delivered, dedupe_key="always"))


@twin("webhook.replay stripe")
def _gives_each_another_key(c: Any) -> None:
    numbers = count()
    _hears(c, lambda delivered: replace(delivered, dedupe_key=f"key-{next(numbers)}"))


@twin("webhook.handshake web_form")
def _does_not_answer(c: Any) -> None:
    _hears(c, lambda delivered: replace(delivered, answer=None))


@twin("webhook.order typeform")
def _dates_nothing(c: Any) -> None:
    def change(delivered: Delivered) -> Delivered:
        return replace(delivered, records=[(name, replace(one, updated_at=None)) for name, one in delivered.records])

    _hears(c, change)


@twin("webhook.tampering stripe", "webhook.rotation stripe")
def _believes_everybody(c: Any) -> None:
    webhook = c.webhook

    def broken(request: Any) -> Delivered:
        try:
            heard: Delivered = webhook(request)
        except (Park, BadSetting):
            return Delivered(dedupe_key="anybody")
        return heard

    c.webhook = broken


@twin("webhook.tampering pipedrive")
def _takes_a_body_that_nothing_proves(c: Any) -> None:
    def change(delivered: Delivered) -> Delivered:
        records = [(name, SourceRecord(id, {"id": id})) for name, id in delivered.hints]
        return replace(delivered, hints=[], records=records)

    _hears(c, change)


@twin("webhook.nonsense stripe")
def _crashes_on_nonsense(c: Any) -> None:
    webhook = c.webhook

    def broken(request: Any) -> Delivered:
        try:
            heard: Delivered = webhook(request)
        except Park as error:
            raise ValueError(error.message) from None
        return heard

    c.webhook = broken


def _hears(c: Any, change: Callable[[Delivered], Delivered]) -> None:
    webhook = c.webhook
    c.webhook = lambda request: change(webhook(request))


@twin("secret.settings stripe")
def _shows_its_key(c: Any) -> None:
    key = c.settings.api_key.get_secret_value()
    c.http.auth = type("Auth", (), {"__repr__": lambda self: key, "key": key})()


@twin("secret.errors stripe")
def _tells_its_key(c: Any) -> None:
    read, key = c.read, c.settings.api_key.get_secret_value()

    def broken(resource: str, since: Cursor | None, **options: Any) -> Iterator[Page]:
        try:
            yield from read(resource, since, **options)
        except ThroughlineError as error:
            raise Stop(f"{error.message} with {key}") from None

    c.read = broken


@twin("mapping.draws hubspot companies", "mapping.draws sql contacts", "mapping.draws csv contacts")
def _reads_empty_records(c: Any) -> None:
    fetch = c.fetch
    c.fetch = lambda resource, ids: [replace(one, raw={"id": one.id, "properties": {}}) for one in fetch(resource, ids)]


@twin("mapping.writes hubspot contacts")
def _declares_read_only_what_is_written(c: Any) -> None:
    declared = c.resources["contacts"]
    write = replace(declared.write, read_only=declared.write.read_only | {"firstname"})
    c.resources = {**c.resources, "contacts": replace(declared, write=write)}


@twin("mapping.round_trip hubspot contacts")
def _shouts(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        return replace(one, fields={**one.fields, "firstname": "LOUD"}) if one.vendor_id else one

    on_writes(c, on_each(change))


@twin("page.current hubspot", "page.current sql", "page.current csv")
def _can_other_things_than_its_page_says(c: Any) -> None:
    c.resources = {"contacts": c.resources["contacts"]}
