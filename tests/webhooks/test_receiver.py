"""The receiver on a real port: what is taken, what is refused and how, and that our own trouble is never the sender's."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import sqlite3
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors import open_connector
from connectors.proofs import Keyring
from connectors.signatures import admit
from connectors.web_form import WebForm
from console import admission
from console.admission import Buckets
from console.receiver import receiver
from kernel import strict_json
from kernel.errors import BadSetting, Park, Stop
from kernel.records import Delivered, WebhookRequest
from tests.webhooks.conftest import SECRET, Hooks, Port, Serve, Shop, standard_headers
from tests.webhooks.vectors import FORM, JSON, NOW, SAMPLES

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing here differs by engine

BODY = b'{"records":[{"id":"c1","email":"ann@acme.io","first":"Ann","updated":1}]}'


def headers(hooks: Hooks, body: bytes = BODY, id: str = "msg_1", **more: str) -> dict[str, str]:
    return {**standard_headers(id, hooks.now, body), **{name.replace("_", "-"): value for name, value in more.items()}}


def test_a_signed_delivery_is_stored_and_acknowledged_with_nothing(hooks: Hooks, serve_hooks: Serve) -> None:
    told: list[bool] = []
    port = serve_hooks(arrived=lambda: told.append(True))
    status, answered, body = port.send("/hooks/shop", BODY, headers(hooks))
    assert (status, body, answered["content-length"]) == (200, b"", "0")
    assert not {"set-cookie", "server", "content-type", "x-powered-by"} & set(answered)
    assert port.send("/hooks/shop/with/more?and=this", BODY, headers(hooks))[0] == 200
    assert len(hooks.receipts()) == 1
    assert told == [True, True]
    assert hooks.process() == 1
    assert [each["first_name"] for each in hooks.world.golden()] == ["Ann"]


def test_what_is_not_proven_is_refused_and_leaves_nothing(hooks: Hooks, serve_hooks: Serve) -> None:
    port = serve_hooks()
    good = headers(hooks)
    for spoiled in ({}, JSON, {**good, "webhook-id": "msg_2"}, {**good, "webhook-signature": "v1,AAAA"}):
        assert port.send("/hooks/shop", BODY, spoiled)[::2] == (401, b"")
    lines = "".join(f"{name}: {value}\r\n" for name, value in good.items())
    for twice in ("webhook-signature", "webhook-timestamp", "Webhook-Id"):
        sent = f"POST /hooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n{lines}{twice}: {good[twice.lower()]}\r\n\r\n"
        assert port.raw(sent.encode() + BODY).startswith(b"HTTP/1.1 401")
    assert hooks.receipts() == []


def test_a_header_s_name_may_be_written_in_any_case(hooks: Hooks, serve_hooks: Serve) -> None:
    shouted = {name.upper(): value for name, value in headers(hooks).items()}
    assert serve_hooks().send("/hooks/shop", BODY, shouted)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/hooks/nobody", "/hooks/nobody/x", "/hooks/%00", "/hooks/..", "/forms/any", "/forms/shop/x", "/hooks/Shop"],
)
def test_an_address_nobody_knows_is_told_to_come_back(hooks: Hooks, serve_hooks: Serve, path: str) -> None:
    """A deployment may be under way; Typeform disables an address that answers 404 or 410."""
    status, answered, body = serve_hooks().send(path, BODY, headers(hooks))
    assert (status, answered["retry-after"], body) == (503, "60", b"")


# our own trouble ------------------------------------------------------------------------------------------------------
@contextmanager
def locked(hooks: Hooks) -> Iterator[None]:
    """Another process holds the database."""
    assert hooks.world.store.engine.url.database
    other = sqlite3.connect(hooks.world.store.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_locked_store_is_a_503_in_good_time_and_nothing_is_lost(hooks: Hooks, serve_hooks: Serve) -> None:
    port = serve_hooks(patience=0.3)
    assert port.send("/hooks/shop", b"", {})[0] == 401  # known by now
    with locked(hooks):
        status, answered, _ = port.send("/hooks/shop", BODY, headers(hooks))
        assert (status, answered["retry-after"]) == (503, "60")
        assert port.send("/healthz", method="GET")[0] == 200  # reading goes on
    for _ in range(200):  # the write that was given up on may still end well
        if port.send("/hooks/shop", BODY, headers(hooks))[0] == 200:
            break
    assert len(hooks.receipts()) == 1


def test_a_store_that_is_gone_is_a_503(hooks: Hooks, serve_hooks: Serve) -> None:
    port = serve_hooks()
    assert port.send("/healthz", method="GET")[::2] == (200, b"ok\n")
    with hooks.world.store.write() as conn:
        conn.exec_driver_sql("ALTER TABLE receipt RENAME TO receipt_away")
    assert port.send("/hooks/shop", BODY, headers(hooks))[0] == 503
    assert port.send("/healthz", method="GET")[0] == 503
    assert port.send("/hooks/shop", BODY, {})[0] == 401  # forgeries are still forgeries
    with hooks.world.store.write() as conn:
        conn.exec_driver_sql("ALTER TABLE receipt_away RENAME TO receipt")
    assert port.send("/hooks/shop", BODY, headers(hooks))[0] == 200


class Failing:
    """Connections whose opening fails in a way of the test's choice."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def open(self, name: str) -> Any:
        raise self.error

    def system(self, name: str) -> str:
        return "shop"


