"""The real demo, as a person meets it: killed twice, carried on, run again, its printed cure pasted into a shell.

One HOME and one story for all tests of this file, in the order they are written: the servers take seconds to come up.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.demo.backstage import SYSTEMS
from console.demo.telling import CURES, EXAMPLE
from sandbox.seeding import dirt, invent
from tests.conftest import ROOT

pytestmark = pytest.mark.xdist_group("demo")
PATIENCE = 240
INBOUND = ("landed", "unchanged", "stale", "filtered", "parked", "still_parked")
OUTBOUND = ("applied", "no_op", "superseded", "dead", "pending")
KEYS = {"hubspot": "throughline_key", "salesforce": "Throughline_Key__c"}
RESOURCES = {
    "hubspot": ("contacts", "companies", "deals", "tickets", "products"),
    "salesforce": ("Contact", "Account", "Opportunity", "Case", "Product2"),
}


@dataclass
class Place:
    """A HOME, and `throughline` called in it as from a shell in the checkout."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Only HOME is set: later verbs find everything else there."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("THROUGHLINE_", "PREFECT_"))}
        return clean | {"THROUGHLINE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def begin(self, *verb: str) -> subprocess.Popen[bytes]:
        """Start a verb."""
        log = (self.home.parent / "begun.log").open("ab")
        command = [sys.executable, "-m", "console", *verb]
        with log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def call(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return self.shell([sys.executable, "-m", "console", *verb])

    def shell(self, command: list[str] | str) -> subprocess.CompletedProcess[str]:
        """Run a command, or a line as pasted."""
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, shell=isinstance(command, str), text=True, capture_output=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def demo(self) -> dict[str, Any]:
        """Run the demo; its last line."""
        ended = self.call("demo", "--json")
        assert ended.returncode == 0, ended.stderr
        told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return told

    def objects(self, system: str, resource: str) -> list[dict[str, Any]]:
        """What a simulator holds now."""
        serving = json.loads((self.home / "demo/sandbox/serving.json").read_text())
        url = f"http://127.0.0.1:{serving['ports'][system]}/__sandbox__/objects/{resource}"
        with urllib.request.urlopen(url) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return [one for one in found if not one.get("archived") and not one.get("IsDeleted")]

    def held(self) -> Counter[tuple[str, str, str]]:
        """How many objects carry each of our keys."""
        found: Counter[tuple[str, str, str]] = Counter()
        for system, key in KEYS.items():
            for resource in RESOURCES[system]:
                for one in self.objects(system, resource):
                    if value := one.get("properties", one).get(key):
                        found[system, resource, value] += 1
        return found

    def writes(self) -> int:
        """How many changes the simulators ever accepted."""
        serving = json.loads((self.home / "demo/sandbox/serving.json").read_text())
        total = 0
        for port in serving["ports"].values():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/__sandbox__/changes") as answer:
                total += len(json.loads(answer.read()))
        return total


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A fresh HOME; whatever the demo left running is ended the documented way."""
    found = Place(tmp_path_factory.mktemp("demo") / "home")
    yield found
    ended = found.call("demo", "--stop")
    assert ended.returncode == 0, ended.stderr
    assert not (found.home / "demo/sandbox/serving.json").exists()
    shutil.rmtree(found.home, ignore_errors=True)


def _until(what: str, holds: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_at_its_start_and_in_the_middle_of_delivering_it_goes_on_and_doubles_nothing(place: Place) -> None:
    early = place.begin("demo")
    _until("the simulators", (place.home / "demo/sandbox/serving.json").exists)
    _kill(early)
    late = place.begin("demo")
    _until("a contact in HubSpot", lambda: any(kind == "contacts" for _, kind, _ in place.held()))
    _kill(late)
    told = place.demo()
    _sums(told)
    assert {name for name, times in place.held().items() if times > 1} == set()
    assert told["dead_letters"] == 7
    assert told["golden"]["contact"] > 300
    addresses = Counter(one["properties"].get("email") for one in place.objects("hubspot", "contacts"))
    assert {address for address, times in addresses.items() if times > 1 and address} == set()


def _sums(told: dict[str, Any]) -> None:
    assert [each["name"] for each in told["syncs"]] == ["billing", "commerce", "customers", "deals", "support"]
    for each in told["syncs"]:
        assert each["inbound"]["read"] == sum(each["inbound"][name] for name in INBOUND), each
        assert each["outbound"]["planned"] == sum(each["outbound"][name] for name in OUTBOUND), each


def test_again_it_writes_nothing_and_shows_one_customers_way_and_a_cure_that_works(place: Place) -> None:
    before = place.writes()
    again = place.call("demo")
    assert again.returncode == 0, again.stderr
    ran = json.loads(place.call("sync", "run", "--all", "--json").stdout)
    assert len(ran["syncs"]) == 5
    assert sum(each["outbound"]["applied"] + each["outbound"]["dead"] for each in ran["syncs"]) == 0
    assert place.writes() == before
    _way(place, again.stdout)
    _cure(place, again.stdout)


def _way(place: Place, shown: str) -> None:
    for system in ("stripe_main.customers", "shopify_main.customers", "zendesk_main.users", "typeform_main.responses"):
        assert system in shown
    trace = place.call("trace", EXAMPLE, "--json")
    (record,) = [each for each in json.loads(trace.stdout)["goldens"] if each["entity"] == "contact"]
    seats = {seat["connection"]: seat["vendor_id"] for seat in record["bindings"]}
    assert seats.keys() == {"hubspot_main", "salesforce_main"}
    assert all(vendor_id in shown for vendor_id in seats.values())


def _cure(place: Place, shown: str) -> None:
    (cure,) = [line for line in shown.splitlines() if "dead-letters edit" in line]
    cured = place.shell(cure)
    assert cured.returncode == 0, cured.stdout + cured.stderr
    assert "went through" in cured.stdout
    emails = {one["properties"].get("email") for one in place.objects("hubspot", "contacts")}
    assert "elin.holm@proton.me" in emails
    assert place.call("dead-letters", "list").stdout.splitlines()[-1].startswith("6 of 6")


def test_its_words_agree_with_the_customers_it_invents() -> None:
    assert invent().heroine.email == EXAMPLE
    changes = [change for change, _ in CURES.values()]
    assert f"defaultEmailAddress.marketingUpdatedAt={dirt.REAL_DAY}" in changes
    assert set(SYSTEMS) == {"stripe", "shopify", "zendesk", "typeform", "hubspot", "salesforce"}
