"""WooCommerce: what the kit does not ask, against its simulator."""

from __future__ import annotations

import base64
import hmac
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest

from connectors import connector_for, open_connector
from connectors.base import Connector
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Retry, Stop, Unknown
from kernel.records import Action, SourceRecord, WebhookRequest, WriteItem
from sandbox import Box
from sandbox.woocommerce import KEY, V3, WoocommerceSimulator

Serve = Callable[..., Box]
PHP = b"<br />\n<b>Notice</b>:  Undefined index: x in <b>/srv/wp-content/a.php</b> on line <b>7</b><br />\n"


class SiteClock:
    """The site's own clock: signatures are dated."""

    def __init__(self, sim: WoocommerceSimulator) -> None:
        self._state = sim.state

    def now(self) -> int:
        return self._state.now()

    def sleep(self, seconds: float) -> None:
        self._state.advance(seconds)


@pytest.fixture
def sim(serve: Serve) -> WoocommerceSimulator:
    found = serve("woocommerce")["woocommerce"]
    assert isinstance(found, WoocommerceSimulator)
    return found


@pytest.fixture
def shop(sim: WoocommerceSimulator) -> Iterator[Connector]:
    connector = opened(sim)
    yield connector
    connector.close()


def opened(sim: WoocommerceSimulator, transport: httpx.BaseTransport | None = None, **more: Any) -> Connector:
    settings = {"base_url": sim.base_url, "consumer_key": KEY, "consumer_secret": sim.token, "page_size": 20, **more}
    clock = SiteClock(sim)
    cls = connector_for("woocommerce")
    return open_connector(cls, settings, connection="here", clock=clock, transport=transport)


def answering(body: bytes, status: int = 200, kind: str = "application/json") -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(status, content=body, headers={"content-type": kind}))


def item(key: str, vendor_id: str | None = None, action: Action = Action.UPSERT, **fields: Any) -> WriteItem:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return WriteItem(action, key, f"{key}-g0", named, vendor_id)


def read(connector: Connector, resource: str, since: Any = None) -> list[SourceRecord]:
    return [record for page in connector.read(resource, since) for record in page.records]


# who asks ------------------------------------------------------------------------------------------------------------
def test_over_plain_http_each_request_is_signed_and_the_secret_stays_here(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    sim.make("customers", email="a+b c%41@example.com")
    for _ in range(2):
        shop.check()
    queries = [urllib.parse.parse_qs(call.query) for call in sim.calls]
    assert len({query["oauth_nonce"][0] for query in queries}) == 8  # the vendor takes each one once
    assert not any(sim.token in call.query or "authorization" in call.headers for call in sim.calls)
    assert all(look.ok for look in shop.check())


def test_a_retry_is_signed_anew(shop: Connector, sim: WoocommerceSimulator) -> None:
    sim.faults.add(503)
    assert read(shop, "customers") == []
    assert len({urllib.parse.parse_qs(call.query)["oauth_nonce"][0] for call in sim.calls}) == len(sim.calls) == 2


def test_over_https_it_is_basic_and_a_signature_where_that_is_asked_for(sim: WoocommerceSimulator) -> None:
    asked: list[httpx.Request] = []

    def vendor(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[], headers={"x-wp-total": "0"})

    for oauth1 in (False, True):
        connector = opened(sim, httpx.MockTransport(vendor), base_url="https://shop.example/sub", oauth1=oauth1)
        assert read(connector, "customers") == []
    basic, signed = asked
    assert basic.headers["authorization"] == "Basic " + base64.b64encode(f"{KEY}:{sim.token}".encode()).decode()
    assert "oauth_signature" in signed.url.params
    assert "authorization" not in signed.headers


def test_the_signature_is_that_of_the_standards_own_formula(sim: WoocommerceSimulator) -> None:
    """RFC 5849 3.4, written out once more: method, address and sorted pairs, each encoded, under `secret&`."""
    asked: list[httpx.Request] = []
    vendor = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200, json=[]))  # type: ignore[func-returns-value]
    opened(sim, vendor, base_url="https://shop.example", oauth1=True).fetch("orders", ["7", "8"])
    told = dict(asked[0].url.params)
    signature = told.pop("oauth_signature")
    pairs = "&".join(f"{name}={urllib.parse.quote(told[name], safe='')}" for name in sorted(told))
    text = f"GET&https%3A%2F%2Fshop.example%2Fwp-json%2Fwc%2Fv3%2Forders&{urllib.parse.quote(pairs, safe='')}"
    assert "include%3D7%252C8" in text
    assert signature == base64.b64encode(hmac.digest(f"{sim.token}&".encode(), text.encode(), "sha256")).decode()


