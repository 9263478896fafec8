"""The must-fail twin of every check: a connector broken on purpose, so that the check is seen to bite.

A twin is done to every connector the ground opens. It breaks the one promise its check is there for, on the system and
resource named with it; the same case without the twin passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from connectors.base import Connector
from connectors.verdicts import Verdict
from console.conformance.checks import Case
from kernel.clock import SECOND
from kernel.errors import BadSetting, Fate, Park, Retry, Stop, ThroughlineError, Unknown
from kernel.records import Action, Check, Cursor, Delivered, Page, SourceRecord, WriteItem, WriteOutcome

Break = Callable[[Any], None]
Send = Callable[[str, Sequence[WriteItem]], list[WriteOutcome]]


@dataclass(frozen=True, slots=True)
class Twin:
    """A case that must fail when its connector is broken so."""

    case: Case
    about: str
    broken: Break


TWINS: list[Twin] = []


def twin(*cases: str) -> Callable[[Break], Break]:
    """Make a function the twin of cases, each written `check system resource`."""

    def register(broken: Break) -> Break:
        for told in cases:
            check, system, *resource = told.split()
            TWINS.append(Twin(Case(system, check, *resource), broken.__name__.strip("_").replace("_", " "), broken))
        return broken

    return register


def _pages(c: Connector, change: Callable[[str, Cursor | None, Iterator[Page]], Iterator[Page]], **forced: Any) -> None:
    """Let every read of a connector pass through `change`; `forced` replaces its options."""
    read = c.read

    def broken(resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        start = forced.get("since", since)
        yield from change(resource, since, read(resource, start, window=forced.get("window", window)))

    c.read = broken  # type: ignore[method-assign]


def _writes(c: Connector, change: Callable[[Send, str, Sequence[WriteItem]], list[WriteOutcome]]) -> None:
    """Let every write of a connector pass through `change`."""
    write = c.write
    c.write = lambda resource, batch: change(write, resource, batch)  # type: ignore[method-assign]


def _each(change: Callable[[WriteItem], WriteItem]) -> Callable[[Send, str, Sequence[WriteItem]], list[WriteOutcome]]:
    return lambda write, resource, batch: write(resource, [change(item) for item in batch])


# reaching -------------------------------------------------------------------------------------------------------------
@twin("reach.good hubspot")
def complains_without_reason(c: Any) -> None:
    c.check = lambda: [Check("account", False, "something is wrong", "do something")]


@twin("reach.bad_credential hubspot", "reach.missing_permission hubspot contacts")
def finds_everything_good(c: Any) -> None:
    c.check = lambda: [Check("contacts", True)]


@twin("reach.wrong_host hubspot")
def raises_instead_of_telling(c: Any) -> None:
    def check() -> list[Check]:
        raise Retry("cannot be reached")

    c.check = check


@twin("reach.unknown_resource hubspot")
def reads_what_there_is_not(c: Any) -> None:
    c.read = lambda resource, since, **_: iter(())


@twin("discover.fields hubspot contacts")
def finds_a_field_twice(c: Any) -> None:
    discover = c.discover
    c.discover = lambda resource: [*discover(resource), discover(resource)[0]]


@twin("discover.live hubspot contacts")
def remembers_fields(c: Any) -> None:
    known = c.discover("contacts")
    c.discover = lambda resource: known


# reading --------------------------------------------------------------------------------------------------------------
@twin("read.pages hubspot companies")
def loses_the_last_of_a_page(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            page.records = page.records[:-1]
            yield page

    _pages(c, change)


@twin("read.resumable hubspot companies")
def tells_the_cursor_of_the_page_after(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        held = list(pages)
        for page, after in zip(held, held[1:], strict=False):
            yield replace(page, cursor=after.cursor)
        yield held[-1]

    _pages(c, change)


@twin("read.incremental hubspot companies", "read.future hubspot companies")
def reads_the_whole_again(c: Any) -> None:
    _pages(c, lambda resource, since, pages: pages, since=None)


@twin("read.full_equals_incremental hubspot companies")
def shapes_changes_otherwise(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            for record in page.records:
                record.raw["changed"] = since is not None
            yield page

    _pages(c, change)


@twin("read.ties hubspot companies")
def passes_over_equal_times(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        newest = 0
        for page in pages:
            page.records = [one for one in page.records if since is None or (one.updated_at or 0) > newest]
            newest = max([newest, *(one.updated_at or 0 for one in page.records)])
            yield page

    _pages(c, change)


@twin("read.lag hubspot companies")
def looks_never_back(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            now = c.http.clock.now() // (SECOND // 1000)
            yield replace(page, cursor={"modified": now, "archived": now}) if page.last else page

    c.settings = c.settings.model_copy(update={"lookback": 0.0})
    _pages(c, change)


@twin("read.deletes hubspot companies")
def keeps_tombstones_back(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            page.records = [one for one in page.records if not one.deleted]
            yield page

    _pages(c, change)


@twin("read.empty hubspot companies")
def takes_what_is_not_shown_for_deleted(c: Any) -> None:
    known: set[str] = set()

    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        seen: set[str] = set()
        for page in pages:
            seen |= {one.id for one in page.records}
            if page.last:
                page.records += [SourceRecord(id, {"id": id}, deleted=True) for id in known - seen]
            yield page
        known.update(seen)

    _pages(c, change)


@twin("read.window hubspot companies")
def looks_past_the_window(c: Any) -> None:
    _pages(c, lambda resource, since, pages: pages, window=None)


@twin("read.cap hubspot")
def cuts_at_the_ceiling(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        rows = 0
        for page in pages:
            rows += len(page.records)
            yield replace(page, last=True) if rows >= 10_000 else page
            if rows >= 10_000:
                return

    _pages(c, change)


@twin("read.memory csv")
def holds_every_page(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        held = list(pages)
        yield from held

    _pages(c, change)


@twin("read.fetch hubspot companies")
def fetches_in_another_order(c: Any) -> None:
    fetch = c.fetch
    c.fetch = lambda resource, ids: fetch(resource, ids)[::-1]


# writing --------------------------------------------------------------------------------------------------------------
@twin("write.create hubspot companies")
def finds_nothing(c: Any) -> None:
    c.find = lambda resource, keys: {key: [] for key in keys}


@twin("write.update hubspot contacts")
def writes_more_than_was_asked(c: Any) -> None:
    _writes(
        c, _each(lambda one: replace(one, fields={"lastname": "Overwritten", **one.fields}) if one.vendor_id else one)
    )


@twin("write.unchanged hubspot contacts")
def changes_something_each_time(c: Any) -> None:
    numbers = count()
    _writes(c, _each(lambda one: replace(one, fields={**one.fields, "jobtitle": f"Title {next(numbers)}"})))


@twin("write.empty_values hubspot contacts")
def writes_a_word_for_nothing(c: Any) -> None:
    _writes(c, _each(lambda one: replace(one, fields={name: str(value) for name, value in one.fields.items()})))


@twin("write.class stripe customers", "write.replay stripe customers", "doubt.late stripe customers")
def takes_another_key_each_time(c: Any) -> None:
    numbers = count()
    _writes(c, _each(lambda one: replace(one, idempotency_key=f"key-{next(numbers)}")))


@twin("write.class hubspot companies")
def writes_another_external_id_each_time(c: Any) -> None:
    numbers = count()
    _writes(c, _each(lambda one: replace(one, ext_key=f"{one.ext_key}-{next(numbers)}") if not one.vendor_id else one))


@twin("write.delete hubspot companies", "write.archive hubspot companies", "write.associate hubspot contacts")
def says_done_and_does_nothing(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        idle = batch[0].action is not Action.UPSERT
        return [WriteOutcome(one.vendor_id or "1") for one in batch] if idle else write(resource, batch)

    _writes(c, change)


@twin("write.parent hubspot contacts")
def forgets_the_parent(c: Any) -> None:
    _writes(c, _each(lambda one: replace(one, refs={})))


@twin("write.batch hubspot companies")
def writes_one_by_one(c: Any) -> None:
    _writes(c, lambda write, resource, batch: [write(resource, [one])[0] for one in batch])


# refusals -------------------------------------------------------------------------------------------------------------
@twin("refuse.bad_value hubspot contacts")
def tells_outcomes_in_another_order(c: Any) -> None:
    _writes(c, lambda write, resource, batch: write(resource, batch)[::-1])


@twin("refuse.too_long hubspot contacts")
def cuts_texts(c: Any) -> None:
    _writes(c, _each(lambda one: replace(one, fields={name: str(value)[:100] for name, value in one.fields.items()})))


@twin("refuse.unknown_choice hubspot contacts", "refuse.read_only hubspot contacts")
def leaves_out_what_would_be_refused(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        refused = {"lifecyclestage", *c.declared("contacts").write.read_only}
        return replace(one, fields={name: value for name, value in one.fields.items() if name not in refused})

    _writes(c, _each(change))


@twin("refuse.taken hubspot contacts")
def makes_a_double(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        return replace(one, fields={**one.fields, "email": f"other-{one.fields['email']}"})

    _writes(c, _each(change))


@twin("refuse.whole_batch hubspot contacts")
def gives_the_whole_batch_up(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        outcomes = write(resource, batch)
        spoiled = len(batch) > 1 and outcomes[0].status is not None and c.http.attempts > 0
        return [WriteOutcome(error=Park("refused with its batch")) for _ in batch] if spoiled else outcomes

    _writes(c, change)


@twin("refuse.partial hubspot contacts")
def takes_silence_for_consent(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        return [one if one.error is None else WriteOutcome("1") for one in write(resource, batch)]

    _writes(c, change)


# doubt ----------------------------------------------------------------------------------------------------------------
@twin("doubt.unknown hubspot contacts")
def sends_again_blindly(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown:
            return write(resource, batch)

    _writes(c, change)


@twin("doubt.every_way hubspot")
def takes_doubt_for_not_applied(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown as error:
            raise Retry(error.message) from None

    _writes(c, change)


@twin("doubt.delete hubspot contacts")
def takes_doubt_for_applied(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown:
            return [WriteOutcome(one.vendor_id or "1") for one in batch]

    _writes(c, change)


@twin("doubt.not_sent hubspot contacts", "trouble.read hubspot")
def gives_up_at_once(c: Any) -> None:
    c.http.attempts = 1


# trouble --------------------------------------------------------------------------------------------------------------
@twin("trouble.retry_after hubspot")
def does_not_wait(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but(wait=lambda headers, now: 0.0)


@twin("trouble.daily hubspot")
def takes_a_day_for_a_second(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but(by_code={})


@twin("trouble.permanent hubspot")
def never_gives_up(c: Any) -> None:
    c.http.attempts = 30


@twin("trouble.codes hubspot")
def names_a_cause_nobody_knows(c: Any) -> None:
    c.http.verdicts = c.http.verdicts.but({400: Verdict(Fate.PARK, "no_such_cause")})


@twin("trouble.calls hubspot")
def asks_for_each_record(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        for page in pages:
            for record in page.records[:20]:
                c.fetch(resource, [record.id])
            yield page

    _pages(c, change)


@twin("trouble.page_loop hubspot")
def goes_round_and_round(c: Any) -> None:
    def change(resource: str, since: Cursor | None, pages: Iterator[Page]) -> Iterator[Page]:
        first = next(pages)
        while True:
            yield first

    _pages(c, change)


@twin("trouble.token hubspot")
def fetches_two_tokens(c: Any) -> None:
    auth = c.http.auth
    refresh = getattr(auth, "refresh", None)
    fetch = getattr(auth, "_fetch", None)
    if refresh is not None and fetch is not None:
        auth.refresh = lambda used: bool(fetch()) and refresh(used)


# webhooks -------------------------------------------------------------------------------------------------------------
@twin("webhook.golden stripe")
def gives_all_one_key(c: Any) -> None:
    _hears(c, lambda delivered: replace(delivered, dedupe_key="always"))


@twin("webhook.replay stripe")
def gives_each_another_key(c: Any) -> None:
    numbers = count()
    _hears(c, lambda delivered: replace(delivered, dedupe_key=f"key-{next(numbers)}"))


@twin("webhook.handshake web_form")
def does_not_answer(c: Any) -> None:
    _hears(c, lambda delivered: replace(delivered, answer=None))


@twin("webhook.order typeform")
def dates_nothing(c: Any) -> None:
    def change(delivered: Delivered) -> Delivered:
        return replace(delivered, records=[(name, replace(one, updated_at=None)) for name, one in delivered.records])

    _hears(c, change)


@twin("webhook.tampering stripe", "webhook.rotation stripe")
def believes_everybody(c: Any) -> None:
    webhook = c.webhook

    def broken(request: Any) -> Delivered:
        try:
            heard: Delivered = webhook(request)
        except (Park, BadSetting):
            return Delivered(dedupe_key="anybody")
        return heard

    c.webhook = broken


@twin("webhook.nonsense stripe")
def crashes_on_nonsense(c: Any) -> None:
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


# secrets, mappings, page ----------------------------------------------------------------------------------------------
@twin("secret.settings stripe")
def shows_its_key(c: Any) -> None:
    key = c.settings.api_key.get_secret_value()
    c.http.auth = type("Auth", (), {"__repr__": lambda self: key, "key": key})()


@twin("secret.errors stripe")
def tells_its_key(c: Any) -> None:
    read, key = c.read, c.settings.api_key.get_secret_value()

    def broken(resource: str, since: Cursor | None, **options: Any) -> Iterator[Page]:
        try:
            yield from read(resource, since, **options)
        except ThroughlineError as error:
            raise Stop(f"{error.message} with {key}") from None

    c.read = broken


@twin("mapping.draws hubspot companies")
def reads_empty_records(c: Any) -> None:
    fetch = c.fetch
    c.fetch = lambda resource, ids: [replace(one, raw={"id": one.id, "properties": {}}) for one in fetch(resource, ids)]


@twin("mapping.writes hubspot contacts")
def declares_read_only_what_is_written(c: Any) -> None:
    declared = c.resources["contacts"]
    write = replace(declared.write, read_only=declared.write.read_only | {"firstname"})
    c.resources = {**c.resources, "contacts": replace(declared, write=write)}


@twin("mapping.round_trip hubspot contacts")
def shouts(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        return replace(one, fields={**one.fields, "firstname": "LOUD"}) if one.vendor_id else one

    _writes(c, _each(change))


@twin("page.current hubspot")
def can_other_things_than_its_page_says(c: Any) -> None:
    c.resources = {"contacts": c.resources["contacts"]}
