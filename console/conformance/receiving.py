"""Webhooks: what is believed, what is refused, and what tells two deliveries apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.base import Connector
from connectors.signatures import VENDORS
from console.conformance.checks import NotHere, Unmet, check, expect, only_where, same
from console.conformance.ground import Ground
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Stop, ThroughlineError
from kernel.records import Delivered, WebhookRequest

if TYPE_CHECKING:
    from sandbox.practice import Post

RUBBISH = ("", "x", "=", "t=,v1=", "v1,", "v1,a,b", ",", "sha256=", "t=1,v1=é", "\x00", "9" * 5_000)


@check("webhook.golden")
def golden(g: Ground, resource: str) -> None:
    """The vendor's own deliveries are believed and name the object; the same one has the same key, another another."""
    connector, requests = _ground(g)
    delivered = [connector.webhook(request) for request in requests]
    for one in delivered:
        expect(one.hints or one.records, "a delivery about an object names none")
        expect(one.dedupe_key, "a delivery has no key to tell it from others")
        for name, _ in (*one.hints, *one.records):
            expect(name in g.resources, f"a delivery names {name}, which is no resource")
    expect(len({one.dedupe_key for one in delivered}) == len(delivered), "two events have one key")


@check("webhook.replay")
def replay(g: Ground, resource: str) -> None:
    """A delivery sent again keeps its key; one that is a day old, or from the future, is refused where it is dated."""
    connector, requests = _ground(g)
    first, again = (connector.webhook(requests[0]) for _ in range(2))
    same(again.dedupe_key, first.dedupe_key, "the key of a delivery sent again")
    if g.practice.dated:
        for days in (-1, 1):
            late = replace(requests[0], received_at=requests[0].received_at + days * 86_400 * SECOND)
            _refused(connector, late, "a delivery a day " + ("old" if days > 0 else "early"))


@check("webhook.tampering")
def tampering(g: Ground, resource: str) -> None:
    """A changed body, a foreign secret, a missing, cut or rubbish signature: refused, and nothing but refused.

    A secret that only travels along proves no body: then nothing in it is taken for true, an object is read again.
    """
    connector, (request, *_) = _ground(g)
    body = request.body
    if g.system in VENDORS and not VENDORS[g.system].signs:
        expect(not connector.webhook(request).records, "a body that nothing proves is taken for a whole record")
    else:
        for told, changed in (
            ("a changed byte", bytes([body[0] ^ 1]) + body[1:]),
            ("a byte more", body + b" "),
            ("no body", b""),
            ("a body that is no text", b"\xff\xfe" + body),
        ):
            _refused(connector, replace(request, body=changed), told)
    foreign = _lower(g.practice.sign(request.url, body, "whsec_Zm9yZWlnbg=="))
    _refused(connector, replace(request, headers={**request.headers, **foreign}), "a foreign secret")
    names = _proofs(g, request)
    expect(names, "no header proves where a delivery comes from")
    for name in names:
        without = {key: value for key, value in request.headers.items() if key != name}
        _refused(connector, replace(request, headers=without), f"no {name}")
        for rubbish in (*RUBBISH, request.headers[name][:-1], request.headers[name][::-1]):
            changed_headers = {**request.headers, name: rubbish}
            if rubbish != request.headers[name]:
                _refused(connector, replace(request, headers=changed_headers), f"{name} = {rubbish[:20]!r}")


@check("webhook.order")
def order(g: Ground, resource: str) -> None:
    """Deliveries out of order do no harm: what they hold is read again, or is dated."""
    connector, requests = _ground(g)
    for delivered in [connector.webhook(request) for request in reversed(requests)]:
        for name, record in delivered.records:
            dated = record.updated_at is not None or g.resources[name].updated_at is None
            expect(dated, f"a delivery brings a whole {name} without its time: an old one would win over a new one")


@check("webhook.rotation")
def rotation(g: Ground, resource: str) -> None:
    """While a secret is rotated the old and the new one are both good; without any secret nothing is believed."""
    connector, (request, *_) = _ground(g)
    if g.practice.rotates:
        other = _lower(g.practice.sign(request.url, request.body, "whsec_b2xk"))
        expect(connector.webhook(replace(request, headers={**request.headers, **other})), "the other secret is refused")
    settings = {name: value for name, value in g.practice.settings().items() if name != g.practice.secret}
    try:
        g.open(settings).webhook(request)
    except (Park, BadSetting, Stop):
        return
    except ThroughlineError as error:
        raise Unmet(f"without a secret: {error.fate}") from None
    expect(g.practice.anonymous, "without a secret anybody is believed")


@check("webhook.handshake")
def handshake(g: Ground, resource: str) -> None:
    """A handshake gets its own answer, and nothing is made of it."""
    asked = g.practice.handshake()
    only_where(asked is not None, "no handshake")
    if asked is not None:
        method, (url, body, headers) = asked
        delivered = g.ready().webhook(WebhookRequest(method, url, _lower(headers), body, g.clock.now()))
        expect(delivered.answer is not None, "a handshake gets no answer")
        expect(not delivered.records and not delivered.hints, "something is made of a handshake")


@check("webhook.nonsense")
def nonsense(g: Ground, resource: str) -> None:
    """Signed nonsense is refused as such or taken for nothing; it never crashes the receiver."""
    connector, (request, *_) = _ground(g)
    for body in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[1]",
        b'"x"',
        b"\xff\xfe",
        b'{"data":null}',
        b"[" * 20_000,
        b'{"id":' + b"9" * 5_000 + b"}",
    ):
        signed = {**request.headers, **_lower(g.practice.sign(request.url, body))}
        try:
            delivered = connector.webhook(replace(request, body=body, headers=signed))
        except Park as error:
            expect(error.cause == "bad_payload", f"signed nonsense is refused as {error.cause}: {body[:20]!r}")
            continue
        except Exception as error:
            raise Unmet(f"signed nonsense crashes it ({type(error).__name__}): {body[:20]!r}") from None
        expect(isinstance(delivered, Delivered), "a webhook gives no Delivered")


def _ground(g: Ground) -> tuple[Connector, list[WebhookRequest]]:
    """A connector and the deliveries about one object."""
    only_where(type(g.open()).webhook is not Connector.webhook, "no webhooks")
    expect(g.practice.secret, "webhooks are received, and the practice names no secret")
    connector = g.ready()
    posts = g.practice.posts(g.practice.main)
    if not posts:
        raise NotHere("the simulator sends none")
    expect(len(posts) >= 2, "the simulator sends one delivery only")
    return connector, [_request(g, post) for post in posts]


def _request(g: Ground, post: Post) -> WebhookRequest:
    url, body, headers = post
    return WebhookRequest("POST", url, _lower(headers), body, g.clock.now())


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _proofs(g: Ground, request: WebhookRequest) -> list[str]:
    """The headers that change when the secret does."""
    foreign = _lower(g.practice.sign(request.url, request.body, "whsec_Zm9yZWlnbg=="))
    own = _lower(g.practice.sign(request.url, request.body))
    again = _lower(g.practice.sign(request.url, request.body))
    return [name for name in own if own[name] != foreign.get(name) and own[name] == again[name]]


def _refused(connector: Connector, request: WebhookRequest, told: str) -> None:
    try:
        connector.webhook(request)
    except Park as error:
        same(error.cause, "bad_signature", f"the cause of {told}")
    except Exception as error:
        raise Unmet(f"{told} crashes it ({type(error).__name__})") from None
    else:
        raise Unmet(f"{told} is believed")
