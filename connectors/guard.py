"""Where a request may go: to a public address over https, looked up by us and used as looked up.

A base URL comes from settings and, for OAuth systems, from a vendor's answer; an outgoing webhook's from a customer.
Whatever its host's name says, the addresses behind it are resolved here, each is checked with what it wraps (NAT64, 6to4,
mapped and compatible IPv4), and the connection goes to the checked address itself: a name that changes its mind in
between changes nothing. Loopback, written out as such, is for simulators.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence

import httpx

from kernel.errors import Stop

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
REMEMBERED = 60.0
"""Seconds a checked address is used before its name is looked up again."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp = Callable[[str, int], Sequence[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # for protocols' own use; Python calls most of it global


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(address: str) -> bool:
    """Whether an address, and every address wrapped in it, is on the public internet."""
    try:
        found: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast and each not in _PROTOCOLS for each in _unwrapped(found))


def _unwrapped(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    last = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address in _NAT64 or address in _COMPATIBLE:
        return [address, last]
    if address in _NAT64_LOCAL:
        return [ipaddress.IPv4Address(0)]  # some network's own translation: not public
    return [address]


class GuardedTransport(httpx.BaseTransport):
    """httpx's transport, to checked addresses only. Certificates are still checked against the host's name."""

    def __init__(self, inner: httpx.BaseTransport, connection: str, resolve: LookUp = look_up) -> None:
        """`inner` opens the sockets; `connection` is named in errors."""
        self._inner, self._connection, self._resolve = inner, connection, resolve
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that answers. Raises Stop for a host that is not public, httpx errors else."""
        host = request.url.raw_host.decode("ascii")
        if host in LOOPBACK:
            return self._inner.handle_request(request)
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = self._addresses(host, port)
        for place, address in enumerate(addresses):
            try:
                return self._inner.handle_request(_towards(request, address, host))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
        raise httpx.ConnectError("the host has no address", request=request)

    def close(self) -> None:
        """Release sockets."""
        self._inner.close()

    def _addresses(self, host: str, port: int) -> list[str]:
        now = time.monotonic()
        with self._lock:
            until, known = self._known.get((host, port), (0.0, []))
        if now < until:
            return known
        try:
            found = list(self._resolve(host, port))
        except (OSError, UnicodeError):
            raise httpx.ConnectError("the host's name cannot be resolved") from None
        if not all(is_public(address) for address in found):
            raise Stop(f"{self._connection}: the host leads to an address that is not public", cause="private_host")
        with self._lock:
            self._known[(host, port)] = (now + REMEMBERED, found)
        return found


def _towards(request: httpx.Request, address: str, host: str) -> httpx.Request:
    """The same request to one address; its Host header and its certificate's name stay the host's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
