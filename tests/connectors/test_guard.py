"""Where a connection may lead: every way of writing an inside address ends before a socket is opened."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from connectors.guard import GuardedTransport, is_public, look_up
from connectors.http import Http
from kernel.errors import BadSetting, Retry, Stop

ANYWHERE = "0.0.0.0"  # noqa: S104 - asked about, not bound
INSIDE = [
    "127.0.0.1", "127.1.2.3", ANYWHERE, "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8",
    "198.18.0.1", "203.0.113.5", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fc00::1", "fd00::1",
    "fe80::1", "fe80::1%eth0", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "2001::1", "100::1",
    "not an address", "",
]  # fmt: skip
OUTSIDE = ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_outside_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def canary() -> Iterator[tuple[int, list[bool]]]:
    """A socket on every loopback address that counts who comes."""
    came: list[bool] = []
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.settimeout(0.05)
    over = threading.Event()

    def count() -> None:
        while not over.is_set():
            try:
                listener.accept()[0].close()
                came.append(True)
            except TimeoutError:
                continue

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    yield listener.getsockname()[1], came
    over.set()
    thread.join()
    listener.close()


WRITTEN = [
    "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0", ANYWHERE, "[::]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "127.0.0.2", "127.127.127.127", "localhost.", "LOCALHOST.", "localhost.localdomain", "ip6-localhost", "ip6-loopback",
    "127.0.0.1.", "[::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal",
    "10.0.0.1", "192.168.0.1", "[fe80::1]", "0177.1", "0x7f.0x0.0x0.0x1", "00000177.1", "127.00.00.01", "[0000::1]x",
]  # fmt: skip


@pytest.mark.parametrize("host", WRITTEN)
def test_no_way_of_writing_leads_inside(host: str, canary: tuple[int, list[bool]]) -> None:
    port, came = canary

    def send() -> None:
        http = Http(connection="out", base_url=f"https://{host}:{port}/", timeout=0.3, attempts=1)
        with contextlib.closing(http):
            http.send("POST", "/x", write=True)

    with pytest.raises((Stop, Retry, BadSetting, httpx.InvalidURL)):
        send()
    assert came == []


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "gopher"])
def test_only_https_leaves(scheme: str) -> None:
    with pytest.raises(BadSetting):
        Http(connection="out", base_url=f"{scheme}://hooks.example.com/")


def test_a_name_is_looked_up_once_and_the_connection_goes_where_it_led() -> None:
    """A name server that says "outside" first and "inside" after: what was checked is what is used."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked: list[httpx.Request] = []

    def sent(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    guarded = GuardedTransport(httpx.MockTransport(sent), "out", lambda host, port: next(answers))
    with httpx.Client(transport=guarded) as client:
        for _ in range(3):
            assert client.post("https://hooks.example.com/in?a=1", content=b"x").status_code == 200
    for request in asked:
        assert (request.url.host, request.url.raw_path, request.headers["host"]) == (
            "93.184.216.34",
            b"/in?a=1",
            "hooks.example.com",
        )
        assert request.extensions["sni_hostname"] == "hooks.example.com", "the certificate must be the name's"
        assert request.read() == b"x"


def test_a_name_that_leads_both_ways_is_refused() -> None:
    reached: list[bool] = []

    def sent(request: httpx.Request) -> httpx.Response:
        reached.append(True)
        return httpx.Response(200)

    guarded = GuardedTransport(httpx.MockTransport(sent), "out", lambda host, port: ["93.184.216.34", "10.0.0.1"])
    with httpx.Client(transport=guarded) as client, pytest.raises(Stop) as caught:
        client.get("https://hooks.example.com/")
    assert (caught.value.cause, reached) == ("private_host", [])
    assert "example" not in caught.value.message


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    def sent(request: httpx.Request) -> httpx.Response:
        if request.url.host == "93.184.216.34":
            raise httpx.ConnectError("no route")
        return httpx.Response(204)

    guarded = GuardedTransport(
        httpx.MockTransport(sent), "out", lambda host, port: ["93.184.216.34", "2606:4700::1111"]
    )
    with httpx.Client(transport=guarded) as client:
        assert client.get("https://hooks.example.com/").status_code == 204
    none = GuardedTransport(httpx.MockTransport(sent), "out", lambda host, port: [])
    with httpx.Client(transport=none) as client, pytest.raises(httpx.ConnectError):
        client.get("https://hooks.example.com/")


def test_names_that_do_not_resolve_are_tried_again_later() -> None:
    http = Http(connection="out", base_url="https://nowhere.invalid/", attempts=1)
    with contextlib.closing(http), pytest.raises(Retry) as caught:
        http.send("POST", "/x", write=True)
    assert caught.value.cause == "unreachable"
    assert look_up("127.0.0.1", 80) == ["127.0.0.1"]