def test_plain_http_beyond_this_machine_is_for_those_who_say_so(sim: WoocommerceSimulator) -> None:
    with pytest.raises(BadSetting, match="https"):
        opened(sim, base_url="http://shop.example")
    connector = opened(sim, answering(b"[]"), base_url="http://shop.example", plain_http=True)
    assert read(connector, "orders") == []


# what a list shows ---------------------------------------------------------------------------------------------------
def test_what_is_deleted_while_a_list_is_read_draws_nothing_out_of_sight(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    made = [str(sim.make("customers")["id"]) for _ in range(100)]
    seen: list[str] = []
    for page in shop.read("customers", None):
        seen += [record.id for record in page.records]
        if len(seen) == 40:
            for gone in made[:25]:  # more than two pages share
                sim.remove("customers", gone)
    assert sorted(seen, key=int) == made
    assert len(seen) == len(set(seen))


def test_an_order_changed_while_it_is_read_comes_with_the_next_read(shop: Connector, sim: WoocommerceSimulator) -> None:
    made = [str(sim.make("orders")["id"]) for _ in range(50)]
    pages = []
    for number, page in enumerate(shop.read("orders", None)):
        pages.append(page)
        if number == 0:
            sim.state.advance(2)
            sim.change("orders", made[1], customer_note="changed")
    assert {record.id for page in pages for record in page.records} == set(made)
    again = {record.id: record for record in read(shop, "orders", pages[-1].cursor)}
    assert again[made[1]].raw["customer_note"] == "changed"


def test_bounds_are_of_gmt_though_the_site_lives_elsewhere(shop: Connector, sim: WoocommerceSimulator) -> None:
    sim.state.advance(-7200)
    sim.make("orders")
    *_, last = shop.read("orders", None)
    sim.state.advance(3600)
    later = sim.make("orders")
    sim.state.advance(3600)
    assert [record.id for record in read(shop, "orders", last.cursor)][-1:] == [str(later["id"])]
    query = urllib.parse.parse_qs(sim.calls[-1].query)
    assert query["dates_are_gmt"] == ["true"]
    assert query["modified_after"][0][-1] != "Z"


def test_a_trashed_order_is_told_as_gone_and_comes_back_when_it_is_restored(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    id = str(sim.make("orders", total="5.00")["id"])
    *_, last = shop.read("orders", None)
    sim.trash("orders", id)
    (gone,) = read(shop, "orders", last.cursor)
    assert (gone.id, gone.deleted, gone.raw) == (id, True, {"id": id})
    assert shop.fetch("orders", [id])[0].deleted
    sim.change("orders", id, status="processing")
    assert not shop.fetch("orders", [id])[0].deleted


def test_people_who_run_the_shop_are_not_read_as_customers(shop: Connector, sim: WoocommerceSimulator) -> None:
    sim.make("customers", role="shop_manager")
    buyer = sim.make("customers")
    assert [record.id for record in read(shop, "customers")] == [str(buyer["id"])]


def test_an_empty_text_is_nothing_and_noise_is_no_change(shop: Connector, sim: WoocommerceSimulator) -> None:
    noise = [{"key": "wc_last_active", "value": "1"}, {"key": "vat_number", "value": "DE1"}]
    sim.make("customers", last_name="", meta_data=noise)
    (record,) = read(shop, "customers")
    assert record.raw["last_name"] is None
    assert record.raw["billing"]["company"] is None
    assert record.raw["meta"] == {"vat_number": "DE1"}


def test_what_an_order_leaves_to_be_computed(shop: Connector, sim: WoocommerceSimulator) -> None:
    line = {"id": 1, "quantity": 3, "subtotal": "10.00", "total": "9.00"}
    refunds = [{"id": 1, "total": "-2.50"}, {"id": 2, "total": "-1.00"}]
    sim.make("orders", total="9.00", line_items=[line], refunds=refunds, date_paid_gmt="2026-01-01T00:00:00")
    sim.make("orders", total="5.00", status="failed", customer_id=7)
    partly, failed = (record.raw for record in read(shop, "orders"))
    assert (partly["payment_status"], partly["refunded_total"], partly["customer"]) == (
        "partially_refunded",
        "3.50",
        None,
    )
    (line,) = partly["line_items"]
    assert (line["unit_price"], line["discount"], line["currency"]) == ("3.3333", "1.00", "EUR")
    assert (failed["payment_status"], failed["refunded_total"], failed["customer"]) == ("voided", None, "7")


def test_products_cost_in_the_shops_currency_which_is_asked_once(shop: Connector, sim: WoocommerceSimulator) -> None:
    for _ in range(50):
        sim.make("products", price="3.00")
    assert {record.raw["currency"] for record in read(shop, "products")} == {"EUR"}
    assert sum(call.path.endswith("/currencies/current") for call in sim.calls) == 1


# what stands around the answers --------------------------------------------------------------------------------------
def test_what_php_prints_before_its_json_is_taken_away(sim: WoocommerceSimulator) -> None:
    body = b"\xef\xbb\xbf" + PHP * 2 + b'[{"id": 1, "email": "a@example.com"}]'
    assert [one.id for one in opened(sim, answering(body)).fetch("customers", ["1"])] == ["1"]


@pytest.mark.parametrize("body", [b"<!doctype html><html>[]</html>", PHP, b"", b'{"code": "x"}', PHP + b"<html>[]"])
def test_anything_else_is_no_empty_list(sim: WoocommerceSimulator, body: bytes) -> None:
    with pytest.raises(Retry):
        read(opened(sim, answering(body)), "orders")


def test_a_firewalls_refusal_passes_and_a_missing_permission_does_not(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    blocked = answering(b"<html>Blocked</html>", 403, "text/html")
    with pytest.raises(Retry):
        read(opened(sim, blocked), "orders")
    with pytest.raises(Unknown):
        opened(sim, blocked).write("customers", [item("k", email="a@example.com")])
    sim.forbidden.add("orders")
    with pytest.raises(Stop) as caught:
        read(shop, "orders")
    assert caught.value.cause == "forbidden"


def test_a_host_that_strips_the_credential_is_told_so(sim: WoocommerceSimulator) -> None:
    body = orjson.dumps({"code": "woocommerce_rest_cannot_view", "message": "Sorry", "data": {"status": 401}})
    looks = opened(sim, answering(body, 401)).check()
    assert not any(look.ok for look in looks)
    assert all("oauth1" in look.fix for look in looks)


def test_a_key_that_may_only_read_is_told_so(shop: Connector, sim: WoocommerceSimulator) -> None:
    sim.writes = False
    assert [(look.name, look.ok) for look in shop.check()][-2:] == [("products", True), ("customers: write", False)]


@pytest.mark.parametrize("bent", [{"line_items": [7]}, {"total": "ten"}, {"refunds": {"a": 1}}, {"meta_data": [None]}])
def test_what_a_plugin_bent_is_parked_and_takes_no_other_along(
    shop: Connector, sim: WoocommerceSimulator, bent: dict[str, Any]
) -> None:
    odd, good = sim.make("orders"), sim.make("orders")
    sim.state.put("orders", str(odd["id"]), {**odd, "refunds": [{"id": 1, "total": "-1"}], **bent})
    assert [(one.id, bool(one.fault)) for one in read(shop, "orders")] == [
        (str(odd["id"]), True),
        (str(good["id"]), False),
    ]


# writing -------------------------------------------------------------------------------------------------------------
def test_a_hundred_go_in_one_request_each_with_its_own_fate(shop: Connector, sim: WoocommerceSimulator) -> None:
    known = str(sim.make("customers")["id"])
    items = [item(f"k{n}", email=f"p{n}@example.com", first_name="Ada") for n in range(98)]
    items += [item("bad", email="nobody"), item("old", known, first_name="Eve")]
    outcomes = shop.write("customers", items)
    assert len(sim.calls) == 1
    assert [outcome.error is None for outcome in outcomes] == [True] * 98 + [False, True]
    refused = outcomes[98].error
    assert isinstance(refused, Park)
    assert (refused.field, refused.cause) == ("email", "refused")
    assert "nobody" not in str(refused)


def test_a_buyer_who_registered_first_becomes_ours_and_keeps_the_own_name(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    theirs = sim.make("customers", email="Ann@Example.com", username="ann", billing={"city": "Rome"})
    (outcome,) = shop.write("customers", [item("k1", email="ann@example.com", first_name="Ann")])
    held = sim.state.get("customers", str(theirs["id"])) or {}
    assert outcome.vendor_id == str(theirs["id"])
    assert outcome.created is False
    assert (held["username"], held["first_name"], held["billing"]["city"]) == ("ann", "Ann", "Rome")
    assert [one.id for one in shop.find("customers", ["k1"])["k1"]] == [outcome.vendor_id]


def test_a_lost_adoption_is_found_though_no_search_knows_our_key(shop: Connector, sim: WoocommerceSimulator) -> None:
    theirs = str(sim.make("customers", email="ann@example.com")["id"])
    sim.faults.add("reset", "POST", "/batch$", nth=2, apply=True)
    (lost,) = shop.write("customers", [item("k1", email="ann@example.com")])
    assert isinstance(lost.error, Unknown)
    assert [one.id for one in shop.find("customers", ["k1"])["k1"]] == [theirs]


def test_a_customer_whose_address_changed_there_is_still_ours(shop: Connector, sim: WoocommerceSimulator) -> None:
    (first,) = shop.write("customers", [item("k1", email="a@example.com")])
    sim.change("customers", str(first.vendor_id), email="moved@example.com")
    (again,) = shop.write("customers", [item("k1", email="a@example.com")])
    assert again.vendor_id == first.vendor_id


def test_an_address_another_customer_has_is_a_conflict_for_an_update_too(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    sim.make("customers", email="taken@example.com")
    (made,) = shop.write("customers", [item("k1", email="a@example.com")])
    (outcome,) = shop.write("customers", [item("k1", made.vendor_id, email="taken@example.com")])
    assert outcome.error is not None
    assert outcome.error.cause == "conflict"


def test_meta_is_written_by_its_key(shop: Connector, sim: WoocommerceSimulator) -> None:
    (made,) = shop.write("customers", [item("k1", email="a@example.com", meta__vat_number="DE1")])
    shop.write("customers", [item("k1", made.vendor_id, meta__vat_number="DE2")])
    assert shop.fetch("customers", [str(made.vendor_id)])[0].raw["meta"] == {
        "throughline_key": "k1",
        "vat_number": "DE2",
    }


def test_an_update_of_what_is_gone_and_a_refusal_of_the_shop_are_the_items_own(
    shop: Connector, sim: WoocommerceSimulator
) -> None:
    (gone,) = shop.write("customers", [item("k1", "999", first_name="Eve")])
    assert gone.error is not None
    assert gone.error.cause == "not_found"
    denied = {"code": "woocommerce_rest_cannot_edit", "message": "Sorry", "data": {"status": 403}}
    body = orjson.dumps({"update": [{"id": 5, "error": denied}]})
    (one,) = opened(sim, answering(body)).write("customers", [item("k2", "5", email="boss@example.com")])
    assert isinstance(one.error, Park)


def test_staff_are_not_taken_over_for_an_address(shop: Connector, sim: WoocommerceSimulator) -> None:
    sim.make("customers", email="boss@example.com", role="administrator")
    (outcome,) = shop.write("customers", [item("k1", email="boss@example.com")])
    assert outcome.error is not None
    assert outcome.error.cause == "conflict"


def test_a_delete_by_our_key_alone_reaches_an_adopted_customer_too(shop: Connector, sim: WoocommerceSimulator) -> None:
    theirs = str(sim.make("customers", email="ann@example.com")["id"])
    shop.write("customers", [item("k1", email="ann@example.com")])
    (gone,) = shop.write("customers", [item("k1", action=Action.DELETE)])
    assert gone.vendor_id == theirs
    assert sim.state.get("customers", theirs) is None


# webhooks ------------------------------------------------------------------------------------------------------------
def test_webhooks_name_what_to_read_again_whatever_their_version(sim: WoocommerceSimulator) -> None:
    shop = opened(sim, webhook_secret="it&#039;s")
    sim.hook("https://hub.example/x", "it&#039;s")
    id = str(sim.make("orders")["id"])
    sim.trash("orders", id)
    sim._topic = "order.updated"
    sim.emit("order.updated", {"order": {"id": int(id)}})
    sim._topic = "action.woocommerce_add_to_cart"
    sim.emit("action.woocommerce_add_to_cart", {"action": "woocommerce_add_to_cart", "arg": "3"})
    told = [shop.webhook(request(sim, body, headers)) for _, body, headers in sim.outbox]
    assert [one.hints for one in told] == [[("orders", id)]] * 3 + [[]]
    assert len({one.dedupe_key for one in told}) == 4
    assert len({headers["X-WC-Webhook-Delivery-ID"] for _, _, headers in sim.outbox}) == 1  # all of one second


def request(sim: WoocommerceSimulator, body: bytes, headers: dict[str, str]) -> WebhookRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return WebhookRequest("POST", "https://hub.example/x", lower, body, sim.state.now() // SECOND * SECOND)


def test_the_path_is_that_of_the_site(sim: WoocommerceSimulator) -> None:
    asked: list[httpx.Request] = []
    vendor = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200, json=[]))  # type: ignore[func-returns-value]
    opened(sim, vendor, base_url="https://example.com/shop/").fetch("customers", ["1"])
    assert asked[0].url.path == f"/shop{V3}/customers"
