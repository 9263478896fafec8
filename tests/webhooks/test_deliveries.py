"""What senders really do: repeat, race, reorder, collide. One effect each, and the newest version wins."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.proofs import Keyring
from connectors.signatures import admit
from journey.inbound.receiving import accept
from kernel import failpoints
from kernel.clock import SECOND
from tests.webhooks.conftest import OTHER, Hooks
from tests.webhooks.vectors import NOW, SAMPLES


def versions(hooks: Hooks, customer: str) -> list[dict[str, Any]]:
    """Five versions of one customer, oldest first; the third goes back to the first one's content."""
    names = ["Ann", "Anna", "Ann", "Anne", "Hannah"]
    base = (hooks.now - 1000) * SECOND
    return [
        {"id": customer, "email": f"{customer}@acme.io", "first": name, "updated": base + n * SECOND}
        for n, name in enumerate(names)
    ]


def take(hooks: Hooks, *records: dict[str, Any], id: str) -> int:
    return accept(hooks.world.store, hooks, "shop", hooks.request(*records, id=id)).status


def test_a_hundred_times_in_a_row(hooks: Hooks) -> None:
    record = versions(hooks, "c1")[0]
    request = hooks.request(record)
    answers = [accept(hooks.world.store, hooks, "shop", request).status for _ in range(100)]
    assert answers == [200] * 100
    assert len(hooks.receipts()) == 1
    assert (hooks.process(), hooks.process()) == (1, 0)
    assert (hooks.counts.inbound.read, hooks.counts.inbound.landed) == (1, 1)
    assert len(hooks.world.rows("version")) == 1


def test_a_hundred_times_from_sixteen_threads(hooks: Hooks) -> None:
    request = hooks.request(versions(hooks, "c1")[0])
    together = threading.Barrier(16)

    def send(n: int) -> int:
        if n < 16:
            together.wait(20)
        return accept(hooks.world.store, hooks, "shop", request).status

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(100)))
    assert answers == [200] * 100
    assert len(hooks.receipts()) == 1
    assert hooks.process() == 1
    assert hooks.counts.inbound.landed == 1


@pytest.mark.parametrize("deleted", [False, True], ids=["", "and a delete among them"])
@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "in one batch"])
def test_five_versions_in_every_order_end_with_the_newest(hooks: Hooks, together: bool, deleted: bool) -> None:
    """All 120 permutations, each on a customer of its own."""
    customers = {f"c{n}": order for n, order in enumerate(itertools.permutations(range(5)))}
    sent = {customer: versions(hooks, customer) for customer in customers}
    if deleted:  # the last but one is a delete: the newest brings the customer back
        for each in sent.values():
            each[3] = {"id": each[3]["id"], "updated": each[3]["updated"], "deleted": True}
    for place in range(5):
        for start in range(0, 120, 20):  # twenty customers' versions in one delivery
            part = list(customers.items())[start : start + 20]
            records = [sent[customer][order[place]] for customer, order in part]
            assert take(hooks, *records, id=f"m{place}-{start}") == 200
        if not together:
            hooks.process()
    hooks.process()
    golden = hooks.world.golden()
    assert len(golden) == 120
    assert {each["first_name"] for each in golden} == {"Hannah"}


def test_a_delete_that_comes_before_what_it_deletes(hooks: Hooks) -> None:
    old, new = versions(hooks, "c1")[0], versions(hooks, "c1")[4]
    gone = {"id": "c1", "updated": new["updated"], "deleted": True}
    assert take(hooks, gone, id="m1") == 200
    hooks.process()
    assert take(hooks, old, id="m2") == 200
    hooks.process()
    assert hooks.world.golden() == []
    assert hooks.counts.inbound.stale == 1


