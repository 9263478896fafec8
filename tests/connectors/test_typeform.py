"""Typeform: the connector against the simulator, and both against the recordings there are (forms; no answers)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from connectors import open_connector
from connectors.typeform import Typeform
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Retry, Stop
from kernel.ids import content_hash
from kernel.records import Json, Page, WebhookRequest
from sandbox import Box
from sandbox.typeform import TypeformSimulator
from tests.connectors.recorded import Exchange, differences, exchanges

NOW = 1_790_000_000
SECRET = "typeform-secret"


class SimClock:
    """The connector's clock, kept equal to the simulator's; sleeping moves both."""

    def __init__(self, sim: TypeformSimulator) -> None:
        self.sim = sim

    def now(self) -> int:
        return self.sim.state.now()

    def sleep(self, seconds: float) -> None:
        self.sim.state.advance(seconds)


@pytest.fixture
def sim(serve: Callable[..., Box]) -> TypeformSimulator:
    sim = serve("typeform")["typeform"]
    assert isinstance(sim, TypeformSimulator)
    sim.state.freeze(NOW * SECOND)
    return sim


Open = Callable[..., Typeform]


@pytest.fixture
def opened(sim: TypeformSimulator) -> Iterator[Open]:
    """Connectors with settings of the test's choice, closed after it."""
    with contextlib.ExitStack() as stack:

        def opened(**settings: Any) -> Typeform:
            settings = {"token": sim.token, "base_url": sim.base_url, "webhook_secret": f"old,{SECRET}", **settings}
            connector = open_connector(Typeform, settings, connection="forms", clock=SimClock(sim))
            assert isinstance(connector, Typeform)
            connector.http.timeout = 0.5
            stack.callback(connector.close)
            return connector

        yield opened


@pytest.fixture
def typeform(opened: Open) -> Typeform:
    return opened()


def ids(pages: list[Page]) -> list[str]:
    return [record.id for page in pages for record in page.records]


def stable(raw: Json) -> Json:
    return {name: value for name, value in raw.items() if name not in Typeform.resources["responses"].volatile}


def test_all_forms_are_read_and_then_what_is_new(sim: TypeformSimulator, typeform: Typeform) -> None:
    forms = [sim.make("forms", id=id)["id"] for id in ("f1", "f2", "f3")]
    made = [sim.make("responses", form_id=forms[n % 2], submitted_at=NOW - 9_000 + n)["token"] for n in range(2_300)]
    pages = list(typeform.read("responses", None))
    assert sorted(ids(pages)) == sorted(made)
    assert [len(page.records) for page in pages] == [1000, 150, 1000, 150, 0]
    assert [page.last for page in pages] == [False] * 4 + [True]
    first = pages[0].records[0]
    assert first.raw["form_id"] == "f1"
    assert first.updated_at == (NOW - 9_000 + 2_298) * SECOND
    sim.state.advance(3_600)
    new = sim.make("responses", form_id="f3")["token"]
    last = pages[-1].cursor
    found = ids(list(typeform.read("responses", last)))
    assert new in found
    assert len(found) < 1_500, "only the lookback is read again"
    sim.state.advance(3_600)
    assert sim.make("responses", form_id="f1")["token"] in ids(list(typeform.read("responses", last)))


def test_a_read_stopped_at_any_page_goes_on_from_there(sim: TypeformSimulator, typeform: Typeform) -> None:
    for form in ("f1", "f2"):
        sim.make("forms", id=form)
        for n in range(1_100):
            sim.make("responses", form_id=form, submitted_at=NOW - 9_000 + n)
    whole = list(typeform.read("responses", None))
    assert len(whole) == 4
    for stop in range(4):
        rest = list(typeform.read("responses", whole[stop].cursor))
        assert set(ids(whole[: stop + 1] + rest)) == set(sim.state.ids("responses"))
        assert rest[-1].last
        assert rest[-1].cursor == whole[-1].cursor


