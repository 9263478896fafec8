"""The simulated account beside recorded exchanges of real ones, and the connector reading those recordings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import sandbox
from connectors import connector_for, open_connector
from connectors.base import Connector
from connectors.zendesk.api import VERDICTS
from kernel.errors import Park, RetryAt
from kernel.records import Action, WriteItem
from sandbox import Box
from sandbox.zendesk import Zendesk
from tests.conftest import REAL
from tests.recordings import Exchange, differences, exchanges

SERVED = re.compile(r"/api/v2/((incremental|job_statuses)/|(users|organizations|tickets)(/(\d+|\w+_many))?(\.json)?$)")
"""The paths of the connector's resources; comments, audits, macros, groups, views and field editing are not among them."""

KNOWN: dict[str, str] = {
    r"zenpy .*\.(job_type|is_billing_admin|suspension_details|encoded_id|support_type|generated_timestamp): only sim": (
        "recorded in 2023 and 2024; added since"
    ),
    r"\.last_active: only (recorded|simulated)": "told of users just made, and of some others by a rule not known",
    r"audit\.metadata\.system\.": "client and place of the caller",
    r"audit\.via\.source\.to\.email_ccs": "only where the ticket has copies",
    r"permanently_deleted: only simulated": "told of deleted users, which not every recording holds",
}
"""Differences in shape that stand, with their reasons: patterns of "<recording> <difference>"."""


def served() -> list[Any]:
    found = [one for one in exchanges(REAL / "zendesk") if SERVED.match(one.path)]
    return [pytest.param(one, id=one.name) for one in found]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """One server for all; every test begins with its own account."""
    with sandbox.start(["zendesk"]) as box:
        yield box


@pytest.fixture
def desk(box: Box, real: Path) -> Iterator[tuple[Zendesk, httpx.Client]]:
    """An account with the recorded records in it."""
    sim, url = box["zendesk"], box.url("zendesk")
    assert isinstance(sim, Zendesk)
    type(sim).__init__(sim)
    sim.base_url = url
    sim.load(real)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {sim.token}"}) as client:
        yield sim, client


def prepare(sim: Zendesk, one: Exchange) -> None:
    """What the recorded account held: the objects a successful request names, the job it asks about."""
    resource = next((name for name in ("users", "organizations", "tickets") if f"/{name}" in one.path), "")
    if one.status < 300:
        named = re.findall(r"/(\d+)(?:\.json)?$", one.path) + str(one.query.get("ids", "")).split(",")
        named += [str(item["id"]) for item in (one.body or {}).get(resource, ()) if item.get("id")]
        for id in filter(None, named):
            if sim.state.get(resource, id) is None:
                sim.make(resource, id=int(id), name=f"Made {id}")
    if one.status == 429:
        sim.faults.add(429)
    if "/incremental/users" in one.path:
        sim.make("users", active=False, updated_at="2001-01-01T00:00:00Z")
    if job := re.search(r"job_statuses/(V3-\w+)", one.path):
        sim.state.put("_jobs", job[1], job_like(sim, job[1], one.response["job_status"]))
    elif one.method == "POST" and one.status < 300 and (body := (one.body or {}).get(resource.removesuffix("s"))):
        for taken in sim.state.all(resource):  # the recorded answer's own object is among the records
            if taken.get("name") == body.get("name") or (body.get("email") and taken.get("email") == body["email"]):
                sim.state.delete(resource, str(taken["id"]))


def job_like(sim: Zendesk, id: str, told: Any) -> dict[str, Any]:
    """A job whose results will be of the recorded kinds."""
    results = told["results"] or []
    keys = set().union(*results) if results else set()
    resource = "tickets" if "account_id" in keys else "organizations"
    verb = "update" if "action" in keys else "create"
    items: list[dict[str, Any]] = [{"subject": "s", "description": "d"}] if resource == "tickets" else []
    if resource == "organizations":
        items = [{"name": "N1"}]
        if verb == "update":
            made = [sim.make(resource, name=f"J{n}") for n in range(2 if "error" in keys else 1)]
            items = [{"id": one["id"], "name": "the same"} for one in made]
    due = 0 if told["status"] == "completed" else sim.state.now() * 2
    return {"id": id, "verb": verb, "resource": resource, "items": items, "due": due, "results": None}


@pytest.mark.parametrize("one", served())
def test_answers_have_the_recorded_shape(one: Exchange, desk: tuple[Zendesk, httpx.Client]) -> None:
    sim, client = desk
    prepare(sim, one)
    params = {name: value for name, value in one.query.items() if name not in ("cursor", "page[after]")}
    answer = client.request(one.method, one.path, params=params, json=one.body)
    assert answer.status_code == one.status
    simulated = (
        answer.json() if answer.content and answer.headers["content-type"] == "application/json" else answer.text
    )
    recorded = one.response if one.response is not None else ""
    assert [line for line in differences(recorded, simulated) if not known(one, line)] == []


