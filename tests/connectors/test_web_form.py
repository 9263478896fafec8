"""Plain web forms: what a post becomes, and who is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import open_connector
from connectors.web_form import MAX_BODY, WebForm
from kernel.clock import SECOND
from kernel.errors import Park, Stop
from kernel.records import Delivered, Json, WebhookRequest

NOW = 1_790_000_000 * SECOND
FORM = "application/x-www-form-urlencoded"


def site(**settings: Any) -> WebForm:
    connector = open_connector(WebForm, settings, connection="site")
    assert isinstance(connector, WebForm)
    return connector


def post(body: bytes | str, kind: str = FORM, at: int = NOW, **headers: str) -> WebhookRequest:
    raw = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest("POST", "https://hub.test/forms/contact?x=1", {"content-type": kind, **named}, raw, at)


def raw_of(told: Delivered) -> Json:
    ((resource, record),) = told.records
    assert resource == "submissions"
    assert record.id == record.raw["submission_id"]
    return record.raw


def test_a_post_becomes_one_submission() -> None:
    body = "email=+a%40example.com+&tag=x&tag=y&tag=z&utm_source=ads&page_url=https%3A%2F%2Fw.test%2Fp&empty="
    raw = raw_of(site().webhook(post(body, referer="https://w.test", user_agent="UA")))
    assert raw["form"] == "contact"
    assert raw["received_at"] == "2026-09-21T14:13:20Z"
    assert raw["fields"] == {"email": "a@example.com", "tag": ["x", "y", "z"], "utm_source": "ads", "empty": ""}
    assert (raw["page_url"], raw["utm"], raw["referrer"]) == ("https://w.test/p", {"source": "ads"}, "https://w.test")


def test_json_and_multipart_posts() -> None:
    told = {"email": "a@example.com", "consent": True, "n": {"a": [1]}}
    assert raw_of(site().webhook(post(orjson.dumps(told), "application/json; charset=utf-8")))["fields"] == told
    parts = [
        '--b\r\nContent-Disposition: form-data; name="email"\r\n\r\nä@example.com\r\n',
        '--b\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n\r\n%PDF\r\n',
        '--b\r\nContent-Disposition: form-data; name="msg"\r\n\r\ntwo\r\nlines\r\n--b--\r\n',
    ]
    raw = raw_of(site().webhook(post("".join(parts), "multipart/form-data; boundary=b")))
    assert raw["fields"]["email"] == "ä@example.com"
    assert "cv" not in raw["fields"]


def test_double_clicks_and_reloads_collapse() -> None:
    form = site()
    one, two = (form.webhook(post("email=a&x=1", at=NOW + n * SECOND)) for n in (0, 5))
    assert one.dedupe_key == two.dedupe_key
    assert form.webhook(post("email=a&x=1", at=NOW + 61 * SECOND)).dedupe_key != one.dedupe_key
    assert form.webhook(post("email=b&x=1")).dedupe_key != one.dedupe_key
    named = [form.webhook(post("email=a&submission_id=0198-uuid-made", at=NOW + n * 3600 * SECOND)) for n in (0, 1)]
    assert named[0].dedupe_key == named[1].dedupe_key == "contact/0198-uuid-made"
    assert "submission_id" not in raw_of(named[0])["fields"]


def test_spam_is_received_and_nothing_made_of_it() -> None:
    told = site(honeypot="company_fax").webhook(post("email=a&company_fax=1"))
    assert (told.records, bool(told.dedupe_key)) == ([], True)
    assert "company_fax" not in raw_of(site(honeypot="company_fax").webhook(post("email=a&company_fax=")))["fields"]


def test_origins_forms_and_preflights() -> None:
    form = site(origins=["https://w.test"], forms=["contact"])
    assert form.webhook(post("a=1", origin="https://w.test")).records
    for request in (post("a=1", origin="https://evil.test"), post("a=1")):
        with pytest.raises(Park) as caught:
            form.webhook(request)
        assert caught.value.cause == "bad_signature"
    with pytest.raises(Park):
        site(forms=["other"]).webhook(post("a=1"))
    asked = WebhookRequest("OPTIONS", "https://hub.test/forms/contact", {"origin": "https://w.test"}, b"", NOW)
    told = form.webhook(asked)
    assert told.answer is not None
    assert (told.answer[0], told.answer[1]["Access-Control-Allow-Origin"]) == (204, "https://w.test")
    asked.headers = {"origin": "https://evil.test"}
    assert form.webhook(asked).answer == (204, {}, b"")


def test_signed_posts() -> None:
    key = b"server-to-server key"
    form = site(webhook_secret=f"whsec_{base64.b64encode(key).decode()},plain text secret")
    body = b'{"email": "a@example.com"}'

    def signed(secret: bytes = key, stamp: int = NOW // SECOND, body: bytes = body) -> WebhookRequest:
        mac = hmac.new(secret, f"m1.{stamp}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1a,xxx v1,{base64.b64encode(mac).decode()}"
        headers = {"webhook_id": "m1", "webhook_timestamp": str(stamp), "webhook_signature": signature}
        return post(body, "application/json", **headers)

    assert form.webhook(signed()).records
    assert form.webhook(signed(b"plain text secret")).records
    altered = signed()
    altered.body += b" "
    for request in (signed(b"wrong"), signed(stamp=NOW // SECOND - 301), signed(stamp=NOW // SECOND + 301), altered):
        with pytest.raises(Park) as caught:
            form.webhook(request)
        assert caught.value.cause == "bad_signature"
    with pytest.raises(Park):
        form.webhook(post("a=1"))


@pytest.mark.parametrize(
    "request_",
    [
        post(b"a" * (MAX_BODY + 1)),
        post("&".join(f"f{n}=1" for n in range(200))),
        post("a=" + "x" * 6000),
        post("a=1", "text/plain"),
        post("[1]", "application/json"),
        post("{", "application/json"),
        post(b"a=\xff", FORM),
    ],
)
def test_what_is_no_form_is_parked(request_: WebhookRequest) -> None:
    with pytest.raises(Park) as caught:
        site().webhook(request_)
    assert caught.value.cause == "bad_payload"


@given(
    body=st.binary(max_size=300), kind=st.sampled_from([FORM, "application/json", "multipart/form-data; boundary=b"])
)
def test_no_body_breaks_the_receiver(body: bytes, kind: str) -> None:
    try:
        told = site().webhook(post(body, kind))
    except Park:  # anything else would be a defect
        return
    assert orjson.dumps(raw_of(told))


def test_it_only_receives() -> None:
    assert [check.ok for check in site().check()] == [False]
    assert [check.ok for check in site(origins=["https://w.test"]).check()] == [True]
    with pytest.raises(Stop):
        list(site().read("submissions", None))
