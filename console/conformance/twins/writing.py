"""Twins of what is written, refused and left in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from console.conformance.twins.breaking import Send, on_each, on_writes, twin
from kernel.errors import Park, Retry, Unknown
from kernel.records import Action, WriteItem, WriteOutcome


@twin("write.create hubspot companies", "write.create sql accounts", "write.create csv accounts")
def _finds_nothing(c: Any) -> None:
    c.find = lambda resource, keys: {key: [] for key in keys}


@twin("write.update hubspot contacts")
def _writes_more_than_was_asked(c: Any) -> None:
    on_writes(
        c, on_each(lambda one: replace(one, fields={"lastname": "Overwritten", **one.fields}) if one.vendor_id else one)
    )


@twin("write.unchanged hubspot contacts")
def _changes_something_each_time(c: Any) -> None:
    numbers = count()
    on_writes(c, on_each(lambda one: replace(one, fields={**one.fields, "jobtitle": f"Title {next(numbers)}"})))


@twin("write.empty_values hubspot contacts", "write.empty_values sql contacts", "write.empty_values csv accounts")
def _writes_a_word_for_nothing(c: Any) -> None:
    on_writes(c, on_each(lambda one: replace(one, fields={name: str(value) for name, value in one.fields.items()})))


@twin("write.class stripe customers", "write.replay stripe customers", "doubt.late stripe customers")
def _takes_another_key_each_time(c: Any) -> None:
    numbers = count()
    on_writes(c, on_each(lambda one: replace(one, idempotency_key=f"key-{next(numbers)}")))


@twin("write.class pipedrive deals", "doubt.late pipedrive persons")
def _creates_without_a_search(c: Any) -> None:
    find = c.find

    def blind(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        c.find = lambda resource, keys: {}
        outcomes = write(resource, batch)
        c.find = find
        return outcomes

    on_writes(c, blind)


@twin(
    "write.class hubspot companies",
    "write.class sql contacts",
    "write.class csv accounts",
    "write.replay sql contacts",
    "write.replay csv accounts",
)
def _writes_another_external_id_each_time(c: Any) -> None:
    numbers = count()
    on_writes(
        c, on_each(lambda one: replace(one, ext_key=f"{one.ext_key}-{next(numbers)}") if not one.vendor_id else one)
    )


@twin(
    "write.delete hubspot companies",
    "write.delete sql contacts",
    "write.delete csv accounts",
    "write.archive sql contacts",
    "write.associate sql contacts",
    "write.archive hubspot companies",
    "write.associate hubspot contacts",
)
def _says_done_and_does_nothing(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        idle = batch[0].action is not Action.UPSERT
        return [WriteOutcome(one.vendor_id or "1") for one in batch] if idle else write(resource, batch)

    on_writes(c, change)


@twin("write.parent hubspot contacts", "write.parent sql contacts")
def _forgets_the_parent(c: Any) -> None:
    on_writes(c, on_each(lambda one: replace(one, refs={})))


@twin("write.batch hubspot companies")
def _writes_one_by_one(c: Any) -> None:
    on_writes(c, lambda write, resource, batch: [write(resource, [one])[0] for one in batch])


@twin(
    "refuse.bad_value hubspot contacts",
    "refuse.bad_value sql contacts",
    "write.batch sql accounts",
    "write.batch csv accounts",
)
def _tells_outcomes_in_another_order(c: Any) -> None:
    on_writes(c, lambda write, resource, batch: write(resource, batch)[::-1])


@twin("refuse.too_long hubspot contacts")
def _cuts_texts(c: Any) -> None:
    on_writes(
        c, on_each(lambda one: replace(one, fields={name: str(value)[:100] for name, value in one.fields.items()}))
    )


@twin("refuse.unknown_choice hubspot contacts", "refuse.read_only hubspot contacts", "refuse.read_only sql contacts")
def _leaves_out_what_would_be_refused(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        refused = {"lifecyclestage", *c.declared("contacts").write.read_only}
        return replace(one, fields={name: value for name, value in one.fields.items() if name not in refused})

    on_writes(c, on_each(change))


@twin("refuse.taken hubspot contacts", "refuse.taken sql contacts")
def _makes_a_double(c: Any) -> None:
    def change(one: WriteItem) -> WriteItem:
        return replace(one, fields={**one.fields, "email": f"other-{one.fields['email']}"})

    on_writes(c, on_each(change))


@twin("refuse.whole_batch hubspot contacts")
def _gives_the_whole_batch_up(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        outcomes = write(resource, batch)
        spoiled = len(batch) > 1 and outcomes[0].status is not None and c.http.attempts > 0
        return [WriteOutcome(error=Park("refused with its batch")) for _ in batch] if spoiled else outcomes

    on_writes(c, change)


@twin("refuse.partial hubspot contacts")
def _takes_silence_for_consent(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        return [one if one.error is None else WriteOutcome("1") for one in write(resource, batch)]

    on_writes(c, change)


@twin("doubt.unknown hubspot contacts")
def _sends_again_blindly(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown:
            return write(resource, batch)

    on_writes(c, change)


@twin("doubt.every_way hubspot", "doubt.unknown sql contacts")
def _takes_doubt_for_not_applied(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown as error:
            raise Retry(error.message) from None

    on_writes(c, change)


@twin("doubt.delete hubspot contacts")
def _takes_doubt_for_applied(c: Any) -> None:
    def change(write: Send, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        try:
            return write(resource, batch)
        except Unknown:
            return [WriteOutcome(one.vendor_id or "1") for one in batch]

    on_writes(c, change)


@twin("doubt.not_sent hubspot contacts", "trouble.read hubspot")
def _gives_up_at_once(c: Any) -> None:
    c.http.attempts = 1