def test_a_thousand_versions_in_a_random_order(hooks: Hooks) -> None:
    base = (hooks.now - 5000) * SECOND
    told = [{"id": "c1", "email": "c1@acme.io", "first": f"n{n}", "updated": base + n} for n in range(1000)]
    random.Random(7).shuffle(told)
    for start in range(0, 1000, 50):
        take(hooks, *told[start : start + 50], id=f"m{start}")
        if start % 200 == 0:
            hooks.process()
    hooks.process()
    assert [each["first_name"] for each in hooks.world.golden()] == ["n999"]


def test_content_confirmed_later_is_not_undone_by_what_came_between(hooks: Hooks) -> None:
    """Old, then the same content again, then late what was between: a vendor's time may be no part of the content."""
    connector = hooks.open("shop")
    connector.resources = {
        "customers": type(connector.resources["customers"])("customers", updated_at="updated", volatile=("updated",))
    }
    first, between, again = versions(hooks, "c1")[:3]
    for n, each in enumerate((first, again, between)):
        take(hooks, each, id=f"m{n}")
        hooks.process()
    assert [each["first_name"] for each in hooks.world.golden()] == ["Ann"]
    first, between, again = versions(hooks, "c2")[:3]
    take(hooks, first, again, between, id="together")
    hooks.process()
    assert {each["first_name"] for each in hooks.world.golden()} == {"Ann"}


def test_two_connections_with_equal_ids_never_meet(hooks: Hooks) -> None:
    hooks.add("shop2", webhook_secret=OTHER)
    hooks.world.systems["shop2"].system = "shop"
    mine, theirs = hooks.request(id="same"), hooks.request(id="same", secret=OTHER)
    store = hooks.world.store
    assert accept(store, hooks, "shop", mine).status == accept(store, hooks, "shop2", theirs).status == 200
    assert accept(store, hooks, "shop", theirs).status == accept(store, hooks, "shop2", mine).status == 401
    assert len(hooks.receipts()) == 2


def test_a_secret_that_rotates_loses_nothing(hooks: Hooks) -> None:
    store, record = hooks.world.store, versions(hooks, "c1")[0]
    hooks.add("shop", webhook_secret=[OTHER, hooks_secret()])
    assert accept(store, hooks, "shop", hooks.request(record, id="old")).status == 200
    assert accept(store, hooks, "shop", hooks.request(record, id="new", secret=OTHER)).status == 200
    hooks.add("shop", webhook_secret=OTHER)
    assert accept(store, hooks, "shop", hooks.request(record, id="late")).status == 401
    assert hooks.process() == 2  # verified when they came


def hooks_secret() -> str:
    return SAMPLES["standard"].secret


def test_woocommerces_two_deliveries_of_one_second_have_two_effects() -> None:
    """The table's key; the receipt's uniqueness rests on it."""
    sample = SAMPLES["woocommerce"]
    keys = set()
    for order in (1, 2):
        request = sample.request(body=b'{"id":%d,"date_modified_gmt":"2026-09-21T14:13:20"}' % order)
        assert request.headers["x-wc-webhook-delivery-id"] == "d1"
        keys.add(admit("woocommerce", request, Keyring((sample.secret,)), NOW * SECOND).dedupe_key)
    assert len(keys) == 2


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "point",
    ["receipt.before_commit", "receipt.committed", "processed.before_commit", "land.before_commit", "land.committed"],
)
def test_a_worker_that_dies_anywhere_leaves_one_effect(hooks: Hooks, point: str) -> None:
    """The sender repeats what was not acknowledged; what was is processed again."""

    def strike(name: str) -> None:
        if name == point:
            raise Killed

    request = hooks.request(versions(hooks, "c1")[0])

    def receive_and_process() -> None:
        accept(hooks.world.store, hooks, "shop", request)
        hooks.process()

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            receive_and_process()
    finally:
        failpoints.install(None)
    assert accept(hooks.world.store, hooks, "shop", request).status == 200
    hooks.process()
    assert [row.state for row in hooks.receipts()] == ["processed"]
    assert len(hooks.world.rows("version")) == 1
    assert len(hooks.world.golden()) == 1
