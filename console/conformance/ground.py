"""The ground a check stands on: an empty simulated account, connectors that reach it, one clock for both."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson

from connectors import connector_for, open_connector
from connectors.base import Connector, Resource, WriteClass, WriteSpec
from console.conformance.checks import expect, only_where
from journey.inbound.classifying import Hasher
from kernel.clock import SECOND
from kernel.errors import BadSetting, Park, Stop, ThroughlineError, Unknown
from kernel.ids import content_hash
from kernel.records import Action, Cursor, Json, Page, SourceRecord, WriteItem, WriteOutcome

if TYPE_CHECKING:
    from sandbox import Box
    from sandbox.gate import Call
    from sandbox.practice import Practice, Written

MOST_PAGES = 20_000
Break = Callable[[Connector], None]
"""Breaks a connector on purpose, for a check's twin."""


class Clock:
    """The connector's clock, kept equal to the vendor's; sleeping moves both."""

    def __init__(self, state: Any) -> None:
        """`state`: the simulator's; None: a clock of our own."""
        self._state, self._at = state, time.time_ns() // 1000
        self.slept = 0.0
        if state is not None:
            state.freeze(self._at)

    def now(self) -> int:
        """The instant."""
        return int(self._state.now()) if self._state is not None else self._at

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept += seconds
        self._at += int(seconds * SECOND)
        if self._state is not None:
            self._state.advance(seconds)


@dataclass(slots=True)
class Read:
    """What one read gave."""

    pages: list[Page]
    resource: Resource

    @property
    def records(self) -> list[SourceRecord]:
        """Every record, in order."""
        return [record for page in self.pages for record in page.records]

    @property
    def live(self) -> set[str]:
        """The ids that are there, by what came last."""
        return {id for id, record in self.state.items() if not record.deleted}

    @property
    def gone(self) -> set[str]:
        """The ids of tombstones."""
        return {id for id, record in self.state.items() if record.deleted}

    @property
    def state(self) -> dict[str, SourceRecord]:
        """The last record of each id."""
        return {record.id: record for record in self.records}

    @property
    def cursor(self) -> Cursor:
        """Where the next read starts, as it comes back from the store."""
        told: Cursor = orjson.loads(orjson.dumps(self.pages[-1].cursor))
        return told


