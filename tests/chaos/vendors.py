"""The vendors of a storm: whom records come from, whom they go to, how each tells what it holds, and what it does to callers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from connectors import connector_for, open_connector
from sandbox.practice import at, find_practices
from sandbox.server import Box
from sandbox.simulator import Simulator
from sandbox.state import Json
from tests.chaos.cards import RegisterSimulator, ShelfSimulator
from tests.chaos.pace import Pace

SOURCE = "zendesk"
MORE: Mapping[str, type[Simulator]] = {"register": RegisterSimulator, "shelf": ShelfSimulator}


@dataclass(frozen=True, slots=True)
class Target:
    """One resource that is written, and where its objects hold what we compare (dotted paths)."""

    system: str
    resource: str
    write_class: str
    key: str  # "" where only the vendor's practice knows
    email: str
    last: str
    phone: str
    alone: bool = True  # each item goes in a request of its own
    leaving: str = "delete"  # what becomes of who left


TARGETS = (
    Target("hubspot", "contacts", "A", "properties.throughline_key", "properties.email", "properties.lastname", "properties.phone", alone=False),
    Target("salesforce", "Contact", "A", "Throughline_Key__c", "Email", "LastName", "Phone", alone=False),
    Target("stripe", "customers", "B", "metadata.throughline_key", "email", "name", "phone"),
    Target("quickbooks", "customers", "C", "", "PrimaryEmailAddr.Address", "FamilyName", "PrimaryPhone.FreeFormNumber", alone=False, leaving="archive"),
    Target("register", "contacts", "C", "key", "email", "last_name", "phone"),
    Target("shelf", "contacts", "D", "key", "email", "last_name", "phone"),
    Target("pipedrive", "persons", "D", "", "emails.0.value", "name", "phones.0.value"),
    Target("webhook_out", "contacts", "E", "id", "email", "last_name", "phone"),
)  # fmt: skip
BY_SYSTEM = {target.system: target for target in TARGETS}

READ = (
    ("429", 0.02, {}),
    ("429", 0.02, {"retry_after": 1}),
    ("500", 0.02, {}),
    ("503", 0.02, {}),
    ("timeout", 0.01, {"seconds": 1.0}),
    ("reset", 0.02, {}),
    ("truncated", 0.02, {}),
    ("html200", 0.01, {}),
    ("expired_token", 0.01, {}),
    ("duplicate_page", 0.04, {}),
    ("overlapping_page", 0.05, {}),
    ("reordered_page", 0.05, {}),
)
WRITE = (
    ("429", 0.010, {}),
    ("429", 0.010, {"retry_after": 1}),
    ("500", 0.006, {}),
    ("500", 0.008, {"apply": True}),
    ("502", 0.006, {"apply": True}),
    ("503", 0.006, {}),
    ("503", 0.006, {"apply": True}),
    ("timeout", 0.002, {"seconds": 1.0}),
    ("timeout", 0.003, {"seconds": 1.0, "apply": True}),
    ("reset", 0.006, {}),
    ("reset", 0.008, {"apply": True}),
    ("late_apply", 0.008, {"seconds": 0.6}),
    ("truncated", 0.006, {}),
    ("html200", 0.004, {}),
    ("empty200", 0.004, {}),
    ("expired_token", 0.001, {}),
)
"""Kind, chance at each request, options; requests that carry a batch meet them three times as often: more, and the breaker takes the vendor for down."""
SPOILS = {"stripe": (("stored_500", 0.006, {}), ("stored_500", 0.004, {"apply": True}))}
_APPLIED = frozenset({"late_apply", "truncated", "html200", "empty200", "partial"})  # whatever their options say


class Vendors:
    """Simulators on loopback, in threads of the supervisor: they outlive every worker."""

    def __init__(self, systems: list[str], pace: Pace, folder: Path) -> None:
        """The source and the targets of these systems, set up for us, without faults."""
        self.targets = [BY_SYSTEM[name] for name in systems]
        self.box = Box([SOURCE, *systems], more=MORE)
        for name in self.box.systems:
            self.box[name].state.clock = pace.now
        self._practices: dict[str, Any] = {}
        for name in systems:
            if name in MORE:
                continue
            practice = self._practices[name] = find_practices()[name](self.box[name], folder)
            if name == "pipedrive":
                self.box[name].daily = self.box[name].left = 10**9  # type: ignore[attr-defined]  # quotas are tests/quota's
            settings = practice.settings()
            opened = open_connector(connector_for(name), settings, connection=f"{name}_main", clock=pace)
            practice.prepare(opened)
            opened.close()
        self.box[SOURCE].page_size = 400  # type: ignore[attr-defined]

    def faults_on(self, seed: int, often: float) -> None:
        """From here on things go wrong, at random, `often` times as often as the tables say at the targets."""
        random = Random(f"faults{seed}")  # noqa: S311
        switches = [(SOURCE, kind, chance, options) for kind, chance, options in READ]
        for target in self.targets:
            more = often if target.alone else max(3, often)
            spoils = SPOILS.get(target.system, ())
            if "partial" in getattr(find_practices().get(target.system), "spoils", ()):
                spoils = (("partial", 0.01, {"index": 1}), ("wrong_length", 0.01, {}))
            switches += [(target.system, kind, more * chance, options) for kind, chance, options in (*WRITE, *spoils)]
        for system, kind, chance, options in switches:
            self.box[system].faults.add(kind, times=None, probability=chance, seed=random.getrandbits(32), **options)

    def faults_off(self) -> None:
        """All is well again; what fired is still counted."""
        for name in self.box.systems:
            for switch in self.box[name].faults.switches:
                switch.times = 0

    def fired(self) -> tuple[Counter[str], int]:
        """Faults by kind, and how many of them came after the write was applied."""
        kinds: Counter[str] = Counter()
        after = 0
        for name in self.box.systems:
            for switch in self.box[name].faults.switches:
                kinds[f"{switch.kind} applied" if switch.options.get("apply") else switch.kind] += switch.fired
                applied = switch.options.get("apply") or switch.kind in _APPLIED
                after += switch.fired if applied and name != SOURCE else 0
        return kinds, after

    def objects(self, target: Target) -> Iterator[tuple[str, Json]]:
        """(id, object) of everything a target holds."""
        state = self.box[target.system].state
        for id in state.ids(target.resource):
            found = state.get(target.resource, id)
            if found is not None and not gone(found):
                yield id, found

    def key(self, target: Target, obj: Json) -> str:
        """Our key in an object; "" without one."""
        found = at(obj, target.key) if target.key else self._practices[target.system].key_of(target.resource, obj)
        return str(found or "")

    def stop(self) -> None:
        """End them."""
        self.box.stop()


def gone(obj: Json) -> bool:
    """In a recycle bin, or no longer active."""
    return obj.get("Active") is False or bool(
        obj.get("archived") or obj.get("IsDeleted") or obj.get("deleted") or obj.get("is_deleted")
    )


def last_name(target: Target, obj: Json) -> str:
    """The last name an object holds; some vendors have one name for both."""
    told = str(at(obj, target.last) or "")
    return told.split()[-1] if told and target.last == "name" else told


def value(obj: Json, path: str) -> Any:
    """The value at a dotted path; None where there is nothing."""
    return at(obj, path) or None
