"""The table of vendors: genuine deliveries are believed, everything else is refused, nothing raises but what is declared."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors import proofs
from connectors.proofs import Hmac, Keyring, Shared
from connectors.signatures import VENDORS, admit
from connectors.webhook import require, revealed
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park
from kernel.records import WebhookRequest
from tests.webhooks import tampering, vectors
from tests.webhooks.tampering import Figures, cases, judge
from tests.webhooks.vectors import JSON, NOW, SAMPLES, b64, mac, pem, post, token

AT = NOW * SECOND


def refused(system: str, request: WebhookRequest, keys: Keyring, now: int = AT) -> str:
    with pytest.raises(Park) as caught:
        admit(system, request, keys, now)
    return caught.value.cause


def said(system: str, request: WebhookRequest, keys: Keyring) -> str:
    """What becomes of a request: taken (with a key), answered, or the cause of its refusal."""
    try:
        told = admit(system, request, keys, AT)
    except Park as refusal:
        return refusal.cause
    return "answered" if told.answer else "taken" if told.dedupe_key else "without a key"


@pytest.mark.parametrize("vendor", SAMPLES)
def test_the_genuine_is_believed_and_the_spoiled_is_not(vendor: str) -> None:
    found = Figures()
    for case in cases(vendor):
        judge(found, vendor, case)
    assert (found.false_accepts, found.false_rejects, found.uncaught) == ([], [], [])
    assert found.cases[vendor] >= (6 if vendor == "mailchimp" else 10)


def test_every_vendor_has_a_sample() -> None:
    assert {sample.system for sample in SAMPLES.values()} == set(VENDORS)


def test_the_three_classes_are_all_there() -> None:
    shared = {name for name, vendor in VENDORS.items() if not vendor.signs}
    assert shared == {"mailchimp", "pipedrive", "freshdesk", "microsoft_graph", "google_calendar"}
    assert all(VENDORS[name].hint for name in shared), "what anybody may have altered is only a hint"


def check(
    vendor: str, secret: str, headers: dict[str, str], body: bytes, url: str = vectors.URL, at: int = NOW
) -> None:
    VENDORS[vendor].proof.check(post(headers, body, url), Keyring((secret,)), at * SECOND)


def test_published_vectors() -> None:
    """From the vendors' documents and the RFCs, not computed here."""
    standard = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    check("standard", secret, standard, b'{"test": 2432232314}', at=1614265330)
    two = {**standard, "webhook-signature": f"v1,AAAA v2,xx {standard['webhook-signature']}"}
    check("standard", secret, two, b'{"test": 2432232314}', at=1614265330)
    twilio, form = (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        "CallSid=CA1234567890ABCDE&Digits=1234&To=%2B18005551212",
    )
    body = f"{form}&Caller=%2B14158675309&From=%2B14158675309".encode()
    check("twilio", "12345", {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, body, twilio)
    body = f"{form}&Caller=%2B12349013030&From=%2B12349013030".encode()
    check("twilio", "12345", {"x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="}, body, twilio)
    hub = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    check("meta", "It's a Secret to Everybody", {"x-hub-signature-256": hub}, b"Hello, World!")
    rfc2202 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    check("segment", "Jefe", {"x-signature": rfc2202}, b"what do ya want for nothing?")
    check("intercom", "Jefe", {"x-hub-signature": f"sha1={rfc2202}"}, b"what do ya want for nothing?")
    rfc4231 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    for vendor, header in {
        "xero": "x-xero-signature",
        "quickbooks": "intuit-signature",
        "shopify": "x-shopify-hmac-sha256",
    }.items():
        check(vendor, "Jefe", {header: b64(bytes.fromhex(rfc4231))}, b"what do ya want for nothing?")


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
def test_twilio_signs_with_or_without_the_port(port: str) -> None:
    signed, seen = f"https://in.acme.example{port}/hooks/one", "https://in.acme.example/hooks/one"
    header = {"x-twilio-signature": b64(mac("t", signed.encode(), SHA1()))}  # noqa: S303 - the vendor's choice
    if port != ":8443":
        check("twilio", "t", header, b"", seen)
    check("twilio", "t", header, b"", signed)


def test_hubspots_older_signatures_are_refused() -> None:
    body = SAMPLES["hubspot"].body
    for version, text in {"v1": b"s" + body, "v2": b"sPOST" + vectors.URL.encode() + body}.items():
        headers = {
            **JSON,
            "x-hubspot-signature": hashlib.sha256(text).hexdigest(),
            "x-hubspot-signature-version": version,
        }
        assert refused("hubspot", post(headers, body), Keyring(("s",))) == "bad_signature"


@pytest.mark.parametrize("secrets", [(), ("",), ("  ",), ("good", "")])
@pytest.mark.parametrize("vendor", ["stripe", "pipedrive", "standard"])
def test_without_a_secret_nothing_is_believed_and_it_is_our_own_fault(vendor: str, secrets: tuple[str, ...]) -> None:
    request = SAMPLES[vendor].sign(SAMPLES[vendor].secret, SAMPLES[vendor].body, NOW)
    with pytest.raises(BadSetting):
        admit(vendor, request, Keyring(secrets), AT)
    with pytest.raises(BadSetting):
        revealed([SecretStr(text) for text in secrets], "here")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_???", "whpk_AAAA", "whpk_"])
def test_a_malformed_key_is_our_own_fault(secret: str) -> None:
    for name in ("standard", "standard_v1a"):
        with pytest.raises((BadSetting, Park)) as caught:
            admit("standard", SAMPLES[name].request(), Keyring((secret,)), AT)
        assert isinstance(caught.value, BadSetting) or caught.value.cause == "bad_signature"


def test_a_signature_by_the_public_keys_text_is_no_signature() -> None:
    """The classic confusion: the public key, which anybody knows, used as the secret of an HMAC."""
    public = SAMPLES["standard_v1a"].secret
    body = b"{}"
    for key in (public.encode(), base64.b64decode(public.removeprefix("whpk_"))):
        signature = f"v1,{b64(mac(key, f'm.{NOW}.'.encode() + body))}"
        headers = {**JSON, "webhook-id": "m", "webhook-timestamp": str(NOW), "webhook-signature": signature}
        assert refused("standard", post(headers, body), Keyring((public,))) == "bad_signature"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"}, {"aud": [vectors.URL]}, {"aud": None}, {"iss": "https://evil.example"}, {"email": "x@y.io"},
        {"email_verified": False}, {"email_verified": "true"}, {"exp": NOW - 301}, {"iat": NOW + 301}, {"exp": "soon"}, {"exp": True},
        {"iat": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_google_token_with_another_claim_is_refused(claims: dict[str, Any]) -> None:
    sample = SAMPLES["google_gmail"]
    request = post({**JSON, "authorization": f"Bearer {token(**claims)}"}, sample.body)
    assert refused("google_gmail", request, sample.keys("google")) == "bad_signature"


def test_a_google_token_that_is_not_signed_by_google_is_refused() -> None:
    sample = SAMPLES["google_gmail"]
    genuine, keys = token(), sample.keys("google")
    claims = jwt.decode(genuine, options={"verify_signature": False})
    head, payload, signature = genuine.split(".")
    forged = {
        "none": jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"}),
        "hmac by the public key": _hs256(claims, pem("google")),
        "an unknown key": jwt.encode(claims, vectors._RSA["forger"], algorithm="RS256", headers={"kid": "k2"}),
        "no key": jwt.encode(claims, vectors._RSA["forger"], algorithm="RS256"),
        "another payload": f"{head}.{token(email='x@y.io').split('.')[1]}.{signature}",
        "no signature": f"{head}.{payload}.",
        "two parts": f"{head}.{payload}",
        "padded": f"{genuine}==",
        "no JSON": f"AAAA.{payload}.{signature}",
        "a list": f"{base64.urlsafe_b64encode(b'[1]').decode().rstrip('=')}.{payload}.{signature}",
    }
    for what, each in forged.items():
        request = post({**JSON, "authorization": f"Bearer {each}"}, sample.body)
        assert refused("google_gmail", request, keys) == "bad_signature", what


def _hs256(claims: dict[str, Any], secret: str) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    head = orjson.dumps({"alg": "HS256", "kid": "k1"})
    signed = f"{part(head)}.{part(orjson.dumps(claims))}"
    return f"{signed}.{part(mac(secret, signed.encode()))}"


# the checker itself ---------------------------------------------------------------------------------------------------
def test_the_cases_catch_a_window_without_a_future_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "require_fresh", lambda stamp, now: require(now / SECOND - stamp <= 300, "old"))
    found = tampering.figures()
    assert any("signed 86400 s" in each for each in found.false_accepts)


def test_the_cases_catch_a_lenient_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(given: Any, expected: Any) -> bool:
        return any(one.strip().lower() == other.lower() for one in given for other in expected)

    monkeypatch.setattr(proofs, "matches_any", lenient)
    found = tampering.figures()
    assert any("other case" in each for each in found.false_accepts)
    assert any("space after" in each for each in found.false_accepts)


def test_the_cases_catch_a_proof_that_covers_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    row = VENDORS["standard"]
    assert isinstance(row.proof, Hmac)
    cut = replace(row, proof=replace(row.proof, signed="{stamp}.{body}"))
    sample = SAMPLES["standard"]
    key = base64.b64decode(sample.secret.removeprefix("whsec_"))
    headers = {**sample.request().headers, "webhook-signature": f"v1,{b64(mac(key, f'{NOW}.'.encode() + sample.body))}"}
    cut.proof.check(post({**headers, "webhook-id": "another"}, sample.body), Keyring((sample.secret,)), AT)
    assert refused("standard", post(headers, sample.body), Keyring((sample.secret,))) == "bad_signature"


def test_figures_for_the_proof() -> None:
    found = tampering.figures().as_json()
    assert found["webhook_vendors"] == len(VENDORS)
    assert found["webhook_cases"] > 1000
    assert (found["false_accepts"], found["false_rejects"], found["uncaught"]) == (0, 0, 0)


# parsers --------------------------------------------------------------------------------------------------------------
_TEXT = st.text(st.characters(codec=None, max_codepoint=0xFFFF), max_size=80)
_HEADERS = sorted(
    {
        name
        for vendor in VENDORS.values()
        for name in (
            (vendor.proof.header, vendor.proof.also, vendor.proof.stamp, vendor.proof.id)
            if isinstance(vendor.proof, Hmac)
            else (vendor.proof.name if isinstance(vendor.proof, Shared) else "x-twilio-signature", "authorization")
        )
        if name
    }
)


@given(
    vendor=st.sampled_from(sorted(VENDORS)),
    headers=st.dictionaries(st.sampled_from([*_HEADERS, "content-type"]), _TEXT, max_size=6),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
    body=st.binary(max_size=200),
    query=_TEXT,
)
def test_nothing_escapes_but_what_is_declared(
    vendor: str, headers: dict[str, str], method: str, body: bytes, query: str
) -> None:
    sample = next(each for each in SAMPLES.values() if each.system == vendor)
    request = WebhookRequest(method, f"{vectors.URL}?{query}", headers, body, AT)
    assert said(vendor, request, sample.keys(sample.secret)) in ("taken", "answered", "bad_signature", "bad_payload")


@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.floats() | _TEXT,
            lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
            max_leaves=20,
        ).map(lambda value: _dumped(value)),
    )
)
def test_no_signed_payload_breaks_a_vendors_parser(body: bytes) -> None:
    for name, sample in SAMPLES.items():
        if name in ("stripe", "microsoft_graph"):  # their samples sign text; they are fuzzed above
            continue
        request = replace(sample.request(), body=body, headers={**sample.sign(sample.secret, body, NOW).headers})
        if "bodySHA256" in request.url:
            request = sample.sign(sample.secret, body, NOW)
        verdict = said(sample.system, request, sample.keys(sample.secret))
        assert verdict in ("taken", "answered", "bad_payload", "bad_signature"), name


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return repr(value).encode("utf-8", "replace")