@pytest.fixture
def replaying(real: Path) -> Iterator[Callable[..., Connector]]:
    """`replaying(exchange, …)` → a connector whose requests are answered by these recordings in turn."""
    opened: list[Connector] = []

    def replay(*recorded: Exchange) -> Connector:
        left = list(recorded)

        def respond(request: httpx.Request) -> httpx.Response:
            one = left.pop(0)
            if isinstance(one.response, str):
                return httpx.Response(one.status, text=one.response, headers={"retry-after": "900"})
            return httpx.Response(one.status, json=one.response)

        settings = {"subdomain": "acme", "oauth_token": "t"}
        transport = httpx.MockTransport(respond)
        opened.append(open_connector(connector_for("zendesk"), settings, connection="desk", transport=transport))
        return opened[-1]

    yield replay
    for connector in opened:
        connector.close()


def recorded(start: str) -> list[Exchange]:
    return [one for one in exchanges(REAL / "zendesk") if one.name.startswith(start)]


@pytest.mark.parametrize(
    ("start", "resource"),
    [("nango_users[", "users"), ("nango_organizations[", "organizations"), ("nango_tickets[", "tickets")],
)
def test_recorded_exports_read_as_records(start: str, resource: str, replaying: Callable[..., Connector]) -> None:
    found = recorded(start)
    (page,) = replaying(*found).read(resource, None)
    rows = found[0].response[resource]
    assert [record.id for record in page.records] == [str(row["id"]) for row in rows]
    assert all(record.updated_at for record in page.records)
    gone = [row["id"] for row in rows if row.get("active") is False or row.get("status") == "deleted"]
    assert [int(record.id) for record in page.records if record.deleted] == gone


def test_recorded_writes_become_outcomes(replaying: Callable[..., Connector]) -> None:
    for start, resource in (("nango_create-user", "users"), ("nango_create-ticket", "tickets")):
        (created,) = recorded(start)
        item = WriteItem(Action.UPSERT, "k", "op", {"name": "N", "description": "d"})
        (outcome,) = replaying(created).write(resource, [item])
        assert outcome.vendor_id == str(created.response[resource.removesuffix("s")]["id"])
        assert outcome.created is True


def test_a_recorded_refusal_and_a_recorded_limit(replaying: Callable[..., Connector]) -> None:
    item = WriteItem(Action.UPSERT, "k", "op", {"name": "N"}, vendor_id="1")
    missing = [one for one in exchanges(REAL / "zendesk") if one.status == 404 and one.method == "PUT"]
    (outcome,) = replaying(missing[0]).write("users", [item])
    assert isinstance(outcome.error, Park)
    assert outcome.error.cause == "not_found"
    with pytest.raises(RetryAt):
        replaying(*recorded("grouparoo_errors")).write("users", [item])


def test_every_recorded_status_has_a_verdict(real: Path) -> None:
    causes = set()
    for one in exchanges(real / "zendesk"):
        verdict, _ = VERDICTS.judge(one.status, one.response if isinstance(one.response, dict) else None)
        if verdict is not None:
            causes.add((one.status, verdict.cause))
    assert causes == {(400, "too_large"), (404, "not_found"), (429, "rate_limited")}


def test_a_recorded_job_tells_each_items_fate(replaying: Callable[..., Connector]) -> None:
    done = [
        one
        for one in exchanges(REAL / "zendesk")
        if "job_statuses" in one.path
        and any("error" in result for result in one.response["job_status"]["results"] or ())
    ]
    results = done[0].response["job_status"]["results"]
    items = [WriteItem(Action.UPSERT, f"k{n}", f"op{n}", {"name": "N"}, str(r["id"])) for n, r in enumerate(results)]
    rows = [
        {"id": r["id"], "external_id": f"k{n}", "updated_at": "2026-01-01T00:00:00Z"} for n, r in enumerate(results)
    ]
    queued = {"job_status": {"id": "V3-1", "status": "queued"}}
    shown = Exchange("shown", "GET", "", {}, None, 200, {"organizations": rows})
    started = Exchange("started", "PUT", "", {}, None, 200, queued)
    outcomes = replaying(started, done[0], shown).write("organizations", items)
    assert [outcome.error is None for outcome in outcomes] == ["error" not in result for result in results]
    assert {outcome.error.cause for outcome in outcomes if outcome.error} == {"conflict"}


def known(one: Exchange, line: str) -> bool:
    return any(re.search(pattern, f"{one.name.split('_')[0]} {line}") for pattern in KNOWN)


def test_something_was_compared(real: Path) -> None:
    assert len(served()) > 80
