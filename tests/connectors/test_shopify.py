"""The Shopify connector against the simulated shop, over loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sandbox
import sandbox.shopify.execution
from connectors import connector_for, open_connector
from connectors.base import Connector, Deletes, WriteClass
from connectors.shopify.documents import MAX_REFUNDS
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Retry, Stop, ThroughlineError, Unknown
from kernel.records import Action, SourceRecord, WebhookRequest, WriteItem
from sandbox import Box
from sandbox.shopify import Shopify
from tests.conftest import FakeClock


class ShopClock(FakeClock):
    """Ours and the shop's clock are one: sleeping refills the shop's bucket."""

    def __init__(self, shop: Shopify) -> None:
        super().__init__()
        self._shop = shop
        shop.state.freeze(self.at)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._shop.state.freeze(self.at)


class Shop:
    """A simulated shop and a connector that reaches it."""

    def __init__(self, box: Box, **settings: Any) -> None:
        sim = box["shopify"]
        assert isinstance(sim, Shopify)
        self.sim = sim
        self.clock = ShopClock(sim)
        self.settings = {
            "token": sim.token,
            "base_url": box.url("shopify"),
            "webhook_secrets": ["old", "new"],
            **settings,
        }
        self._opened: list[Connector] = []
        self.connector = self.open()

    def close(self) -> None:
        for connector in self._opened:
            connector.close()

    def open(self, **settings: Any) -> Connector:
        settings = self.settings | settings
        self._opened.append(open_connector(connector_for("shopify"), settings, connection="shop_eu", clock=self.clock))
        return self._opened[-1]

    def read(self, resource: str, since: Any = None, **options: Any) -> tuple[list[SourceRecord], Any]:
        pages = list(self.connector.read(resource, since, **options))
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        return [record for page in pages for record in page.records], pages[-1].cursor


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """One server for all; every test begins with an empty shop."""
    with sandbox.start(["shopify"]) as box:
        yield box


@pytest.fixture
def shop(box: Box) -> Iterator[Shop]:
    sim, url = box["shopify"], box.url("shopify")
    type(sim).__init__(sim)
    sim.base_url = url
    shop = Shop(box)
    yield shop
    shop.close()


def upsert(key: str, vendor_id: str | None = None, **fields: Any) -> WriteItem:
    return WriteItem(Action.UPSERT, key, f"op-{key}", fields, vendor_id=vendor_id, trace_id="t" * 32)


def delete(key: str, vendor_id: str | None = None) -> WriteItem:
    return WriteItem(Action.DELETE, key, f"op-{key}", {}, vendor_id=vendor_id)


def error_of(call: Callable[[], object]) -> ThroughlineError:
    with pytest.raises(ThroughlineError) as caught:
        call()
    return caught.value


def test_orders_are_held_back_without_the_scope_for_old_ones(shop: Shop) -> None:
    assert [shop.connector.holds_back(name) for name in ("customers", "orders")] == ["", ""]
    shop.sim.scopes = tuple(scope for scope in shop.sim.scopes if scope != "read_all_orders")
    assert shop.connector.holds_back("orders") == "the app lacks read_all_orders"
    assert shop.connector.holds_back("customers") == ""


def test_declares_what_it_can_do() -> None:
    resources = connector_for("shopify").resources
    assert set(resources) == {"customers", "products", "orders"}
    assert {r.deletes for r in resources.values()} == {Deletes.SWEEP}
    assert resources["orders"].write is None
    assert resources["customers"].write is not None
    assert resources["customers"].write.write_class is WriteClass.UPSERT


def test_settings_need_a_shop() -> None:
    with pytest.raises(BadSetting, match="either shop or base_url"):
        open_connector(connector_for("shopify"), {"token": "x"}, connection="shop_eu")


def test_reads_every_page_through_ties_and_restarts(shop: Shop) -> None:
    made = [shop.sim.make("customers", email=f"c{n}@x.example")["id"] for n in range(7)]  # all within one second
    connector = shop.open(page_size=2)
    seen: list[str] = []
    cursor = None
    for _ in range(10):  # a new reader for every page
        page = next(iter(connector.read("customers", cursor)))
        seen += [record.id for record in page.records]
        cursor = page.cursor
        if page.last:
            break
    assert seen == made
    assert set(cursor or {}) == {"high"}


def test_reads_again_from_a_little_before_its_cursor(shop: Shop) -> None:
    first = shop.sim.make("customers", email="a@x.example")
    shop.clock.sleep(3600)
    second = shop.sim.make("customers", email="b@x.example")
    shop.clock.sleep(3600)
    records, cursor = shop.read("customers")
    assert [record.id for record in records] == [first["id"], second["id"]]
    records, again = shop.read("customers", cursor)
    assert [record.id for record in records] == [second["id"]]  # the tie is read again, the hash says it is unchanged
    assert again == cursor
    shop.sim.change("customers", first["id"], note="seen")
    records, _ = shop.read("customers", again)
    assert {record.id for record in records} == {first["id"], second["id"]}


def test_an_index_that_lags_loses_nothing(shop: Shop) -> None:
    shop.sim.state.search_lag = 45
    shop.sim.make("customers", email="late@x.example")
    shop.clock.sleep(20)
    shop.sim.state.search_lag = 0  # the next one is indexed at once, the first is not yet
    shop.sim.make("customers", email="early@x.example")
    shop.sim.state.search_lag = 0.0
    visible = shop.sim.state.visible
    shop.sim.state.visible = lambda resource, lag=None: visible(resource)[1:]  # type: ignore[method-assign]
    records, cursor = shop.read("customers")
    assert len(records) == 1
    shop.sim.state.visible = visible  # type: ignore[method-assign]
    records, _ = shop.read("customers", cursor)
    assert len(records) == 2


def test_a_window_holds_what_was_updated_in_it(shop: Shop) -> None:
    made = []
    for n in range(5):
        made.append(shop.sim.make("products", title=f"P{n}")["id"])
        shop.clock.sleep(100)
    start = shop.clock.at - 400 * SECOND
    shop.connector = shop.open(page_size=1)
    records, _ = shop.read("products", None, window=(start, start + 200 * SECOND))
    assert [record.id for record in records] == made[1:3]


def test_nested_lists_arrive_whole(shop: Shop) -> None:
    lines = [{"title": f"Line {n}", "quantity": 2, "price": "3.50"} for n in range(130)]
    buyer = shop.sim.make("customers", email="a@x.example", metafields={f"custom.f{n}": str(n) for n in range(12)})
    made = shop.sim.make(
        "orders", customer=buyer, lineItems=lines, refunds=[{"amount": "3.50", "note": "late"}, {"amount": 1}]
    )
    (order,), _ = shop.read("orders")
    assert [line["title"] for line in order.raw["lineItems"]] == [f"Line {n}" for n in range(130)]
    assert order.raw["totalPriceSet"] == {"shopMoney": {"amount": "910.00", "currencyCode": "EUR"}}
    assert order.raw["customer"] == {"id": buyer["id"]}
    first = order.raw["refunds"][0]
    assert first["refundLineItems"][0]["lineItem"] == {"id": order.raw["lineItems"][0]["id"]}
    (customer,) = shop.connector.fetch("customers", [buyer["id"]])
    assert customer.raw["metafields"] == {"custom": {f"f{n}": str(n) for n in range(12)}}
    assert customer.raw["numberOfOrders"] == "1"
    assert made["id"] == order.id


def test_a_list_that_cannot_be_paged_is_left_out_rather_than_cut(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.sim.make("orders", refunds=[{"amount": "0.01"}] * (MAX_REFUNDS + 1))
    (order,), _ = shop.read("orders")
    assert "refunds" not in order.raw
    assert "is left out" in caplog.text


def test_a_page_over_the_cost_cap_is_asked_for_smaller(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(9):
        shop.sim.make("orders", email=f"o{n}@x.example")
    monkeypatch.setattr(sandbox.shopify.execution, "MAX_COST", 150)
    records, _ = shop.read("orders")
    assert len(records) == 9
    assert len(shop.connector.fetch("orders", [record.id for record in records])) == 9
    monkeypatch.setattr(sandbox.shopify.execution, "MAX_COST", 5)
    assert isinstance(error_of(lambda: shop.read("orders")), Stop)


def test_a_spent_bucket_is_waited_for_as_long_as_it_takes(shop: Shop) -> None:
    shop.sim.make("customers", email="a@x.example")
    shop.read("customers")
    shop.sim.bucket.available, shop.sim.bucket.rate = 0, 10
    shop.connector = shop.open()
    shop.clock.slept.clear()
    records, _ = shop.read("customers")
    assert len(records) == 1
    assert len(shop.clock.slept) == 1
    assert shop.clock.slept[0] == pytest.approx(13, abs=4)  # the page's points over ten points a second
    shop.sim.bucket.available = 20
    shop.clock.slept.clear()
    shop.connector.fetch("customers", [records[0].id])
    shop.connector.fetch("customers", [records[0].id])  # waits before asking: the cost is known by now
    assert sum("THROTTLED" in str(call.status) for call in shop.sim.calls) == 0
    assert shop.clock.slept


@pytest.mark.parametrize("kind", ["truncated", "html200", "empty200", "reset", "503"])
def test_reads_are_repeated(shop: Shop, kind: str) -> None:
    shop.sim.make("products", title="Board")
    shop.sim.faults.add(kind)
    records, _ = shop.read("products")
    assert [record.raw["title"] for record in records] == ["Board"]


def test_a_refused_token_stops_with_the_command_to_run(shop: Shop) -> None:
    shop.sim.token = "another"
    error = error_of(lambda: shop.read("customers"))
    assert isinstance(error, Stop)
    assert "throughline check shop_eu" in str(error)


def test_upserts_by_our_key_and_never_twice(shop: Shop) -> None:
    items = [upsert(f"k{n}", email=f"C{n}@X.example", firstName="C", tags=["b", "a"]) for n in range(3)]
    outcomes = shop.connector.write("customers", items)
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert len({outcome.vendor_id for outcome in outcomes}) == 3
    record = outcomes[0].record
    assert record is not None
    assert record.raw["defaultEmailAddress"]["emailAddress"] == "c0@x.example"
    assert record.raw["metafields"] == {"throughline": {"ext_key": "k0"}}
    again = shop.connector.write("customers", items)
    assert [outcome.vendor_id for outcome in again] == [outcome.vendor_id for outcome in outcomes]
    assert len(shop.sim.state.ids("customers")) == 3


def test_refusals_are_per_item_and_tell_no_values(shop: Shop) -> None:
    shop.sim.make("customers", email="taken@x.example")
    items = [
        upsert("k0", email="taken@x.example"),
        upsert("k1", email="fine@x.example"),
        upsert("k2", phone="0123"),
        upsert("k3", vendor_id="gid://shopify/Customer/1", lastName="Lee"),
    ]
    taken, fine, phone, gone = shop.connector.write("customers", items)
    assert fine.error is None
    assert [type(outcome.error) for outcome in (taken, phone, gone)] == [Park] * 3
    assert taken.error is not None
    assert (taken.error.cause, taken.error.field) == ("conflict", "email")
    assert "taken@x.example" not in str(taken.error)
    assert gone.error is not None
    assert gone.error.cause == "not_found"


def test_an_object_known_by_id_gets_our_key(shop: Shop) -> None:
    made = shop.sim.make(
        "customers", email="a@x.example", addresses=[{"city": "Lyon", "countryCode": "FR"}, {"city": "Metz"}]
    )
    (outcome,) = shop.connector.write("customers", [upsert("k1", vendor_id=made["id"], lastName="Lee")])
    assert (outcome.vendor_id, outcome.created) == (made["id"], False)
    assert shop.connector.find("customers", ["k1", "k2"])["k1"][0].id == made["id"]
    assert shop.connector.find("customers", ["k2"]) == {"k2": []}
    held = shop.sim.state.get("customers", made["id"]) or {}
    assert held["lastName"] == "Lee"
    assert len(held["addressesV2"]) == 2  # what is not sent stays
    changed = upsert("k1", made["id"], addresses=[{"city": "Nice", "countryCode": "FR"}], tags=None, lastName=None)
    shop.connector.write("customers", [changed])
    held = shop.sim.state.get("customers", made["id"]) or {}
    assert [one["city"] for one in held["addressesV2"]] == ["Nice"]  # a list is replaced as a whole
    assert held["lastName"] is None


def test_writes_custom_fields(shop: Shop) -> None:
    shop.sim.define("CUSTOMER", "crm", "tier", "single_line_text_field", ["gold", "silver"])
    shop.sim.define("CUSTOMER", "crm", "score", "number_integer")
    fields = {"metafields.crm.tier": "gold", "metafields.crm.score": 7}
    good = WriteItem(Action.UPSERT, "k1", "op", {"email": "a@x.example", **fields})
    bad = WriteItem(Action.UPSERT, "k2", "op", {"email": "b@x.example", "metafields.crm.tier": "lead"})
    one, two = shop.connector.write("customers", [good, bad])
    assert one.record is not None
    assert one.record.raw["metafields"]["crm"] == {"tier": "gold", "score": 7}
    assert isinstance(two.error, Park)
    clear = WriteItem(Action.CLEAR, "k1", "op2", {"metafields.crm.tier": None}, vendor_id=one.vendor_id)
    (outcome,) = shop.connector.write("customers", [clear])
    assert outcome.record is not None
    assert outcome.record.raw["metafields"]["crm"] == {"score": 7}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("reset", {"apply": True}),
        ("truncated", {}),
        ("500", {"apply": True}),
        ("html200", {}),
    ],
)
def test_a_lost_write_is_unknown_and_sending_it_again_is_safe(shop: Shop, kind: str, options: dict[str, Any]) -> None:
    shop.sim.faults.add(kind, **options)
    items = [upsert(f"k{n}", email=f"c{n}@x.example") for n in range(2)]
    assert isinstance(error_of(lambda: shop.connector.write("customers", items)), Unknown)
    assert [outcome.error for outcome in shop.connector.write("customers", items)] == [None, None]
    made = [change.key for change in shop.sim.state.changes if change.resource == "customers"]
    assert sorted(made) == ["k0", "k1"]


def test_an_error_of_one_mutation_leaves_that_item_alone_unknown(shop: Shop) -> None:
    shop.sim.faults.add("partial", index=1)
    items = [upsert(f"k{n}", email=f"c{n}@x.example") for n in range(3)]
    outcomes = shop.connector.write("customers", items)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), Unknown, type(None)]
    assert [outcome.error for outcome in shop.connector.write("customers", items)] == [None] * 3
    assert len(shop.sim.state.all("customers")) == 3


def test_a_throttled_write_was_not_applied_and_is_sent_again(shop: Shop) -> None:
    shop.sim.bucket.available, shop.sim.bucket.rate = 5, 50
    (outcome,) = shop.connector.write("customers", [upsert("k1", email="a@x.example")])
    assert outcome.error is None
    assert shop.clock.slept


def test_metafields_that_may_be_lost_leave_the_write_unknown(shop: Shop) -> None:
    made = shop.sim.make("customers", email="a@x.example")
    shop.sim.faults.add("reset", nth=2)
    (outcome,) = shop.connector.write("customers", [upsert("k1", vendor_id=made["id"], lastName="Lee")])
    assert isinstance(outcome.error, Unknown)
    (outcome,) = shop.connector.write("customers", [upsert("k1", vendor_id=made["id"], lastName="Lee")])
    assert outcome.error is None


def test_deletes_and_what_is_gone_already(shop: Shop) -> None:
    shop.connector.write("customers", [upsert("k1", email="a@x.example")])
    buyer = shop.sim.make("customers", email="b@x.example")
    shop.sim.make("orders", customer=buyer)
    items = [delete("k1"), delete("k2", "gid://shopify/Customer/9"), delete("k3", buyer["id"]), delete("k4")]
    one, two, three, four = shop.connector.write("customers", items)
    assert one.error is None
    assert two.vendor_id == "gid://shopify/Customer/9"
    assert isinstance(three.error, Park)
    assert isinstance(four.error, Park)
    assert shop.sim.state.ids("customers") == [buyer["id"]]


def test_products_are_set_and_archived(shop: Shop) -> None:
    fields: dict[str, Any] = {"title": "Board", "seo.title": "Boards", "status": "DRAFT"}
    (outcome,) = shop.connector.write("products", [WriteItem(Action.UPSERT, "p1", "op", fields)])
    assert outcome.record is not None
    assert (outcome.record.raw["seo"]["title"], outcome.record.raw["status"]) == ("Boards", "DRAFT")
    archive = WriteItem(Action.ARCHIVE, "p1", "op2", {}, vendor_id=outcome.vendor_id)
    (outcome,) = shop.connector.write("products", [archive])
    assert outcome.record is not None
    assert outcome.record.raw["status"] == "ARCHIVED"
    (refused,) = shop.connector.write("products", [upsert("p2", vendor="No title")])
    assert isinstance(refused.error, Park)


def test_a_value_of_the_wrong_type_parks_the_whole_batch(shop: Shop) -> None:
    assert isinstance(error_of(lambda: shop.connector.write("products", [upsert("p", title="T", status="OPEN")])), Park)
    assert isinstance(error_of(lambda: shop.connector.write("orders", [upsert("o")])), Stop)


def test_fetch_tells_what_is_missing(shop: Shop) -> None:
    made = shop.sim.make("products", title="Board")
    there, gone = shop.connector.fetch("products", [made["id"], "gid://shopify/Product/1"])
    assert (there.deleted, gone.deleted, gone.raw) == (False, True, {"id": "gid://shopify/Product/1"})
    shop.sim.faults.add("wrong_length", times=None)
    assert isinstance(error_of(lambda: shop.connector.fetch("products", [made["id"]])), Retry)


def test_check_says_what_is_missing_and_how_to_mend_it(shop: Shop) -> None:
    failed = {check.name: check.fix for check in shop.connector.check() if not check.ok}
    assert failed == {"clock": "set this machine's clock"}  # the test's clock is not the machine's
    shop.sim.scopes = ("read_customers", "read_products")
    shop.sim.state.delete("_definitions", "PRODUCT/throughline/ext_key")
    failed = {check.name: check.fix for check in shop.open(api_version="2024-01").check() if not check.ok}
    assert set(failed) - {"clock"} == {
        "api version",
        "scope write_customers",
        "scope write_products",
        "scope read_orders",
        "scope read_all_orders",
        "key of products",
    }
    assert "type id" in failed["key of products"]
    shop.sim.token = "another"
    assert [check.ok for check in shop.connector.check()] == [False]


def test_discovers_live_fields(shop: Shop) -> None:
    shop.sim.define("CUSTOMER", "crm", "tier", "single_line_text_field", ["gold", "silver"])
    fields = {field.name: field for field in shop.connector.discover("customers")}
    assert fields["state"].values == ("DECLINED", "DISABLED", "ENABLED", "INVITED")
    assert fields["state"].read_only
    assert (fields["email"].type, fields["email"].read_only) == ("string", False)
    assert fields["metafields.crm.tier"].values == ("gold", "silver")
    assert fields["metafields.throughline.ext_key"].unique
    assert not fields["locale"].required


def hooked(shop: Shop, act: Callable[[], object], secret: str) -> list[WebhookRequest]:
    """The webhooks the shop sends because of `act`."""
    shop.sim.hook("http://127.0.0.1:1/hook", secret)
    shop.sim.outbox.clear()
    act()
    return [
        WebhookRequest(
            "POST", hook["url"], {name.lower(): value for name, value in headers.items()}, body, shop.clock.now()
        )
        for hook, body, headers in shop.sim.outbox
    ]


def test_webhooks_are_hints(shop: Shop) -> None:
    made = shop.sim.make("customers", email="a@x.example")
    (created,) = hooked(shop, lambda: shop.sim.make("products", title="Board"), "new")
    found = shop.connector.webhook(created)
    assert found.hints[0][0] == "products"
    assert found.dedupe_key == created.headers["x-shopify-webhook-id"]
    shop.sim.outbox.clear()
    shop.sim.remove("customers", made["id"])
    (_, body, headers), *_ = shop.sim.outbox
    lower = {name.lower(): value for name, value in headers.items()}
    gone = shop.connector.webhook(WebhookRequest("POST", "https://x/", lower, body))
    assert (gone.hints, gone.records) == (
        [("customers", made["id"])],
        [],
    )  # the topic is not signed: look, then believe
    (record,) = shop.connector.fetch("customers", [made["id"]])
    assert record.deleted


@pytest.mark.parametrize(("secret", "good"), [("old", True), ("new", True), ("wrong", False)])
def test_signatures_of_both_secrets_hold_while_one_rotates(shop: Shop, secret: str, good: bool) -> None:
    (request,) = hooked(shop, lambda: shop.sim.make("customers", email="a@x.example"), secret)
    if good:
        assert shop.connector.webhook(request).hints
        request.body += b" "
    error = error_of(lambda: shop.connector.webhook(request))
    assert error.cause == "bad_signature"


@pytest.mark.parametrize(
    ("topic", "body", "hints"),
    [
        ("refunds/create", b'{"id": 1, "order_id": 5}', [("orders", "gid://shopify/Order/5")]),
        (
            "customers/merge",
            b'{"admin_graphql_api_customer_kept_id": "gid://shopify/Customer/1",'
            b' "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/2"}',
            [("customers", "gid://shopify/Customer/1"), ("customers", "gid://shopify/Customer/2")],
        ),
        ("customers/redact", b'{"customer": {"id": 3}}', [("customers", "gid://shopify/Customer/3")]),
        (
            "customers_email_marketing_consent/update",
            b'{"customer_id": 4}',
            [("customers", "gid://shopify/Customer/4")],
        ),
        ("shop/update", b'{"id": 9}', []),
        ("orders/updated", b"", []),
    ],
)
def test_every_topic_is_taken(shop: Shop, topic: str, body: bytes, hints: list[Any]) -> None:
    shop.sim._topic = topic
    headers = {name.lower(): value for name, value in shop.sim.sign({"secret": "new"}, body).items()}
    found = shop.connector.webhook(WebhookRequest("POST", "https://x/", headers, body))
    assert (found.hints, found.records) == (hints, [])


def test_a_webhook_of_another_shop_is_refused(shop: Shop) -> None:
    (request,) = hooked(shop, lambda: shop.sim.make("customers", email="a@x.example"), "new")
    assert shop.open(shop="throughline-sandbox").webhook(request).hints
    assert isinstance(error_of(lambda: shop.open(shop="acme").webhook(request)), Park)


@pytest.mark.parametrize("resource", ["customers", "products"])
def test_our_key_is_defined_where_it_is_missing(shop: Shop, resource: str) -> None:
    owned = shop.open(key_name="another_key")
    wanted = f"key of {resource}"
    assert not next(one for one in owned.check() if one.name == wanted).ok
    assert owned.ensure_key(resource)
    assert not owned.ensure_key(resource)
    assert next(one for one in owned.check() if one.name == wanted).ok
    assert not owned.ensure_key("orders")
