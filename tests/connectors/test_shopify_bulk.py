"""Complete reads by a bulk operation, against the simulated shop, over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sandbox
from connectors.shopify import Shopify as Ours
from connectors.shopify.bulk import PIECE, BulkRead
from connectors.shopify.documents import SHAPES
from connectors.shopify.graph import Graph
from kernel.errors import RetryAt, Stop
from kernel.records import Page
from sandbox import Box
from tests.connectors.test_shopify import Shop

LONG = "x" * 4000


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with sandbox.start(["shopify"]) as box:
        yield box


@pytest.fixture
def shop(box: Box) -> Iterator[Shop]:
    sim, url = box["shopify"], box.url("shopify")
    type(sim).__init__(sim)
    sim.base_url = url
    shop = Shop(box, bulk_from=60)
    yield shop
    shop.close()


def held(pages: list[Page]) -> dict[str, Any]:
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return {one.id: (one.raw, one.updated_at) for page in pages for one in page.records}


def customers(shop: Shop, count: int = 70, **fields: Any) -> None:
    for n in range(count):
        name = {"throughline.ext_key": f"k{n}"} if n % 2 else {}
        shop.sim.make("customers", email=f"p{n}@example.com", metafields=name, **fields)


def test_a_bulk_read_holds_what_its_pages_would(shop: Shop) -> None:
    customers(shop)
    by_pages = held(list(shop.open(bulk_from=10_000).read("customers", None)))
    pages = list(shop.connector.read("customers", None))
    assert held(pages) == by_pages
    assert len(shop.sim.operations.begun) == 1
    assert not list(shop.connector.read("customers", pages[-1].cursor, window=(0, 1)))[0].records


@pytest.mark.parametrize("resource", ["products", "orders"])
def test_nested_objects_find_their_parent(shop: Shop, resource: str) -> None:
    for _ in range(65):
        shop.sim.make(resource)
    by_pages = held(list(shop.open(bulk_from=10_000).read(resource, None)))
    assert held(list(shop.connector.read(resource, None))) == by_pages
    assert len(shop.sim.operations.begun) == 1


def test_a_file_is_read_in_pieces_and_gone_on_with_after_a_kill(shop: Shop) -> None:
    customers(shop, 2 * PIECE // 4000, note=LONG)
    seen, cursor, sizes, last = list[str](), None, list[int](), False
    while not last:
        page = next(iter(shop.open(bulk_from=500).read("customers", cursor)))
        seen, cursor, last = seen + [one.id for one in page.records], page.cursor, page.last
        sizes += [len(page.records)] if page.records else []
    assert len(seen) == len(set(seen))
    assert set(seen) == set(shop.sim.state.ids("customers"))
    assert len(sizes) >= 3
    assert len(shop.sim.operations.begun) == 1


@pytest.mark.parametrize("how", ["FAILED", "CANCELED", "dropped", "busy"])
def test_without_its_operation_a_read_goes_page_by_page(shop: Shop, how: str) -> None:
    customers(shop)
    shop.sim.operations.fails = how if how.isupper() else ""
    if how == "busy":
        shop.sim.operations.run("{ orders { edges { node { id } } } }", grouped=True)
    pages = []
    for page in shop.connector.read("customers", None):
        pages.append(page)
        if how == "dropped":
            shop.sim.operations.drop()
    assert set(held(pages)) == set(shop.sim.state.ids("customers"))


def test_an_operation_that_takes_too_long_is_left_to_a_later_run(shop: Shop) -> None:
    customers(shop)
    shop.sim.operations.looks = 1000
    reading = shop.connector.read("customers", None)
    begun = next(reading)
    with pytest.raises(RetryAt) as caught:
        list(reading)
    assert caught.value.cause == "bulk_running"
    for one in shop.sim.operations.held.values():
        one["_looks"] = 0
    assert set(held(list(shop.open().read("customers", begun.cursor)))) == set(shop.sim.state.ids("customers"))
    assert len(shop.sim.operations.begun) == 1


def test_a_file_at_a_strange_host_is_not_asked_for(shop: Shop) -> None:
    customers(shop)
    connector = shop.connector
    assert isinstance(connector, Ours)
    reading = connector.read("customers", None)
    begun = next(reading)
    job = begun.cursor["job"]
    shop.sim.operations.looks = 0
    while shop.sim.operations.held[job]["status"] != "COMPLETED":
        shop.sim.operations.look(job)
    shop.sim.operations.held[job]["url"] = "https://files.example.com/bulk.jsonl"
    graph = Graph(connector.http, "admin/api/2026-10/graphql.json")
    with pytest.raises(Stop) as caught:
        list(BulkRead(graph, SHAPES["customers"]).pages(begun.cursor))
    assert caught.value.cause == "foreign_host"
