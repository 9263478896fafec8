"""Practising with a simulated account: how its objects come to be without our doing, and what a good write looks like.

The conformance kit asks these questions of every system. Most have an answer here already; a system's own `Practice`
(in its simulator's module, package, or a module beside it; found by scanning) gives what is its vendor's own.
Field names in `Written` are those of a WriteItem; everything else is asked of the simulator.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sandbox.simulator import Simulator
from sandbox.state import SECOND, Json

SECRET = "whsec_cHJhY3RpY2Utc2VjcmV0"
Post = tuple[str, bytes, dict[str, str]]
"""A webhook on its way: address, body, headers."""


@dataclass(frozen=True, slots=True)
class Written:
    """How one resource is practised in writing. "{n}" in a text becomes a number of its own."""

    fields: Json  # a good object, as full as the mapping writes it
    change: Json  # other values for some of them
    clear: str = ""  # one of them that may be emptied
    refused: Json = field(default_factory=dict)  # a value the vendor refuses
    too_long: Json = field(default_factory=dict)
    unknown_choice: Json = field(default_factory=dict)  # a picklist value it does not know
    taken: str = ""  # a field that no two objects may share
    adopts: bool = False  # … and then the object that has it becomes ours, if no other key of ours is in it
    parent: tuple[str, str] = ("", "")  # a reference, and the resource it is practised with
    calls: int = 3  # requests that a full batch may cost
    alone: bool = False  # each item goes in a request of its own


class Practice:
    """One simulated account to practise with."""

    system: ClassVar[str]
    main: ClassVar[str]
    """The resource that the costly checks are made with."""
    page: ClassVar[int] = 100
    """Objects on the largest page, when pages are as small as they get."""
    page_calls: ClassVar[int] = 1
    """Requests that one page may cost."""
    volume: ClassVar[int] = 20_000
    """Objects for the check of memory: as many as the simulator serves in seconds."""
    cap: ClassVar[int] = 0
    """The vendor shows no more results than this of one query."""
    whole: ClassVar[tuple[str, ...]] = ()
    """Resources that the vendor lists in one answer, however many there are."""
    id: ClassVar[str] = "id"
    edit: ClassVar[Mapping[str, str]] = {}
    """Per resource, the field that a person edits; one that is not named cannot be edited."""
    bulk: ClassVar[tuple[str, int]] = ("", 0)
    """The setting, and its value, that sends reads of so few objects by the vendor's bulk road."""
    written: ClassVar[Mapping[str, Written]] = {}
    keyed: ClassVar[str] = ""
    """Where the vendor's object holds our key (dotted)."""
    links: ClassVar[Mapping[str, str]] = {}
    """Reference → where the vendor's object holds the other's id."""
    writing: ClassVar[tuple[str, str]] = ("POST", "")
    """Method and path (a regular expression) of the request that writes one new RESOURCE."""
    reading: ClassVar[tuple[str, str]] = ("*", ".*")
    """Method and path of the requests that read `main`'s pages."""
    answers: ClassVar[bool] = True
    """Answers have a content that says what became of a write; otherwise a status says all."""
    spoils: ClassVar[tuple[str, ...]] = ()
    """Fault kinds the simulator acts out itself: partial, wrong_length."""
    credential: ClassVar[str] = "token"
    address: ClassVar[str] = "base_url"
    besides: ClassVar[Mapping[str, Any]] = {}
    """What every connection is told beside address and credential."""
    secret: ClassVar[str] = "webhook_secret"
    """The setting that holds webhook secrets; empty where there are no webhooks."""
    rotates: ClassVar[bool] = True
    """Several webhook secrets may hold at once."""
    dated: ClassVar[bool] = True
    """Webhook signatures carry their time."""
    anonymous: ClassVar[bool] = False
    """Without a webhook secret everybody is believed, on purpose."""
    token_path: ClassVar[str] = ""
    """Where an OAuth token is fetched."""
    scopes: ClassVar[bool] = True
    """Single permissions can be missing."""

    def __init__(self, sim: Simulator | None, folder: Path) -> None:
        """`sim` is None for a system without a vendor; `folder` is a place for its files."""
        self._sim, self.folder = sim, folder

    @property
    def sim(self) -> Any:
        """The simulator."""
        assert self._sim is not None, f"{self.system} has no simulator"
        return self._sim

    @property
    def simulated(self) -> bool:
        """Whether there is a vendor to speak to."""
        return self._sim is not None

    def tell_time(self, now: Callable[[], int]) -> None:
        """The kit's clock, for a system without a simulator: its instant when asked."""

    # connecting -------------------------------------------------------------------------------------------------------
    def settings(self) -> Json:
        """The settings of a connection that works."""
        told: Json = {self.address: self.sim.base_url, self.credential: self.sim.token} if self.simulated else {}
        return told | ({self.secret: f"{SECRET},whsec_b2xk" if self.rotates else SECRET} if self.secret else {})

    def oauth(self) -> Json:
        """The settings of a connection whose token ends and is fetched anew; empty where there is none."""
        return {}

    def paged(self, *, large: bool) -> None:
        """Make the vendor's pages small (`page` objects), or as large as they get, where the simulator can."""

    def prepare(self, connector: Any) -> None:
        """What a person sets up at the vendor first."""

    def deny(self, resource: str) -> None:
        """Take the permission for a resource away."""
        self.sim.forbidden.add(resource)

    def jobs(self) -> int:
        """The bulk jobs that were begun, where there are any."""
        raise NotImplementedError

    def pushes(self) -> int:
        """The bulk jobs that were begun to write, where there are any."""
        raise NotImplementedError

    def lose_jobs(self) -> None:
        """The vendor forgets every bulk job and its results."""
        raise NotImplementedError

    def spend(self) -> None:
        """Spend the day's budget; not called unless overridden."""

    def add_field(self, resource: str) -> tuple[str, str, Sequence[str]]:
        """Add a field as an admin would: its name as discovered, type and choices; ("", "", ()) where nobody can."""
        return "", "", ()

    def writes(self, resource: str) -> tuple[str, str]:
        """Method and path of the request that writes one new item."""
        return self.writing[0], self.writing[1].replace("RESOURCE", resource)

    # objects ----------------------------------------------------------------------------------------------------------
    def fresh(self, resource: str, n: int) -> Json:
        """Fields for `make`."""
        return {}

    def make(self, resource: str, n: int) -> str:
        """Make an object as a person at the vendor would, now; its id."""
        return str(self.sim.make(resource, **self.fresh(resource, n))[self.id])

    def change(self, resource: str, id: str, n: int) -> None:
        """Edit it as a person would."""
        self.sim.change(resource, self.native(id), **{self.edit[resource]: f"Changed {n}"})

    def remove(self, resource: str, id: str) -> None:
        """Delete it as a person would."""
        self.sim.remove(resource, self.native(id))

    def native(self, id: str) -> Any:
        """The id as the simulator's own verbs take it."""
        return id

    def lag(self, seconds: float) -> None:
        """Let what is read trail what is."""
        self.sim.state.search_lag = seconds

    def vanish(self, resource: str) -> None:
        """The vendor shows nothing any more, without having deleted anything."""
        with self.sim.state.lock:
            self.sim.state._objects.get(resource, {}).clear()
            for place in [place for place in self.sim.state._past if place[0] == resource]:
                del self.sim.state._past[place]

    def get(self, resource: str, id: str) -> Json | None:
        """The object as the vendor holds it; None when it is gone."""
        found = self.sim.state.get(resource, id)
        return None if found is None or self.gone(resource, found) else found

    def gone(self, resource: str, obj: Json) -> bool:
        """Whether an object is only remembered as deleted."""
        return False

    def archived(self, resource: str, obj: Json | None) -> bool:
        """Whether an object counts as archived."""
        return obj is None

    def ours(self, resource: str, ext_key: str) -> list[str]:
        """The ids of the objects that carry our key."""
        held = ((id, self.get(resource, id)) for id in self.ids(resource))
        return [id for id, obj in held if obj is not None and self.key_of(resource, obj) == ext_key]

    def ids(self, resource: str) -> Sequence[str]:
        """The ids of everything there is."""
        return list(self.sim.state.ids(resource))

    def stranger(self, resource: str, name: str, value: Any) -> str:
        """Make an object with a value as somebody else would; its id."""
        return str(self.sim.make(resource, **{name: value})[self.id])

    def losing(self, connector: Any, *, applied: bool) -> AbstractContextManager[None] | None:
        """For a system without a simulator: within it the answer to a write is lost, after it was applied or before."""
        return None

    def key_of(self, resource: str, obj: Json) -> Any:
        """Our key in an object."""
        return at(obj, self.keyed)

    def value(self, resource: str, obj: Json, name: str) -> Any:
        """What an object holds of a field, by the name a WriteItem has for it."""
        return at(obj, name)

    def linked(self, resource: str, id: str, reference: str) -> str | None:
        """The id of the object that a reference leads to."""
        found = at(self.get(resource, id) or {}, self.links[reference])
        return None if found in (None, "") else str(found)

    # webhooks ---------------------------------------------------------------------------------------------------------
    def posts(self, resource: str) -> list[Post]:
        """Two webhooks about one object: made, then edited."""
        self.sim.hook("https://hub.example/hooks/x?y=%2F", SECRET)
        id = self.make(resource, 1)
        if resource in self.edit:
            self.change(resource, id, 2)
        else:
            self.make(resource, 2)
        queued, self.sim.outbox = self.sim.outbox, []
        return [(hook["url"], body, headers) for hook, body, headers in queued]

    def sign(self, url: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
        """The headers of a webhook with any body."""
        return dict(self.sim.sign({"id": "hook_x", "url": url, "secret": secret}, body))

    def handshake(self) -> tuple[str, Post] | None:
        """Method and content of the request by which the vendor asks whether we are there; None where it does not."""
        return None

    def now(self) -> int:
        """The vendor's clock (an instant)."""
        return int(self.sim.state.now())

    def second(self) -> int:
        """The vendor's clock in whole seconds since the epoch."""
        return self.now() // SECOND


def at(obj: Any, path: str) -> Any:
    """The value at a dotted path; None when there is none."""
    for step in path.split(".") if path else ():
        if isinstance(obj, list):
            obj = obj[int(step)] if step.isdecimal() and int(step) < len(obj) else None
        else:
            obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def find_practices() -> dict[str, type[Practice]]:
    """Every system that can be practised with."""
    return {practice.system: practice for practice in _found()}


def _found() -> Iterator[type[Practice]]:
    for name in sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if name != "__main__":
            for item in vars(importlib.import_module(f"sandbox.{name}")).values():
                if inspect.isclass(item) and issubclass(item, Practice) and item is not Practice:
                    yield item
