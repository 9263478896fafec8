"""The simulated shop beside recorded exchanges of a real one, and the connector reading those recordings.

Recorded are lists, single objects and deletes; reports, reviews, tags and webhooks of the recordings are not served, since
the connector asks for none of them. The vendor publishes no OpenAPI file, and batches were not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox
from connectors import connector_for, open_connector
from sandbox import Box
from sandbox.woocommerce import KEY, V3, WoocommerceSimulator
from sandbox.woocommerce_shapes import LINE
from tests.conftest import REAL
from tests.recordings import Exchange, differences, exchanges

SERVED = re.compile(rf"{V3}/(customers|orders|products)(/\d+)?$")
KNOWN = {
    r"_links\.self\[\]\.targetHints": "the recorded site leaves them out of the answer to a delete",
    r"line_items\[\]\.price": "a JSON number, whole or not, as it happens to be",
    r"line_items\[\]\.image\.id": "an empty text without a picture, 0 once the product is gone; both are recorded",
}
"""Differences in shape that stand, with their reasons."""


def served() -> list[Any]:
    if not (REAL / "woocommerce").is_dir():
        return []
    return [pytest.param(one, id=one.name) for one in exchanges(REAL / "woocommerce") if SERVED.match(one.path)]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with sandbox.start(["woocommerce"]) as box:
        yield box


@pytest.fixture
def sim(box: Box, real: Path) -> WoocommerceSimulator:
    found, url = box["woocommerce"], box.url("woocommerce")
    assert isinstance(found, WoocommerceSimulator)
    type(found).__init__(found)
    found.base_url, found.tls = url, True
    return found


@pytest.mark.parametrize("one", served())
def test_the_simulator_answers_as_recorded(sim: WoocommerceSimulator, one: Exchange) -> None:
    """Held to an object of the simulator's own making, not to the recorded one loaded into it."""
    resource, _, id = one.path.removeprefix(f"{V3}/").partition("/")
    more = {"line_items": [LINE]} if resource == "orders" else {}
    sim.make(resource, **({"id": int(id)} if id else {}), **more)
    with httpx.Client(base_url=sim.base_url, auth=(KEY, sim.token)) as client:
        answer = client.request(one.method, one.path, params=one.query or None)
    assert answer.status_code == one.status
    told = [each for each in differences(one.response, answer.json()) if not any(re.search(k, each) for k in KNOWN)]
    assert told == []


def test_the_headers_of_a_list_are_named_as_recorded(sim: WoocommerceSimulator, real: Path) -> None:
    recorded = (real / "woocommerce/http/nango_orders.json").read_text()
    with httpx.Client(base_url=sim.base_url, auth=(KEY, sim.token)) as client:
        answer = client.get(f"{V3}/orders")
    assert set(re.findall(r'"(x-wp-\w+)"', recorded)) == {"x-wp-total", "x-wp-totalpages"} <= set(answer.headers)


def test_the_connector_reads_the_recordings(sim: WoocommerceSimulator, real: Path) -> None:
    assert sum(sim.load(real).values()) > 8
    settings = {"base_url": sim.base_url, "consumer_key": KEY, "consumer_secret": sim.token}
    connector = open_connector(connector_for("woocommerce"), settings, connection="real")
    for resource in connector.resources:
        records = [record for page in connector.read(resource, None) for record in page.records]
        assert records
        assert all(record.id and record.updated_at and not record.fault for record in records)
        fetched = connector.fetch(resource, [record.id for record in records])
        assert [one.raw for one in fetched] == [one.raw for one in records]
        assert "" not in [value for record in records for value in record.raw.values()]
    connector.close()
