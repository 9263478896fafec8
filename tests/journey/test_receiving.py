"""Webhooks through a real connector: stored before they are acknowledged, landed once, refused only for a bad signature."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace

import pytest

import mappings
from connectors import open_connector
from connectors.web_form import WebForm
from journey.context import Context
from journey.counts import Counts
from journey.inbound import receiving
from kernel import failpoints
from kernel.errors import BadSetting
from kernel.records import WebhookRequest
from tests.conftest import ROOT
from tests.journey.conftest import WORDS, World


@pytest.fixture
def forms(world: World) -> Context:
    """A web form beside the other systems."""
    settings = {"origins": ["https://www.acme.example"]}
    world.systems["web_form"] = open_connector(WebForm, settings, connection="web_form", clock=world.clock)  # type: ignore[assignment]
    world.mappings = mappings.load(ROOT / "mappings", WORDS)
    return world.context()


def _post(world: World, email: str, origin: str = "https://www.acme.example", at: int | None = None) -> WebhookRequest:
    body = urllib.parse.urlencode({"email": email, "first_name": "Ann", "submission_id": f"sub-{email}"}).encode()
    headers = {"origin": origin, "content-type": "application/x-www-form-urlencoded"}
    return WebhookRequest("POST", "https://in.acme.example/forms/contact", headers, body, at or world.clock.now())


def test_a_post_sent_five_times_is_acknowledged_five_times_and_lands_once(world: World, forms: Context) -> None:
    answers = [receiving.accept(world.store, world, "web_form", _post(world, "ann@acme.io")).status for _ in range(5)]
    assert answers == [200] * 5
    assert len(world.rows("receipt")) == 1
    counts = Counts()
    assert receiving.process(forms, counts).processed == 1
    assert receiving.process(forms, counts).processed == 0
    assert counts.inbound.landed == 1
    assert [golden["email"] for golden in world.golden()] == ["ann@acme.io"]


def test_a_post_from_elsewhere_is_refused(world: World, forms: Context) -> None:
    assert (
        receiving.accept(world.store, world, "web_form", _post(world, "x@y.io", origin="https://evil.example")).status
        == 401
    )
    assert world.rows("receipt") == []


def test_an_unknown_connection_is_told_to_come_back(world: World, forms: Context) -> None:
    class Nobody:
        def open(self, name: str) -> None:
            raise BadSetting(name)

    answer = receiving.accept(world.store, Nobody(), "nobody", _post(world, "x@y.io"))  # type: ignore[arg-type]
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")


def test_what_was_not_committed_was_not_acknowledged(world: World, forms: Context) -> None:
    class Killed(BaseException):
        pass

    def strike(name: str) -> None:
        if name == "receipt.before_commit":
            raise Killed

    failpoints.install(strike)
    try:
        with pytest.raises(Killed):
            receiving.accept(world.store, world, "web_form", _post(world, "ann@acme.io"))
    finally:
        failpoints.install(None)
    assert world.rows("receipt") == []


def test_a_receipt_stays_readable_when_the_secrets_changed(world: World, forms: Context) -> None:
    receiving.accept(world.store, world, "web_form", _post(world, "ann@acme.io"))
    other = {"origins": ["https://www.other.example"]}
    world.systems["web_form"] = open_connector(WebForm, other, connection="web_form", clock=world.clock)  # type: ignore[assignment]
    assert receiving.process(replace(forms), Counts()).processed == 1
    assert len(world.golden()) == 1