@pytest.mark.parametrize(
    "error",
    [
        Stop("the secret store is down"),
        BadSetting("a variable is not set"),
        RuntimeError("secret=hunter2"),
        KeyError("k"),
    ],
)
def test_secrets_that_cannot_be_read_are_a_503_without_a_word(
    hooks: Hooks, serve_hooks: Serve, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    status, answered, body = serve_hooks(connections=Failing(error)).send("/hooks/shop", BODY, headers(hooks))
    assert (status, answered["retry-after"], body) == (503, "60", b"")
    assert "hunter2" not in caplog.text


def test_a_connection_without_a_secret_is_our_own_trouble(hooks: Hooks, serve_hooks: Serve) -> None:
    hooks.add("shop", webhook_secret="")
    assert serve_hooks().send("/hooks/shop", BODY, headers(hooks))[0] == 503


class Crashing(Shop):
    """A connector with a defect."""

    def webhook(self, request: WebhookRequest) -> Delivered:
        raise ZeroDivisionError("personal@example.com")


def test_a_connector_that_crashes_is_a_503(hooks: Hooks, serve_hooks: Serve, caplog: pytest.LogCaptureFixture) -> None:
    made = open_connector(Crashing, {}, connection="shop")
    hooks.world.systems["shop"] = made  # type: ignore[assignment]
    assert serve_hooks().send("/hooks/shop", BODY, headers(hooks))[::2] == (503, b"")
    assert "personal@example.com" not in caplog.text


# what hurts -----------------------------------------------------------------------------------------------------------
MIB = 1024 * 1024
BOMBS: dict[str, bytes] = {
    "200,000 levels": b"[" * 200_000,
    "200,000 levels, closed": b"[" * 100_000 + b"]" * 100_000,
    "objects 65 levels deep": b'{"a":' * 65 + b"1" + b"}" * 65,
    "an integer of 100,000 digits": b'{"records":[' + b"9" * 100_000 + b"]}",
    "a fraction of 100,000 digits": b"[1e" + b"9" * 100_000 + b"]",
    "NaN": b'{"records":[{"id":NaN}]}',
    "Infinity": b'{"records":[-Infinity]}',
    "a double too large": b'{"records":[1e999]}',
    "a key twice": b'{"records":[],"records":[{"id":"c1"}]}',
    "a key twice, inside": b'{"records":[{"id":"c1","id":"c2"}]}',
    "a key twice, escaped": b'{"records":[],"\\u0072ecords":[]}',
    "a byte order mark": b"\xef\xbb\xbf" + BODY,
    "UTF-16": BODY.decode().encode("utf-16"),
    "a lone surrogate": b'{"records":[{"id":"\\ud800"}]}',
    "no UTF-8": b'{"records":[{"id":"\xff"}]}',
    "a form": b"records=1&id=2",
    "half of it": BODY[: len(BODY) // 2],
    "more than it": BODY + b"{}",
    "nothing but commas": b"[" + b"0," * (MIB // 2 - 10) + b"0]",
    "nothing but lists": b"[" + b"[]," * (MIB // 3 - 10) + b"[]]",
    "not what we know": b'{"records":"all of them"}',
    "not an object": b"17",
    "null": b"null",
    "a comment": b'{"records":[] /* x */}',
    "an empty string": b'""',
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_signed_bomb_is_refused(hooks: Hooks, serve_hooks: Serve, name: str) -> None:
    body = BOMBS[name]
    status, _, said = serve_hooks().send("/hooks/shop", body, headers(hooks, body))
    assert (status, said) == (400, b"")
    assert hooks.receipts() == []


PLAIN = {"not what we know", "not an object", "null", "an empty string"}
"""Sound JSON, of another shape than the vendor's."""


@pytest.mark.parametrize("name", sorted(set(BOMBS) - PLAIN))
def test_bombs_need_little_memory(name: str, database_url: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(strict_json.NotJson):
            strict_json.loads(BOMBS[name])
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_the_largest_body_that_passes_needs_little_memory(database_url: str) -> None:
    largest = b"[" + b"{}," * 90_000 + b"{}]"
    tracemalloc.start()
    try:
        assert len(strict_json.loads(largest)) == 90_001
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"a":[{"b":null}]}', b'"a"', b"1.5", b"18446744073709551615", b"[" * 64 + b"]" * 64]
)
def test_sound_json_passes(body: bytes, database_url: str) -> None:
    assert strict_json.loads(body) == orjson.loads(body)


def test_compressed_bodies_are_refused_unread(hooks: Hooks, serve_hooks: Serve) -> None:
    bomb = gzip.compress(b"0" * 50 * MIB, 9)
    port = serve_hooks()
    for coding in ("gzip", "br", "deflate", "GZIP", "identity, gzip", "x"):
        assert port.send("/hooks/shop", bomb, headers(hooks, bomb, content_encoding=coding))[0] == 415
    assert port.send("/hooks/shop", BODY, headers(hooks, content_encoding="identity"))[0] == 200


def head(*lines: str) -> bytes:
    return ("\r\n".join(["POST /hooks/shop HTTP/1.1", "host: x", *lines]) + "\r\n\r\n").encode()


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def test_a_body_above_the_limit_is_refused_whatever_its_headers_say(hooks: Hooks, serve_hooks: Serve) -> None:
    port = serve_hooks()
    assert port.raw(head(f"content-length: {10 * MIB}")).startswith(b"HTTP/1.1 413")  # not a byte of it was sent
    assert port.raw(head("content-length: 99999999999999999999")).startswith(b"HTTP/1.1 413")
    flood = [chunk(b"x" * 65536)] * 200
    assert port.raw(head("transfer-encoding: chunked"), *flood).startswith(b"HTTP/1.1 413")
    for lie in (
        "content-length: -1",
        "content-length: 1_0",
        "content-length: ０",
        "content-length: 5\r\ncontent-length: 6",
    ):
        assert port.raw(head(lie) + BODY).startswith(b"HTTP/1.1 400"), lie
    both = head("transfer-encoding: chunked", "content-length: 3") + chunk(BODY) + b"0\r\n\r\n"
    assert port.raw(both).startswith(b"HTTP/1.1 400")
    lines = [f"{name}: {value}" for name, value in headers(hooks).items()]
    short = head(*lines, f"content-length: {len(BODY) + 5}") + BODY
    assert b"200" not in port.raw(short, shut=True)[:12]
    assert hooks.receipts() == []
    long = head(*lines, f"content-length: {len(BODY)}") + BODY + b"GARBAGE\r\n\r\n"
    assert port.raw(long).startswith(b"HTTP/1.1 200")
    assert port.send("/hooks/shop", BODY, headers(hooks, id="after"))[0] == 200


def test_chunked_bodies_within_the_limit_are_taken(hooks: Hooks, serve_hooks: Serve) -> None:
    lines = [f"{name}: {value}" for name, value in headers(hooks).items()]
    pieces = [chunk(BODY[n : n + 7]) for n in range(0, len(BODY), 7)]
    assert (
        serve_hooks().raw(head(*lines, "transfer-encoding: chunked"), *pieces, b"0\r\n\r\n").startswith(b"HTTP/1.1 200")
    )


def test_a_connection_may_allow_more_up_to_a_limit(hooks: Hooks, serve_hooks: Serve) -> None:
    body = orjson.dumps({"records": [], "note": "x" * (2 * MIB)})
    assert serve_hooks().send("/hooks/shop", body, headers(hooks, body))[0] == 413
    hooks.add("shop", webhook_bytes=5 * MIB)
    assert serve_hooks().send("/hooks/shop", body, headers(hooks, body))[0] == 200
    with pytest.raises(BadSetting, match="webhook_bytes"):
        hooks.add("shop", webhook_bytes=5 * MIB + 1)


def test_a_body_that_trickles_is_given_up(hooks: Hooks, serve_hooks: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SLOWEST", 0.2)
    assert serve_hooks().raw(head("content-length: 100"), b"only this").startswith(b"HTTP/1.1 408")


def test_all_bodies_together_have_a_limit(hooks: Hooks, serve_hooks: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_HELD", 1000)
    port = serve_hooks()
    status, answered, _ = port.send("/hooks/shop", b"x" * 1001, JSON)
    assert (status, answered["retry-after"]) == (503, "60")
    assert port.send("/hooks/shop", BODY, headers(hooks))[0] == 200, "what was held is given back"


def test_many_requests_are_told_to_wait_before_their_signatures_cost_anything(hooks: Hooks, serve_hooks: Serve) -> None:
    hooks.add("shop", webhook_rate=1)
    hooks.add("other")
    verified: list[str] = []

    def counted(request: WebhookRequest) -> Delivered:
        verified.append("x")
        return Delivered(dedupe_key="k")

    hooks.open("shop").webhook = counted
    time = [0.0]
    port = serve_hooks(timer=lambda: time[0])
    answers = [port.send("/hooks/shop", BODY)[0] for _ in range(12)]
    assert answers.count(429) in (1, 2)
    assert len(verified) == 12 - answers.count(429)
    status, answered, _ = port.send("/hooks/shop", BODY)
    assert (status, answered["retry-after"]) == (429, "1")
    assert port.send("/hooks/other", BODY)[0] == 401, "another connection has its own"
    time[0] += 1
    assert port.send("/hooks/shop", BODY)[0] == 200


def test_buckets_are_filled_by_time_and_bounded_in_number(database_url: str) -> None:
    time = [0.0]
    buckets = Buckets(lambda: time[0])
    assert [buckets.take("a", 2) for _ in range(21)][19:] == [0.0, 0.5]
    time[0] += 0.5
    assert (buckets.take("a", 2), buckets.take("a", 2)) == (0.0, 0.5)
    for n in range(Buckets.MOST + 5):
        buckets.take(n, 1)
    assert len(buckets._buckets) == Buckets.MOST


# addresses ------------------------------------------------------------------------------------------------------------
class Seen(Shop):
    """Keeps what it is given."""

    requests: list[WebhookRequest] = []

    def webhook(self, request: WebhookRequest) -> Delivered:
        self.requests.append(request)
        return Delivered(dedupe_key=str(len(self.requests)))


def test_the_address_is_the_one_the_sender_wrote(hooks: Hooks, serve_hooks: Serve) -> None:
    hooks.world.systems["shop"] = open_connector(Seen, {}, connection="shop")  # type: ignore[assignment]
    Seen.requests.clear()
    path = "/hooks/shop/a%2Fb%20c?x=%2F&y=a+b&empty="
    forwarded = {"x-forwarded-proto": "http", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    for base in ("", "https://in.acme.example", "https://acme.example/in/"):
        assert serve_hooks(public_url=base).send(path, b"", {"host": "here:1", **forwarded})[0] == 200
    assert [request.url for request in Seen.requests] == [
        f"http://here:1{path}",
        f"https://in.acme.example{path}",
        f"https://acme.example/in{path}",
    ]


def test_a_wrong_public_address_is_refused_at_the_start(hooks: Hooks) -> None:
    for wrong in ("in.acme.example", "ftp://x", "https://x?a=1", "https://"):
        with pytest.raises(BadSetting, match="THROUGHLINE_PUBLIC_URL"):
            receiver(hooks.world.store, hooks, public_url=wrong)


def test_hubspot_behind_a_proxy(hooks: Hooks, serve_hooks: Serve) -> None:
    class HubSpotLike(Shop):
        def webhook(self, request: WebhookRequest) -> Delivered:
            return Delivered(
                dedupe_key=admit("hubspot", request, Keyring((sample.secret,)), request.received_at).dedupe_key
            )

    sample = SAMPLES["hubspot"]
    hooks.world.clock.at = NOW * 1_000_000
    hooks.world.systems["one"] = open_connector(HubSpotLike, {}, connection="one")  # type: ignore[assignment]
    sent = sample.request()
    path = sent.url.removeprefix("https://in.acme.example")
    assert serve_hooks().send(path, sent.body, sent.headers)[0] == 401
    assert serve_hooks(public_url="https://in.acme.example").send(path, sent.body, sent.headers)[0] == 200


def test_xeros_probes_get_an_empty_200_and_an_empty_401(hooks: Hooks, serve_hooks: Serve) -> None:
    class XeroLike(Shop):
        def webhook(self, request: WebhookRequest) -> Delivered:
            return Delivered(answer=admit("xero", request, Keyring(("key",)), request.received_at).answer)

    hooks.world.systems["xero"] = open_connector(XeroLike, {}, connection="xero")  # type: ignore[assignment]
    port, body = serve_hooks(), b'{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"X"}'
    for secret, expected in {"key": 200, "not the key": 401}.items():
        status, answered, said = port.send("/hooks/xero", body, SAMPLES["xero"].sign(secret, body, NOW).headers)
        assert (status, said, "set-cookie" in answered) == (expected, b"", False)
    assert hooks.receipts() == []


def test_web_forms(hooks: Hooks, serve_hooks: Serve) -> None:
    site = {
        "origins": ["https://www.acme.example"],
        "forms": ["contact"],
        "thanks_url": "https://www.acme.example/thanks",
    }
    hooks.world.systems["site"] = open_connector(WebForm, site, connection="site", clock=hooks.world.clock)  # type: ignore[assignment]
    port, origin = serve_hooks(forms=["site"]), {"origin": "https://www.acme.example"}
    status, answered, body = port.send("/forms/contact", b"email=a%40x.io", {**FORM, **origin})
    assert (status, answered["location"], body) == (303, "https://www.acme.example/thanks", b"")
    status, answered, _ = port.send("/forms/site/contact", b'{"email":"b@x.io"}', {**JSON, **origin})
    assert (status, answered["access-control-allow-origin"]) == (200, "https://www.acme.example")
    assert port.send("/forms/contact", b"", origin, "OPTIONS")[0] == 204
    assert port.send("/forms/contact", b"email=a", {**FORM, "origin": "https://evil.example"})[0] == 401
    assert port.send("/forms/other", b"email=a", {**FORM, **origin})[0] == 401
    assert port.send("/forms/contact", b"%PDF", {"content-type": "application/pdf", **origin})[0] == 400
    assert port.send("/forms/contact", b"x" * 70_000, {**FORM, **origin})[0] == 400
    assert len(hooks.receipts()) == 2


def test_a_hundred_at_once_over_http_are_one_receipt(hooks: Hooks, serve_hooks: Serve) -> None:
    port, good, answers = serve_hooks(), headers(hooks), list[int]()

    def send() -> None:
        for _ in range(7):
            answers.append(port.send("/hooks/shop", BODY, good)[0])

    threads = [threading.Thread(target=send) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [200] * 112
    assert len(hooks.receipts()) == 1


# anything at all ------------------------------------------------------------------------------------------------------
_NAMES = ["content-type", "content-length", "content-encoding", "transfer-encoding", "host", "origin", "cookie", "expect", "range",
          "webhook-id", "webhook-timestamp", "webhook-signature", "authorization", "x-hub-signature", "te", "upgrade"]  # fmt: skip


def test_no_request_makes_it_fail(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the application itself: whatever comes, an answer that is meant, and no 5xx where the connection is known."""
    monkeypatch.setattr(Buckets, "BURST", 1_000_000)
    app = receiver(hooks.world.store, hooks)

    async def asked(scope: dict[str, Any], body: bytes) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return int(sent[0]["status"])

    with asyncio.Runner() as runner:

        @settings(max_examples=200)
        @given(
            method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]),
            rest=st.text(max_size=30),
            query=st.binary(max_size=30),
            named=st.lists(st.tuples(st.sampled_from(_NAMES), st.binary(max_size=40)), max_size=6),
            body=st.binary(max_size=400),
        )
        def tried(method: str, rest: str, query: bytes, named: list[tuple[str, bytes]], body: bytes) -> None:
            path = f"/hooks/shop/{rest}"
            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
                "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "root_path": "", "query_string": query,
                "headers": [(name.encode(), value) for name, value in named], "client": ("127.0.0.1", 1), "server": None,
            }  # fmt: skip
            unknown = {404} if "\n" in rest else set()  # a line break makes it no path of ours
            assert runner.run(asked(scope, body)) in {400, 401, 405, 413, 415} | unknown

        tried()


def test_secrets_are_never_shown(hooks: Hooks) -> None:
    shown = repr(Keyring((SECRET,))) + repr(hooks.open("shop").settings) + repr(SecretStr(SECRET))
    assert SECRET not in shown
    with pytest.raises(Park) as caught:
        hooks.open("shop").webhook(hooks.request(secret=SAMPLES["standard"].other))
    assert SECRET not in str(caught.value)


def test_a_client_that_hangs_up_leaves_nothing(hooks: Hooks, serve_hooks: Serve) -> None:
    port: Port = serve_hooks()
    wire = http.client.HTTPConnection("127.0.0.1", port.port)
    wire.putrequest("POST", "/hooks/shop")
    wire.putheader("content-length", "1000")
    wire.endheaders()
    wire.send(b"half")
    wire.close()
    assert port.send("/healthz", method="GET")[0] == 200
    assert hooks.receipts() == []
