"""Pipedrive: what the kit does not ask, against its simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from connectors import connector_for, open_connector
from connectors.base import Connector
from connectors.pipedrive import KEY
from kernel.errors import BadSetting, Park, RetryAt, Stop
from kernel.records import Action, WriteItem
from sandbox import Box
from sandbox.pipedrive import PipedriveSimulator
from tests.conftest import FakeClock

Serve = Callable[..., Box]


@pytest.fixture
def sim(serve: Serve) -> PipedriveSimulator:
    found = serve("pipedrive")["pipedrive"]
    assert isinstance(found, PipedriveSimulator)
    return found


@pytest.fixture
def crm(sim: PipedriveSimulator) -> Iterator[Connector]:
    connector = opened(sim)
    for resource in ("organizations", "persons", "deals"):
        assert connector.ensure_key(resource)
        assert not connector.ensure_key(resource)
    sim.calls.clear()
    yield connector
    connector.close()


def opened(sim: PipedriveSimulator, **more: Any) -> Connector:
    settings = {"base_url": sim.base_url, "api_token": sim.token, **more}
    clock = FakeClock(sim.state.now())
    return open_connector(connector_for("pipedrive"), settings, connection="here", clock=clock)


def item(key: str, vendor_id: str | None = None, **fields: Any) -> WriteItem:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return WriteItem(Action.UPSERT, key, f"{key}-g0", named, vendor_id)


def sent(sim: PipedriveSimulator, method: str) -> list[Any]:
    return [orjson.loads(call.body) for call in sim.calls if call.method == method]


def test_our_key_stands_in_a_field_named_by_its_hash(crm: Connector, sim: PipedriveSimulator) -> None:
    (outcome,) = crm.write("persons", [item("k1", name="Ann Lee", emails__0__value="ann@acme.io")])
    (made,) = sent(sim, "POST")
    (code,) = made["custom_fields"]
    assert len(code) == 40
    assert made["custom_fields"][code] == "k1"
    assert outcome.record is not None
    assert outcome.record.raw[KEY] == "k1"
    assert crm.key_path("persons") == (KEY,)


def test_without_the_field_nothing_is_written_and_the_cure_is_told(sim: PipedriveSimulator) -> None:
    connector = opened(sim)
    with pytest.raises(Stop, match=r"no field 'Throughline key'; run: throughline check --fix"):
        connector.write("persons", [item("k1", name="Ann")])
    assert sent(sim, "POST") == []
    assert "persons: key" in [check.name for check in connector.check() if not check.ok]
    connector.close()


def test_a_new_address_leaves_the_others_alone(crm: Connector, sim: PipedriveSimulator) -> None:
    emails = [{"value": "old@x.io", "label": "home"}, {"value": "main@x.io", "label": "work", "primary": True}]
    person = sim.make("persons", name="Ann", emails=emails)
    crm.write("persons", [item("k1", str(person["id"]), emails__0__value="new@x.io")])
    held = sim.state.get("persons", str(person["id"]))
    assert held is not None
    assert [(one["value"], one["label"], one["primary"]) for one in held["emails"]] == [
        ("new@x.io", "work", True),
        ("old@x.io", "home", False),
    ]
    crm.write("persons", [item("k1", str(person["id"]), emails__0__value=None)])
    held = sim.state.get("persons", str(person["id"]))
    assert held is not None
    assert [one["value"] for one in held["emails"]] == ["old@x.io"]


def test_find_sees_at_once_what_the_search_does_not_know_yet(crm: Connector, sim: PipedriveSimulator) -> None:
    sim.state.search_lag = 30
    (outcome,) = crm.write("deals", [item("k1", title="Big")])
    assert [record.id for record in crm.find("deals", ["k1"])["k1"]] == [outcome.vendor_id]
    (again,) = crm.write("deals", [item("k1", title="Big")])
    assert (again.vendor_id, again.created) == (outcome.vendor_id, False)


def test_find_needs_the_key_in_our_own_field(crm: Connector, sim: PipedriveSimulator) -> None:
    sim.make("persons", name="k1")
    assert crm.find("persons", ["k1"]) == {"k1": []}


def test_a_deal_is_won_by_status_and_moved_by_stage(crm: Connector, sim: PipedriveSimulator) -> None:
    (outcome,) = crm.write("deals", [item("k1", title="Big", stage="3")])
    crm.write("deals", [item("k1", outcome.vendor_id, stage="won")])
    held = sim.state.get("deals", str(outcome.vendor_id))
    assert held is not None
    assert (held["status"], held["stage_id"]) == ("won", 3)
    (record,) = crm.fetch("deals", [str(outcome.vendor_id)])
    assert record.raw["stage"] == "won"
    crm.write("deals", [item("k1", outcome.vendor_id, stage="4")])
    held = sim.state.get("deals", str(outcome.vendor_id))
    assert held is not None
    assert (held["status"], held["stage_id"]) == ("open", 4)


def test_archived_deals_and_leads_are_read_too(crm: Connector, sim: PipedriveSimulator) -> None:
    for resource in ("deals", "leads"):
        made = [str(sim.make(resource, is_archived=bool(n))["id"]) for n in range(2)]
        seen = [record.id for page in crm.read(resource, None) for record in page.records]
        assert sorted(seen) == sorted(made)


def test_bounds_are_whole_seconds(crm: Connector, sim: PipedriveSimulator) -> None:
    list(crm.read("persons", {"since": sim.state.now()}))
    asked = [call.query for call in sim.calls if call.path.endswith("/persons")]
    assert asked
    assert all("updated_since" in query and ".%" not in query and "." not in query for query in asked)


def test_the_credential_is_in_a_header_and_never_in_an_address(crm: Connector, sim: PipedriveSimulator) -> None:
    crm.write("persons", [item("k1", name="Ann")])
    list(crm.read("leads", None))
    assert all(call.headers["x-api-token"] == sim.token for call in sim.calls)
    assert not any(sim.token in call.query + call.path for call in sim.calls)


def test_a_spent_day_waits_and_a_burst_is_waited_for(crm: Connector, sim: PipedriveSimulator) -> None:
    sim.faults.add(429)
    assert list(crm.read("users", None))  # the window of two seconds passes
    sim.left = 0
    with pytest.raises(RetryAt) as spent:
        list(crm.read("users", None))
    assert spent.value.cause == "daily_budget"
    assert spent.value.at - crm.http.clock.now() > 3_000_000_000
    sim.state.clock = crm.http.clock.now
    crm.http.clock.sleep(86_400)
    assert list(crm.read("users", None))  # another day, another budget


def test_the_day_that_ends_in_a_batch_leaves_the_rest_unsent(crm: Connector, sim: PipedriveSimulator) -> None:
    ids = [str(sim.make("persons", name="Ann")["id"]) for _ in range(3)]
    sim.left = 7  # one write and no more
    outcomes = crm.write("persons", [item(f"k{id}", id, name="Eve") for id in ids])
    assert [outcome.vendor_id for outcome in outcomes] == [ids[0], None, None]
    assert all(isinstance(outcome.error, RetryAt) for outcome in outcomes[1:])


def test_a_label_tells_which_choice_is_which(crm: Connector, sim: PipedriveSimulator) -> None:
    made = sim.define("persons", "Size", "enum", ("small", "large"))
    field = next(one for one in crm.discover("persons") if one.name == f"custom_fields.{made['field_code']}")
    small, large = (str(one["id"]) for one in made["options"])
    assert field.values == (small, large)
    assert field.label == f"Size ({small}: small, {large}: large)"


@pytest.mark.parametrize("wrong", [{"api_token": None}, {"client_id": "a", "client_secret": "b", "refresh_token": "c"}])
def test_one_credential_and_no_more(sim: PipedriveSimulator, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match="give api_token, or client_id"):
        opened(sim, **wrong)


def test_a_refused_field_is_named_and_its_value_is_not(crm: Connector) -> None:
    (outcome,) = crm.write("persons", [item("k1", name="Ann", owner_id="secret-owner")])
    assert isinstance(outcome.error, Park)
    assert outcome.error.field == "owner_id"
    assert "secret-owner" not in str(outcome.error)


def test_a_read_without_our_field_looks_for_it_once(sim: PipedriveSimulator) -> None:
    for _ in range(5):
        sim.make("persons")
    connector = opened(sim)
    pages = list(connector.read("persons", None))
    assert [record.raw[KEY] for page in pages for record in page.records] == [None] * 5
    assert len([call for call in sim.calls if call.path.endswith("/personFields")]) == 1
    assert connector.ensure_key("persons")
    connector.close()


def test_an_id_cannot_lead_anywhere_else(crm: Connector, sim: PipedriveSimulator) -> None:
    (gone,) = crm.fetch("persons", ["1/../../users/me"])
    assert gone.deleted
    assert sim.calls == []


def test_a_deleted_deal_is_told_whenever_it_last_changed(crm: Connector, sim: PipedriveSimulator) -> None:
    deal = sim.make("deals")
    sim.state.advance(86_400)
    *_, page = crm.read("deals", None)
    sim.state.put("deals", str(deal["id"]), {**deal, "is_deleted": True, "status": "deleted"})
    found = [record for page in crm.read("deals", page.cursor) for record in page.records]
    assert [(record.id, record.deleted) for record in found] == [(str(deal["id"]), True)]