def test_what_the_list_shows_late_is_not_passed_over(sim: TypeformSimulator, typeform: Typeform) -> None:
    sim.make("forms", id="f1")
    sim.api_lag = 30
    late = sim.make("responses", form_id="f1")["token"]
    sim.state.advance(20)
    sim.make("responses", form_id="f1", submitted_at=NOW + 5)
    sim.state.advance(11)
    first = list(typeform.read("responses", None))
    sim.state.advance(60)
    assert late in ids(first)
    assert len(set(ids(list(typeform.read("responses", first[-1].cursor))))) == 2


def test_a_window_is_bounded_and_partial_answers_are_left_out(sim: TypeformSimulator, typeform: Typeform) -> None:
    made = [sim.make("responses", submitted_at=NOW - 100 * n)["token"] for n in range(5)]
    sim.make("responses", submitted_at=NOW - 150, response_type="partial")
    pages = typeform.read("responses", None, window=((NOW - 300) * SECOND, (NOW - 101) * SECOND))
    assert ids(list(pages)) == [made[2], made[3]]


def test_webhook_and_list_give_the_same_record(sim: TypeformSimulator, typeform: Typeform) -> None:
    sim.hook("http://127.0.0.1:1/in", SECRET)
    answers = {"name": "Ada", "email": "a@example.com", "newsletter": True, "interest": "Pricing"}
    token = sim.make("responses", answers=answers, hidden={"utm_source": "ads"})["token"]
    ((_, body, headers),) = sim.outbox
    lower = {name.lower(): value for name, value in headers.items()}
    told = typeform.webhook(WebhookRequest("POST", "https://x.test/in", lower, body, sim.state.now()))
    ((resource, record),) = told.records
    assert (resource, record.id, told.dedupe_key) == ("responses", token, "evt00000001")
    (listed,) = [record for page in typeform.read("responses", None) for record in page.records]
    assert content_hash(stable(record.raw)) == content_hash(stable(listed.raw))
    assert record.updated_at == listed.updated_at == NOW * SECOND
    assert record.raw["hidden"] == {"utm_source": "ads"}


def test_webhook_signatures(sim: TypeformSimulator, typeform: Typeform, opened: Open) -> None:
    event = {"event_id": "e1", "event_type": "form_response", "form_response": {"form_id": "f", "token": "t"}}
    body = orjson.dumps(event)

    def request(body: bytes, signature: str) -> WebhookRequest:
        return WebhookRequest("POST", "https://x.test/in", {"typeform-signature": signature}, body, sim.state.now())

    def mac(body: bytes, secret: str = SECRET) -> str:
        return "sha256=" + base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()

    assert typeform.webhook(request(body, mac(body, "old"))).records[0][1].id == "t"
    for bad in (mac(body, "wrong"), mac(body)[7:], "", "sha256=ü"):
        with pytest.raises(Park) as caught:
            typeform.webhook(request(body, bad))
        assert caught.value.cause == "bad_signature"
    with pytest.raises(Park) as caught:
        typeform.webhook(request(b'{"a": 1}', mac(b'{"a": 1}')))
    assert caught.value.cause == "bad_payload"
    partial = orjson.dumps({**event, "event_type": "form_response_partial"})
    assert typeform.webhook(request(partial, mac(partial))).records == []
    assert opened(forms=["other"]).webhook(request(body, mac(body))).records == []
    with pytest.raises(BadSetting):
        opened(webhook_secret=[]).webhook(request(body, mac(body)))


@pytest.mark.parametrize("kind", [429, 500, 503, "timeout", "reset", "truncated", "dropped", "html200", "empty200"])
def test_reading_survives_every_trouble(sim: TypeformSimulator, typeform: Typeform, kind: str | int) -> None:
    made = [sim.make("responses", submitted_at=NOW - n)["token"] for n in range(1_100)]
    sim.faults.add(kind, path="/responses", nth=2, seconds=1)
    assert set(ids(list(typeform.read("responses", None)))) == set(made)


