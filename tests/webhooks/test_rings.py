"""HubSpot, Zendesk and Salesforce in a ring, by their own dialects: signed webhooks from two of them, reads from all three."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import mappings
from connectors import connector_for, open_connector
from journey.activation import known_resources
from journey.counts import Counts
from journey.inbound.receiving import accept, process
from kernel.clock import SECOND
from kernel.records import WebhookRequest
from sandbox import Box
from tests.conftest import ROOT
from tests.journey.conftest import WORDS, World, route

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOOKED = {"hubspot": "client_secret", "zendesk": "webhook_secrets"}
SECRET = "a-secret-of-the-sandbox"  # noqa: S105
MINUTES = 15
SOBJECTS = "/services/data/v62.0/composite/sobjects"


@dataclass
class Vendors:
    """Three accounts on simulators, whose clocks follow the engine's."""

    world: World
    box: Box

    def pass_time(self, minutes: float) -> None:
        """Beyond every lag of an index; what was posted has arrived by then."""
        self.take()
        self.world.clock.at += int(minutes * 60 * SECOND)
        for name in self.box.systems:
            self.box[name].state.freeze(self.world.clock.at)

    def take(self) -> None:
        """What two of them posted is verified and stored."""
        for name in HOOKED:
            sim = self.box[name]
            queued, sim.outbox = sim.outbox, []
            for hook, body, headers in queued:
                lower = {key.lower(): value for key, value in headers.items()}
                request = WebhookRequest("POST", hook["url"], lower, body, self.world.clock.at)
                assert accept(self.world.store, self.world, name, request).status in (200, 204)

    def round(self) -> int:
        """Webhooks, then a scheduled run; how many writes that made."""
        before = self.writes
        self.take()
        process(self.world.context(), Counts())
        run = self.world.run()
        assert (run.stopped, run.counts.outbound.dead, run.counts.inbound.parked) == ([], 0, 0)
        self.pass_time(MINUTES)
        return self.writes - before

    @property
    def writes(self) -> int:
        """Deliveries that reached a vendor."""
        return sum(row.outcome in ("applied", "created") for row in self.world.rows("attempt"))

    def call(self, name: str, method: str, path: str, body: Any) -> None:
        """A person's own request to a vendor."""
        sim = self.box[name]
        headers = {"Authorization": f"Bearer {sim.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310
            f"{sim.base_url}{path}", json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=20):  # noqa: S310
            pass

    def names(self) -> set[str]:
        """The person's family name, as each shows it."""
        (contact,) = self.box["hubspot"].state.all("contacts")
        users = [user for user in self.box["zendesk"].state.all("users") if user.get("role") == "end-user"]
        (lead,) = self.box["salesforce"].state.all("Contact")
        return {contact["properties"]["lastname"], users[0]["name"].split()[-1], lead["LastName"]}


def _contact(id: str, last: str) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, "Id": id, "LastName": last}


@pytest.fixture
def vendors(world: World, serve: Callable[..., Box]) -> Iterator[Vendors]:
    box = serve("hubspot", "zendesk", "salesforce")
    made = Vendors(world, box)
    made.pass_time(0)
    world.mappings = mappings.load(ROOT / "mappings", WORDS, known_resources=known_resources(ROOT))
    addresses = {"salesforce": "instance_url"}
    tokens = {"hubspot": "access_token", "zendesk": "oauth_token", "salesforce": "access_token"}
    for name in box.systems:
        sim = box[name]
        settings: dict[str, Any] = {addresses.get(name, "base_url"): sim.base_url, tokens[name]: sim.token}
        if name in HOOKED:
            settings[HOOKED[name]] = [SECRET] if HOOKED[name].endswith("s") else SECRET
            sim.hook(f"https://hooks.example/hooks/{name}", SECRET)
        world.systems[name] = open_connector(connector_for(name), settings, connection=name, clock=world.clock)  # type: ignore[assignment]
    targets = ["hubspot.contacts", "zendesk.users", "salesforce.Contact"]
    for target in targets:
        name, _, resource = target.partition(".")
        if hasattr(world.systems[name], "ensure_key"):
            world.systems[name].ensure_key(resource)
    world.streams, world.routes = targets, [route("contact", target) for target in targets]
    user = {"name": "Ann Archer", "email": "Ann@Acme.io", "phone": "+1 206 555 0123", "role": "end-user"}
    made.call("zendesk", "POST", "/api/v2/users.json", {"user": user})
    made.pass_time(MINUTES)
    yield made
    for name in box.systems:
        world.systems[name].close()


def test_one_edit_goes_round_once(vendors: Vendors) -> None:
    vendors.round()
    vendors.round()
    assert vendors.round() == 0, "everything is everywhere, and quiet"
    assert vendors.names() == {"Archer"}
    (contact,), (lead,) = vendors.box["hubspot"].state.all("contacts"), vendors.box["salesforce"].state.all("Contact")
    (user,) = [user for user in vendors.box["zendesk"].state.all("users") if user.get("role") == "end-user"]
    edits: list[
        tuple[str, tuple[str, str, str, Any]]
    ] = [  # the higher in rank, the later: an edit counts by its source
        ("Dorset", ("zendesk", "PUT", f"/api/v2/users/{user['id']}.json", {"user": {"name": "Ann Dorset"}})),
        (
            "Baker",
            ("hubspot", "PATCH", f"/crm/v3/objects/contacts/{contact['id']}", {"properties": {"lastname": "Baker"}}),
        ),
        ("Charles", ("salesforce", "PATCH", SOBJECTS, {"records": [_contact(lead["Id"], "Charles")]})),
    ]
    for said, edit in edits:
        vendors.call(*edit)
        assert vendors.box[edit[0]].outbox or edit[0] not in HOOKED, "the vendor tells of it"
        before = vendors.writes
        vendors.round()
        vendors.round()
        assert vendors.names() == {said}
        assert vendors.writes - before <= 3
        assert vendors.round() == 0
    assert len(vendors.world.golden()) == 1