class Ground:
    """An account of one system. `fresh` empties it; connectors opened here are closed with it."""

    def __init__(
        self, system: str, box: Box | None, folder: Path, *, broken: Break | None = None, transport: Any = None
    ) -> None:
        """Use `grounds`. `broken` is done to every connector opened; `transport` is given to it."""
        self.system, self.cls = system, connector_for(system)
        self._box, self._folder, self.broken, self._transport = box, folder, broken, transport
        self._opened: list[Connector] = []
        self._numbers = 0
        self.fresh()

    def fresh(self) -> None:
        """A new account for every check."""
        self.close()
        self._resources: Mapping[str, Resource] | None = None
        sim = self._box.blank(self.system) if self._box is not None else None
        self.sim: Any = sim
        self.clock = Clock(sim.state if sim is not None else None)
        self.practice: Practice = _practice(self.system)(sim, self._folder)
        if sim is not None:
            self.practice.paged(large=False)
        self.practice.tell_time(self.clock.now)
        if hasattr(self.practice, "clock"):
            self.practice.clock = self.clock.now()

    def close(self) -> None:
        """Close the connectors."""
        while self._opened:
            self._opened.pop().close()

    # connectors -------------------------------------------------------------------------------------------------------
    def open(self, settings: Mapping[str, Any] | None = None, *, prepare: bool = False) -> Connector:
        """A connector with the practice's settings, or other ones; `prepare`: the account is set up for us first."""
        told = self.practice.settings() if settings is None else settings
        made = open_connector(self.cls, told, connection="here", clock=self.clock, transport=self._transport)
        made.http.timeout = 10.0
        self._opened.append(made)
        if prepare:
            self.practice.prepare(made)
            self.forget()
        if self.broken is not None:
            self.broken(made)
        return made

    def but(self, name: str, value: Any) -> Connector:
        """A connector with the practice's settings, one of them changed."""
        return self.open({**self.practice.settings(), name: value})

    def ready(self) -> Connector:
        """A connector to an account that is set up for us."""
        return self.open(prepare=True)

    @property
    def resources(self) -> Mapping[str, Resource]:
        """What the connection declares."""
        if self._resources is None:
            self._resources = self.open().resources
        return self._resources

    def spec(self, resource: str) -> WriteSpec:
        """How a resource says it is written."""
        spec = self.resources[resource].write
        assert spec is not None
        return spec

    def written(self, resource: str) -> Written:
        """How its writing is practised."""
        expect(resource in self.practice.written, f"the practice does not say how {resource} is written")
        return self.practice.written[resource]

    # the account ------------------------------------------------------------------------------------------------------
    def number(self) -> int:
        """A number that was not used yet on this ground."""
        self._numbers += 1
        return self._numbers

    def make(self, resource: str, count: int = 1) -> list[str]:
        """Objects as people make them; their ids."""
        made = [self.practice.make(resource, self.number()) for _ in range(count)]
        self._flush()
        return made

    def make_slowly(self, resource: str, count: int) -> list[str]:
        """Objects made over several seconds."""
        made: list[str] = []
        while len(made) < count:
            made += self.make(resource, max(1, self.practice.page // 4))
            self.clock.sleep(1)
        return made

    def change(self, resource: str, id: str) -> None:
        """Edit one as people do; leaves the check where nobody can."""
        only_where(resource in self.practice.edit, f"{resource} never change")
        self.practice.change(resource, id, self.number())
        self._flush()

    def remove(self, resource: str, id: str) -> bool:
        """Delete one as people do; False where nobody can."""
        try:
            self.practice.remove(resource, id)
        except (NotImplementedError, AttributeError):
            return False
        self._flush()
        return True

    def _flush(self) -> None:
        flush = getattr(self.practice, "flush", None)
        if flush is not None:
            flush()

    def there(self, resource: str) -> set[str]:
        """The ids of what the account held before anybody made anything."""
        self.practice.settings()
        return set(self.practice.ids(resource)) if self.sim is not None else set()

    def quiet(self, resource: str) -> None:
        """Let so much time pass that everything before is older than any look-back and lag."""
        declared = self.resources[resource]
        self.clock.sleep(2 * (declared.lookback + declared.safety_lag).total_seconds() + 120)

    def forget(self) -> None:
        """Begin a new log of calls."""
        if self.sim is not None:
            self.sim.calls.clear()

    def calls(self, method: str = "*", path: str = ".*") -> list[Call]:
        """The logged calls of a method to a path (a regular expression found anywhere)."""
        return _matching(self.sim.calls, method, path) if self.sim is not None else []

    def only_simulated(self) -> None:
        """Leave a check that needs a vendor's answers to be spoiled."""
        only_where(self.sim is not None, "no simulator answers")

    # reading ----------------------------------------------------------------------------------------------------------
    def read(self, connector: Connector, resource: str, since: Cursor | None = None, **options: Any) -> Read:
        """Read to the end, and hold the pages to what they promise."""
        pages: list[Page] = []
        for page in connector.read(resource, since, **options):
            pages.append(page)
            expect(len(pages) < MOST_PAGES, "the read does not end")
        expect(pages, "a read gives at least one page")
        expect(pages[-1].last, "the last page does not say that it is the last")
        expect(not any(page.last for page in pages[:-1]), "a page in the middle says that it is the last")
        return Read(pages, self.resources[resource])

    def content(self, resource: str) -> Callable[[SourceRecord], str]:
        """What tells whether a record's content changed."""
        return Hasher(self.resources[resource].volatile)

    # writing ----------------------------------------------------------------------------------------------------------
    def item(
        self,
        resource: str,
        fields: Mapping[str, Any] | None = None,
        *,
        key: str = "",
        action: Action = Action.UPSERT,
        vendor_id: str | None = None,
        refs: Mapping[str, tuple[str, str]] | None = None,
        n: int = 0,
    ) -> WriteItem:
        """One write, its idempotency key made as the engine makes it: from the key and the body."""
        number = n or self.number()
        key = key or f"key-{number}"
        told = filled(self.written(resource).fields if fields is None else fields, number)
        op = content_hash([key, action, told, dict(refs or {})])
        return WriteItem(action, key, f"{op}-g0", told, vendor_id, refs or {}, trace_id=f"{number:032x}")

    def write(self, connector: Connector, resource: str, batch: Sequence[WriteItem]) -> list[WriteOutcome]:
        """Write as the engine does: a refused batch is halved, another error is every item's; outcomes are checked."""
        try:
            outcomes = connector.write(resource, batch)
        except Park as error:
            if len(batch) == 1:
                return [WriteOutcome(error=error)]
            middle = len(batch) // 2
            return self.write(connector, resource, batch[:middle]) + self.write(connector, resource, batch[middle:])
        except ThroughlineError as error:
            return [WriteOutcome(error=error) for _ in batch]
        expect(len(outcomes) == len(batch), f"{len(batch)} items gave {len(outcomes)} outcomes")
        for outcome in outcomes:
            told = (outcome.vendor_id is not None) + (outcome.error is not None)
            expect(told == 1, "an outcome must hold either a vendor id or an error")
        return outcomes

    def find(self, connector: Connector, resource: str, key: str) -> list[str] | None:
        """The ids that the connector finds by our key; None where only appending is promised and nothing can be found."""
        if self.spec(resource).write_class is WriteClass.APPEND_ONLY and type(connector).find is Connector.find:
            return None
        return [one.id for one in connector.find(resource, [key]).get(key, [])]

    def warm(self, connector: Connector, resource: str) -> None:
        """Let the connector look up what it remembers of a resource."""
        with suppress(Stop):
            connector.discover(resource)

    def create(self, connector: Connector, resource: str, **options: Any) -> tuple[WriteItem, str]:
        """Write a new object that must be applied; (item, vendor id)."""
        item = self.item(resource, **options)
        outcome = self.write(connector, resource, [item])[0]
        expect(outcome.vendor_id is not None, f"a good {resource} was not applied: {outcome.error}")
        return item, str(outcome.vendor_id)

    def ours(self, resource: str, key: str) -> list[str]:
        """The ids of the objects that carry our key."""
        return self.practice.ours(resource, key)

    def held(self, resource: str, id: str, name: str) -> Any:
        """What the vendor holds of a field."""
        obj = self.practice.get(resource, id)
        expect(obj is not None, f"the vendor holds no {resource} with the id the connector told")
        return self.practice.value(resource, obj or {}, name)

    def snapshot(self, resource: str) -> dict[str, str]:
        """Content of every object, less what is volatile: equal when nothing changed."""
        content = self.content(resource)
        found = ((id, self.practice.get(resource, id)) for id in self.practice.ids(resource))
        return {id: content(SourceRecord(id, orjson.loads(orjson.dumps(obj)))) for id, obj in found if obj is not None}


def filled(fields: Mapping[str, Any], n: int) -> Json:
    """The fields with their own number in place of {n}."""
    return {name: _filled(value, n) for name, value in fields.items()}


def _filled(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", str(n))
    return [_filled(one, n) for one in value] if isinstance(value, list) else value


def uncertain(outcome: WriteOutcome) -> bool:
    """Whether the outcome says that the write may have been applied."""
    return isinstance(outcome.error, Unknown)


def _matching(calls: Sequence[Call], method: str, path: str) -> list[Call]:
    return [call for call in calls if method in ("*", call.method) and re.search(path, call.path)]


def _practice(system: str) -> type[Practice]:
    from sandbox.practice import find_practices

    found = find_practices().get(system)
    if found is None:
        raise BadSetting(f"nothing says how {system} is practised with; write sandbox/{system}_practice.py")
    return found


@contextmanager
def grounds(system: str, *, broken: Break | None = None, transport: Any = None) -> Iterator[Ground]:
    """A ground for a system, its simulator served on loopback while the block lasts."""
    from sandbox import Box
    from sandbox.server import find_simulators

    with TemporaryDirectory(prefix="throughline-kit-") as folder:
        box = Box([system]) if system in find_simulators() else None
        ground = Ground(system, box, Path(folder), broken=broken, transport=transport)
        try:
            yield ground
        finally:
            ground.close()
            if box is not None:
                box.stop()