def test_a_429_names_its_end_in_the_reset_header(sim: TypeformSimulator, typeform: Typeform) -> None:
    sim.make("forms")
    sim.faults.add(429, path="/responses", times=None)
    sim.faults.add(429, path="/forms$", retry_after=4)
    with pytest.raises(Retry) as caught:
        list(typeform.read("responses", None))
    assert caught.value.cause == "rate_limited"
    assert sim.state.now() >= (NOW + 4 + 60) * SECOND


def test_a_token_that_is_gone_and_forms_that_are(opened: Open) -> None:
    wrong = opened(token="wrong")
    with pytest.raises(Stop, match="throughline check forms"):
        list(wrong.read("responses", None))
    assert [check.ok for check in wrong.check()] == [False]
    missing = opened(forms=["nowhere"])
    assert [(check.name, check.ok) for check in missing.check()] == [
        ("read forms", True),
        ("read responses of nowhere", False),
    ]
    with pytest.raises(Park):
        list(missing.read("responses", None))
    with pytest.raises(Stop):
        list(missing.read("forms", None))


def test_check_discover_and_fetch(sim: TypeformSimulator, typeform: Typeform) -> None:
    token = sim.make("responses", answers={"email": "a@example.com"})["token"]
    assert [check.ok for check in typeform.check()] == [True, True]
    fields = {field.name: field for field in typeform.discover("responses")}
    assert fields["answers.email"].required
    assert fields["answers.interest"].values == ("Pricing", "A demo", "Support")
    assert fields["answers.newsletter"].type == "boolean"
    assert "hidden.utm_source" in fields
    found = typeform.fetch("responses", [token, "never"])
    assert [record.deleted for record in found] == [False, True]


def test_an_account_without_forms_reads_to_its_end(typeform: Typeform) -> None:
    (page,) = typeform.read("responses", None)
    assert (page.records, page.last) == ([], True)


# recordings -----------------------------------------------------------------------------------------------------------
def can_send(exchange: Exchange) -> bool:
    """Whether the connector's code can send this request."""
    steps = exchange.path.strip("/").split("/")
    return exchange.method == "GET" and steps[0] == "forms" and steps[2:] in ([], ["responses"])


# Some forms were recorded by their list entry alone: their full definition is not there to be loaded.
def test_the_simulator_answers_recorded_requests_alike(real: Path, sim: TypeformSimulator) -> None:
    sim.load(real)
    sendable = [exchange for exchange in exchanges(real / "typeform") if can_send(exchange)]
    assert len(sendable) >= 10
    key = {"Authorization": f"Bearer {sim.token}"}
    with httpx.Client(base_url=sim.base_url, headers=key, trust_env=False) as client:
        for exchange in sendable:
            answer = client.get(exchange.path, params=exchange.query)
            assert answer.status_code // 100 == exchange.status // 100, exchange.name
            told, recorded = answer.json(), exchange.response
            if "items" not in recorded and "fields" not in told:
                continue
            assert set(told) == set(recorded), exchange.name
            if recorded.get("items"):
                shown = {item["id"]: item for item in told["items"]}
                for item in recorded["items"]:
                    assert item["id"] not in shown or differences(item, shown[item["id"]]) == set(), exchange.name


def test_made_forms_look_like_recorded_ones(real: Path, sim: TypeformSimulator) -> None:
    lines = (real / "typeform" / "records" / "forms.jsonl").read_bytes().splitlines()
    full = next(record for line in lines if "fields" in (record := orjson.loads(line)))
    made = sim.make("forms")
    assert set(made) - {"hidden"} == set(full)
    assert {key for field in made["fields"] for key in field} == {key for field in full["fields"] for key in field}


def test_recorded_forms_parse_through_the_connector(real: Path, sim: TypeformSimulator, typeform: Typeform) -> None:
    sim.load(real)
    assert all(check.ok for check in typeform.check())
    pages = list(typeform.read("responses", None))
    assert len(pages) == len(sim.state.ids("forms"))
    assert any(field.type == "picklist" for field in typeform.discover("responses"))
