"""Outgoing webhooks against their receiver: signed, told whole, one effect however often they are sent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from connectors import open_connector
from connectors.base import WriteClass
from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.webhook_out import SCHEDULE, WebhookOut
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Retry, RetryAt, Stop, ThroughlineError, Unknown
from kernel.records import Action, WebhookRequest, WriteItem
from sandbox import Box
from sandbox.webhook_out import WebhookOutSimulator

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OLD = "whsec_" + base64.b64encode(bytes(range(1, 25))).decode()
NOW = 1_790_000_000


class SimClock:
    """The connector's clock is the receiver's."""

    def __init__(self, sim: WebhookOutSimulator) -> None:
        self.sim = sim

    def now(self) -> int:
        return self.sim.state.now()

    def sleep(self, seconds: float) -> None:
        self.sim.state.advance(seconds)


@pytest.fixture
def sim(serve: Callable[..., Box]) -> WebhookOutSimulator:
    sim = serve("webhook_out")["webhook_out"]
    assert isinstance(sim, WebhookOutSimulator)
    sim.token = SECRET
    sim.state.freeze(NOW * SECOND)
    return sim


_OPEN: list[WebhookOut] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def opened(sim: WebhookOutSimulator, secret: Any = SECRET, **settings: Any) -> WebhookOut:
    url = f"{sim.base_url}/catch/1?key=x"
    made = open_connector(
        WebhookOut,
        {"url": url, "webhook_secret": secret, "timeout": 0.5, **settings},
        connection="zap",
        clock=SimClock(sim),
    )
    assert isinstance(made, WebhookOut)
    _OPEN.append(made)
    return made


ITEM = WriteItem(
    Action.UPSERT, "key-1", "op1-g0", {"email": "ann@acme.io", "tags": ["vip"], "phone": None}, refs={"account": ("accounts", "key-9")},
    trace_id="0199a1b2c3d47e5f8a9b0c1d2e3f4a5b",
)  # fmt: skip


def error_of(out: WebhookOut, item: WriteItem = ITEM) -> ThroughlineError:
    with pytest.raises(ThroughlineError) as caught:
        out.write("contacts", [item])
    return caught.value


def test_a_delivery_tells_the_whole_record_and_is_signed(sim: WebhookOutSimulator) -> None:
    (outcome,) = opened(sim).write("contacts", [ITEM])
    assert (outcome.vendor_id, outcome.status, outcome.error) == ("key-1", 200, None)
    call = sim.calls[-1]
    assert (call.path, call.query) == ("/catch/1", "key=x")
    told = orjson.loads(call.body)
    assert told == {
        "type": "contact.created",
        "timestamp": "2025-10-01T21:34:31.380Z",
        "data": {"id": "key-1", "email": "ann@acme.io", "tags": ["vip"], "phone": None, "account_id": "key-9"},
    }
    seen = WebhookRequest(
        "POST", sim.base_url, {k.lower(): v for k, v in call.headers.items()}, call.body, NOW * SECOND
    )
    assert (
        admit("standard", seen, Keyring((SECRET,)), NOW * SECOND).dedupe_key
        == "op1-g0"
        == call.headers["x-workato-dedup"]
    )
    assert sim.state.get("contacts", "key-1") == told["data"]


def test_the_same_write_sent_again_is_the_same_delivery(sim: WebhookOutSimulator) -> None:
    out = opened(sim)
    for n in range(5):
        sim.state.advance(3600 * n)
        assert out.write("contacts", [ITEM])[0].error is None
    assert (len(sim.effects()), sim.repeats, sim.conflicts) == (1, 4, 0)
    assert len({call.body for call in sim.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in sim.calls}) == 5, "a fresh signature each time"


def test_what_happened_is_in_the_type(sim: WebhookOutSimulator) -> None:
    out = opened(sim)
    changed = replace(ITEM, idempotency_key="op2-g0", vendor_id="key-1", fields={"email": "b@acme.io"})
    gone = replace(ITEM, idempotency_key="op3-g0", vendor_id="key-1", action=Action.DELETE, fields={}, refs={})
    company = WriteItem(Action.UPSERT, "key-9", "op4-g0", {"name": "Acme"}, trace_id="no trace")
    assert [each.error for each in out.write("contacts", [ITEM, changed, gone])] == [None] * 3
    out.write("accounts", [company])
    assert [orjson.loads(call.body)["type"] for call in sim.calls] == [
        "contact.created",
        "contact.updated",
        "contact.deleted",
        "account.created",
    ]
    assert "timestamp" not in orjson.loads(sim.calls[-1].body)
    assert (sim.state.get("contacts", "key-1"), sim.state.get("accounts", "key-9")) == (
        None,
        {"id": "key-9", "name": "Acme"},
    )


def test_both_secrets_sign_while_one_is_being_rotated(sim: WebhookOutSimulator) -> None:
    sim.token = OLD
    assert isinstance(error_of(opened(sim)), Stop)
    opened(sim, f"{SECRET},{OLD}").write("contacts", [ITEM])
    assert len(sim.calls[-1].headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "cause"),
    [
        (410, Stop, "unsubscribed"), (404, Stop, "unsubscribed"), (301, Stop, "redirected"), (302, Stop, "redirected"), (307, Stop, "redirected"),
        (308, Stop, "redirected"), (300, Stop, "unexpected_status"), (401, Stop, "unauthorized"), (403, Stop, "forbidden"), (400, Park, "refused"),
        (422, Park, "refused"), (413, Park, "too_large"), (429, Retry, "rate_limited"), (500, Retry, "server_error"), (502, Retry, "server_error"),
        (503, Retry, "server_error"), (504, Retry, "server_error"), ("timeout", Unknown, "timeout"), ("reset", Unknown, "connection_lost"),
    ],
)  # fmt: skip
def test_what_the_receiver_s_answers_mean(
    sim: WebhookOutSimulator, fault: str | int, kind: type[ThroughlineError], cause: str
) -> None:
    sim.faults.add(fault, seconds=1)
    error = error_of(opened(sim))
    assert (type(error), error.cause) == (kind, cause)
    assert len(sim.calls) == 1, "the waits between attempts are the engine's"
    assert "catch" not in str(error)


def test_an_unsubscribed_address_stays_so(sim: WebhookOutSimulator) -> None:
    sim.unsubscribed = True
    assert error_of(opened(sim)).cause == "unsubscribed"
    first, second = opened(sim).write("contacts", [ITEM, replace(ITEM, idempotency_key="op2-g0")])
    assert isinstance(first.error, Stop)
    assert isinstance(second.error, Stop)


@pytest.mark.parametrize(("after", "kind"), [(7, Retry), (3600, RetryAt)])
def test_the_receiver_s_own_wait_is_kept(sim: WebhookOutSimulator, after: int, kind: type[Retry]) -> None:
    for status in (429, 503):
        sim.faults.add(status, retry_after=after)
        error = error_of(opened(sim))
        assert type(error) is kind
        assert isinstance(error, Retry)
        assert error.after == after or (isinstance(error, RetryAt) and error.at == (NOW + after) * SECOND)


def test_bodies_that_are_too_large_are_parked_unsent(sim: WebhookOutSimulator) -> None:
    assert error_of(opened(sim), replace(ITEM, fields={"notes": "x" * 300_000})).cause == "too_large"
    assert sim.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no address",
        "https://",
        "https://a:b@x.example/",
        "https://x.example/#a",
        "http://hooks.example.com/",
        "ftp://x",
    ],
)
def test_addresses_that_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        open_connector(WebhookOut, {"url": url, "webhook_secret": SECRET}, connection="zap")
    assert len(url) < 10 or url not in str(caught.value)


@pytest.mark.parametrize("secret", ["", [""], ["  "]])
def test_without_a_secret_nothing_is_sent(secret: Any) -> None:
    with pytest.raises(BadSetting, match="webhook_secret"):
        open_connector(WebhookOut, {"url": "https://x.example/", "webhook_secret": secret}, connection="zap")


def test_check_and_what_it_declares(sim: WebhookOutSimulator) -> None:
    assert [each.ok for each in opened(sim).check()] == [True]
    assert [each.ok for each in opened(sim, "whsec_!").check()] == [False]
    spec = WebhookOut.resources["contacts"].write
    assert spec is not None
    assert (spec.write_class, spec.whole) == (WriteClass.APPEND_ONLY, True)
    assert sum(SCHEDULE, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    with pytest.raises(Stop):
        opened(sim).find("contacts", ["key-1"])
    shown = repr(opened(sim).settings)
    assert SECRET not in shown
    assert "catch" not in shown
