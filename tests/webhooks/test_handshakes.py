"""What vendors ask of an address before they use it, and the keys that tell their deliveries apart."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import orjson
import pytest

from connectors.proofs import Keyring
from connectors.signatures import Opened, admit
from kernel.clock import SECOND
from kernel.errors import Park
from kernel.records import WebhookRequest
from tests.webhooks.vectors import FORM, NOW, SAMPLES, URL, mac, post

AT = NOW * SECOND
KEYS = Keyring(("app-secret", "older"), token="verify-me")


def asked(system: str, query: str, method: str = "GET", body: bytes = b"", **headers: str) -> Opened:
    return admit(system, WebhookRequest(method, f"{URL}?{query}", headers, body, AT), KEYS, AT)


def said(told: Opened) -> tuple[int, bytes]:
    assert told.answer is not None
    return told.answer[0], told.answer[2]


def test_meta_gets_its_challenge_back_for_our_token_only() -> None:
    query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
    assert said(asked("meta", f"{query}verify-me")) == (200, b"1158201444")
    for other in ("", "verify-m", "verify-me%20", "app-secret", "verify-me&hub.verify_token=x"):
        with pytest.raises(Park):
            asked("meta", query + other)
    with pytest.raises(Park):
        asked("meta", "hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=verify-me")
    with pytest.raises(Park):
        admit("meta", post({}, b"", f"{URL}?{query}", "GET"), Keyring(("s",), token=""), AT)


def test_linkedin_gets_a_response_to_its_uuid() -> None:
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    status, body = said(asked("linkedin", f"challengeCode={code}&applicationId=1"))
    assert (status, orjson.loads(body)["challengeResponse"]) == (200, mac("app-secret", code.encode()).hex())


@pytest.mark.parametrize(
    "code", ['hmacsha256={"type":"LEAD_ACTION"}', "890e4665", "", "890e4665-4dfe-4ab1-b689-ed553bceeed0 x"]
)
def test_linkedins_handshake_signs_no_text_of_a_strangers_choice(code: str) -> None:
    """Else its answer would be the signature of a forged lead."""
    with pytest.raises(Park) as caught:
        asked("linkedin", f"challengeCode={code}")
    assert caught.value.cause == "bad_signature"


def test_graph_gets_its_token_back_as_plain_text() -> None:
    told = asked("microsoft_graph", "validationToken=Validation%3A+Testing+client+reachability", "POST")
    assert said(told) == (200, b"Validation: Testing client reachability")
    assert told.answer is not None
    assert told.answer[1]["content-type"].startswith("text/plain")
    for hostile in ("%3Cscript%3E", "a%0d%0ab", "%00", "x" * 3000):
        with pytest.raises(Park):
            asked("microsoft_graph", f"validationToken={hostile}", "POST")


def test_xero_sends_good_and_bad_probes() -> None:
    body = b'{"events":[],"lastEventSequence": 0,"firstEventSequence": 0, "entropy": "S0m3r4nd0mt3xt"}'
    good = SAMPLES["xero"].sign("app-secret", body, NOW)
    assert said(admit("xero", good, KEYS, AT)) == (200, b"")
    with pytest.raises(Park) as caught:
        admit("xero", SAMPLES["xero"].sign("not-ours", body, NOW), KEYS, AT)
    assert caught.value.cause == "bad_signature"


def test_those_who_only_look_are_answered() -> None:
    for system, method in itertools.product(("mailchimp", "mailchimp_signed", "intercom"), ("GET", "HEAD")):
        assert said(asked(system, "", method)) == (200, b"")
    with pytest.raises(Park):
        asked("mailchimp", "", "POST")
    ping = SAMPLES["intercom"].sign("app-secret", b'{"type":"notification_event","topic":"ping","id":null}', NOW)
    assert said(admit("intercom", ping, KEYS, AT)) == (200, b"")
    sync = SAMPLES["google_calendar"].request("app-secret")
    sync = replace(sync, headers={**sync.headers, "x-goog-resource-state": "sync"})
    assert said(admit("google_calendar", sync, KEYS, AT)) == (200, b"")
    with pytest.raises(Park):
        admit("google_calendar", sync, Keyring(("other",)), AT)


def test_woocommerces_ping_is_a_form_that_means_nothing() -> None:
    assert said(admit("woocommerce", post(FORM, b"webhook_id=17"), KEYS, AT)) == (200, b"")
    for body in (b"webhook_id=17&x=1", b"webhook_id=", b"webhook_id=x", b"webhook_id=17\n", b'{"id":1}'):
        with pytest.raises(Park):
            admit("woocommerce", post(FORM, body), KEYS, AT)


# deliveries -----------------------------------------------------------------------------------------------------------
def key(name: str, told: Any = None, **headers: str) -> str:
    sample = SAMPLES[name]
    body = sample.body if told is None else told if isinstance(told, bytes) else orjson.dumps(told)
    request = sample.request(body=body)
    request = replace(request, headers={**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})
    return admit(sample.system, request, sample.keys(sample.secret), AT).dedupe_key


@pytest.mark.parametrize("name", SAMPLES)
def test_a_delivery_sent_again_has_the_same_key(name: str) -> None:
    sample = SAMPLES[name]
    later = sample.request(at=NOW + 60)  # signed anew, where the vendor does so
    later.received_at += 60 * SECOND
    again = admit(sample.system, later, sample.keys(sample.secret), AT + 60 * SECOND)
    assert again.dedupe_key == key(name)


def test_what_the_vendor_names_is_the_key() -> None:
    assert key("stripe") == "evt_1"
    assert key("standard") == "msg_1"
    assert key("zendesk") == "inv-1"
    assert key("shopify", x_shopify_webhook_id="w1") == "w1"
    assert key("typeform") == "e1"
    assert key("segment") == "m1"
    assert key("google_gmail") == "9"


WOO = {"id": 7, "date_modified_gmt": "2026-09-21T14:13:20", "status": "processing"}


def test_woocommerces_deliveries_of_one_second_stay_apart() -> None:
    """X-WC-Webhook-Delivery-ID is a hash of the webhook's id and the second."""
    one = key("woocommerce", WOO, x_wc_webhook_delivery_id="same")
    assert key("woocommerce", {**WOO, "id": 8}, x_wc_webhook_delivery_id="same") != one
    assert key("woocommerce", {**WOO, "status": "completed"}, x_wc_webhook_delivery_id="same") != one
    assert key("woocommerce", WOO, x_wc_webhook_delivery_id="same") == one
    assert key("woocommerce", WOO, x_wc_webhook_delivery_id="same", x_wc_webhook_id="4") != one
    assert key("woocommerce", WOO, x_wc_webhook_delivery_id="later") != one, "back to what it was is news"


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("hubspot", [{"eventId": 1, "portalId": 2, "objectId": 3}], [{"eventId": 1, "portalId": 2, "objectId": 4}]),
        ("hubspot", [{"eventId": 1, "portalId": 2}], [{"eventId": 1, "portalId": 9}]),
        ("meta", {"entry": [{"changes": [{"field": "leadgen", "value": {"leadgen_id": "1"}}]}]},
         {"entry": [{"changes": [{"field": "leadgen", "value": {"leadgen_id": "2"}}]}]}),
        ("quickbooks", {"eventNotifications": [{"realmId": "1", "dataChangeEvent": {"entities": [{"name": "Customer", "id": "5"}]}}]},
         {"eventNotifications": [{"realmId": "2", "dataChangeEvent": {"entities": [{"name": "Customer", "id": "5"}]}}]}),
        ("quickbooks", [{"id": "a", "source": "s"}], [{"id": "a", "source": "s"}, {"id": "b", "source": "s"}]),
        ("xero", {"events": [{"resourceId": "r", "eventDateUtc": "1"}]}, {"events": [{"resourceId": "r", "eventDateUtc": "2"}]}),
        ("pipedrive", {"meta": {"id": 1, "object": "person", "timestamp": 5}}, {"meta": {"id": 1, "object": "deal", "timestamp": 5}}),
        ("freshdesk", {"id": 5, "event": "updated", "updated_at": "x", "a": 1}, {"id": 5, "event": "updated", "updated_at": "x", "a": 2}),
        ("mailchimp", b"type=profile&fired_at=t&data[id]=1&data[merges][A]=1", b"type=profile&fired_at=t&data[id]=1&data[merges][A]=2"),
        ("twilio", b"MessageSid=S&MessageStatus=sent", b"MessageSid=S&MessageStatus=delivered"),
        ("klaviyo", {"data": [{"external_id": "1"}]}, {"data": [{"external_id": "2"}]}),
        ("klaviyo", {"data": [{"a": "1"}]}, {"data": [{"a": "2"}]}),
        ("linkedin", {"leadGenFormResponse": "u", "leadAction": "CREATED"}, {"leadGenFormResponse": "u", "leadAction": "DELETED"}),
        ("stripe", {"id": "evt_1"}, {"id": "evt_2"}),
        ("stripe", {"a": 1}, {"a": 2}),
    ],
)  # fmt: skip
def test_different_deliveries_have_different_keys(name: str, one: Any, other: Any) -> None:
    assert key(name, one) != key(name, other)
    assert key(name, one) == key(name, one)


def test_a_body_alone_counts_for_an_hour_only() -> None:
    """A record that goes back to what it was would be lost otherwise, where the vendor names nothing."""
    sample = SAMPLES["stripe"]
    keys = []
    for at in (NOW, NOW + 3600):
        request = sample.request(body=b'{"a":1}', at=at)
        keys.append(admit("stripe", request, sample.keys(sample.secret), at * SECOND).dedupe_key)
    assert keys[0] != keys[1]


def test_graph_without_an_etag_is_never_taken_for_an_older_one() -> None:
    body = b'{"value":[{"subscriptionId":"s","clientState":"CLIENT_STATE","resource":"r"}]}'
    assert key("microsoft_graph", body) != key("microsoft_graph", body.replace(b'"r"', b'"q"'))


def test_templates_of_the_accounts_own_making_say_nothing() -> None:
    request = SAMPLES["zendesk"].request(body=b"<xml/>")
    request = replace(request, headers={**request.headers, "content-type": "text/xml"})
    told = admit("zendesk", request, Keyring((SAMPLES["zendesk"].secret,)), AT)
    assert (told.told, bool(told.dedupe_key)) == ({}, True)
