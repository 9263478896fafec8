"""Rings: systems that all read from and write to each other, by webhooks and by reads, each with its own idea of tidiness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from journey.context import Context, Pins
from journey.counts import Counts
from journey.inbound.receiving import accept, process
from journey.runs import Run
from journey.syncing import run_sync
from journey.syncs import Stream, Sync
from kernel import failpoints
from kernel.errors import Unknown
from kernel.records import WebhookRequest
from kernel.store import sqlite_url
from tests.journey.conftest import BLANK, RULES, WORDS, World, route


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """On SQLite alone: what is an edit is decided before the database is asked."""
    return sqlite_url(tmp_path / "store.db")


A, B, C = "shop.customers", "crm.contacts", "help.users"
FIELDS = {
    "shop": ("first", "last", "title"),
    "crm": ("firstname", "lastname", "jobtitle"),
    "help": ("first", "last", "role"),
}


def tidy(body: dict[str, Any]) -> dict[str, Any]:
    """The CRM trims, and lowers e-mail addresses."""
    return {
        name: value.strip().lower() if name == "email" else value.strip() if isinstance(value, str) else value
        for name, value in body.items()
    }


def telephone(body: dict[str, Any]) -> dict[str, Any]:
    """The help desk writes numbers its own way, and shouts family names."""
    found = dict(body)
    if isinstance(phone := found.get("phone"), str) and phone.startswith("+1"):
        digits = "".join(filter(str.isdigit, phone))
        found["phone"] = f"+1 ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    if isinstance(last := found.get("last"), str):
        found["last"] = last.upper()
    return found


def cut(body: dict[str, Any]) -> dict[str, Any]:
    """The shop keeps eight characters of a title."""
    return {name: value[:8] if name == "title" and isinstance(value, str) else value for name, value in body.items()}


@dataclass
class Ring:
    """A world, its syncs, and what the systems tell by webhook."""

    world: World
    syncs: dict[str, Sync]
    hooked: bool
    reads: bool
    hints: bool = True
    posted: list[tuple[str, WebhookRequest]] = field(default_factory=list)
    told: int = 0

    def listen(self) -> None:
        """Every change at a system is told, ours too."""
        for name, system in self.world.systems.items():
            system.changed = self._teller(name)

    def _teller(self, name: str) -> Callable[[str, dict[str, Any]], None]:
        def tell(resource: str, held: dict[str, Any]) -> None:
            self.told += 1
            told = {
                "resource": resource,
                "id": held["id"],
                "raw": held,
                "hint": self.hints,
                "key": f"{name}{self.told}",
            }
            url = f"https://hooks.example/{name}"
            self.posted.append((name, WebhookRequest("POST", url, {}, orjson.dumps(told), self.world.clock.now())))

        return tell

    def context(self) -> Context:
        """Of a new run; without scheduled reads where only webhooks tell."""
        pins = Pins(WORDS, self.world.mappings, RULES, self.syncs)
        return Context(self.world.store, pins, self.world)

    def hear(self, late: bool = False) -> None:
        """What was posted is stored and landed; `late`: the newest first."""
        posted, self.posted = self.posted, []
        for name, request in reversed(posted) if late else posted:
            assert accept(self.world.store, self.world, name, request).status == 200
            assert accept(self.world.store, self.world, name, request).status == 200  # twice, as they do
        process(self.context(), Counts())

    def round(self, late: bool = False) -> int:
        """Webhooks heard, and every sync run once; how many writes that made."""
        before = self.writes
        if self.hooked:
            self.hear(late)
        for sync in self.syncs.values():
            self.run(sync)
        if self.hooked:
            self.hear(late)
        return self.writes - before

    def run(self, sync: Sync) -> Run:
        """One sync, once."""
        ctx = self.context()
        streams = sync.streams if self.reads else ()
        done = run_sync(ctx, Sync(sync.name, "", None, streams, sync.routes, BLANK))
        assert done.stopped == []
        return done

    @property
    def writes(self) -> int:
        """Everything that the systems were told to write."""
        return sum(len(system.log) for system in self.world.systems.values())

    def settle(self) -> None:
        """Until nothing is written any more."""
        assert any(self.round() == 0 for _ in range(6)), "never quiet"

    def shown(self) -> dict[str, tuple[str | None, ...]]:
        """The one person, as each system holds them."""
        found = {}
        for name, resource in (("shop", "customers"), ("crm", "contacts"), ("help", "users")):
            for held in self.world.systems[name].all(resource):
                found[name] = tuple(held.get(each) for each in FIELDS[name])
        return found


def _sync(name: str, streams: list[str], targets: list[str]) -> Sync:
    read = tuple(Stream(*each.split(".")) for each in streams)
    return Sync(name, "", None, read, tuple(route("contact", to) for to in targets), BLANK)


RINGS: dict[str, tuple[list[Sync], bool, bool]] = {  # syncs, webhooks, scheduled reads
    "A to B, B to A, reads": ([_sync("ab", [A], [B]), _sync("ba", [B], [A])], False, True),
    "A to B to C to A, both": ([_sync("ab", [A], [B]), _sync("bc", [B], [C]), _sync("ca", [C], [A])], True, True),
    "all to all, webhooks": ([_sync("all", [A, B, C], [A, B, C])], True, False),
}


@pytest.fixture(params=list(RINGS))
def ring(world: World, request: pytest.FixtureRequest) -> Ring:
    """Ann, everywhere, and quiet."""
    syncs, hooked, reads = RINGS[request.param]
    made = Ring(world, {sync.name: sync for sync in syncs}, hooked, reads)
    world.crm.normalise, world.help.normalise, world.shop.normalise = tidy, telephone, cut
    made.listen()
    title = "Vice president of sales"
    world.shop.put(
        "customers", "1", email=" Ann@Acme.io", first="Ann ", last="Archer", phone="+12065550123", title=title
    )
    made.settle()
    assert len(world.golden()) == 1
    return made


def _systems(ring: Ring) -> int:
    return len({str(target) for sync in ring.syncs.values() for target in sync.targets})


def _edit(ring: Ring, system: str, **values: str) -> None:
    resource = {"shop": "customers", "crm": "contacts", "help": "users"}[system]
    (held,) = ring.world.systems[system].all(resource)
    ring.world.systems[system].put(resource, held["id"], **values)


EDITS = {
    "shop": {"first": "  Anna", "last": "archer", "phone": "+1 206 555 0199", "title": "Director of everything"},
    "crm": {"firstname": " Hannah ", "lastname": "Baker", "phone": "+12065550177", "jobtitle": "Chair of the board"},
    "help": {"first": "Anne", "last": "Charles", "phone": "+12065550155", "role": "Founder and owner"},
}


@pytest.mark.parametrize("who", ["shop", "crm", "help"])
def test_one_edit_makes_no_more_writes_than_there_are_systems_and_is_quiet_in_two_rounds(ring: Ring, who: str) -> None:
    if not ring.world.systems[who].log and who != "shop":
        pytest.skip("not in this ring")
    first = FIELDS[who][0]
    for field_name, value in EDITS[who].items():
        before = ring.writes
        _edit(ring, who, **{field_name: value})
        ring.round()
        ring.round()
        assert ring.writes - before <= _systems(ring), field_name
        assert ring.round() == 0, field_name
    held = {name.strip() for name, *_ in ring.shown().values() if name}
    assert held == {EDITS[who][first].strip()}
    assert len(ring.world.golden()) == 1


def test_edits_in_turn_are_all_kept(ring: Ring) -> None:
    """A, B, A: each edit is the newest when it is made."""
    said = [
        ("shop", "first", "One"),
        ("crm", "firstname", "Two"),
        ("shop", "first", "One"),
        ("crm", "firstname", "Ann"),
    ]
    for who, name, value in said:
        _edit(ring, who, **{name: value})
        ring.round()
        ring.round()
        assert {shown[0] for shown in ring.shown().values()} == {value}


def test_what_a_system_makes_of_our_value_is_evidence_of_nothing(ring: Ring) -> None:
    """The shop cut the title it was given, the help desk shouts: neither came back."""
    _edit(ring, "crm", jobtitle="Chair of the whole board", lastname="Baker")
    ring.settle()
    (golden,) = ring.world.golden()
    assert (golden["job_title"], golden["last_name"]) == ("Chair of the whole board", "Baker")
    assert ring.shown()["shop"][2] == "Chair of"


def test_edits_at_two_systems_at_once_end_with_one_of_them_everywhere(ring: Ring) -> None:
    """With the newest, where it is known before the other is written: one sync reads both, or webhooks tell."""
    _edit(ring, "shop", first="One")
    _edit(ring, "crm", firstname="Two")
    ring.settle()
    left = {str(shown[0]) for shown in ring.shown().values()}
    assert len(left) == 1
    assert left == {"Two"} or not ring.hooked


def test_webhooks_that_come_late_and_turned_round_change_nothing(ring: Ring) -> None:
    before = ring.writes
    _edit(ring, "crm", firstname="Two")
    _edit(ring, "crm", firstname="Three")
    for _ in range(3):
        ring.round(late=True)
    assert ring.writes - before <= 2 * _systems(ring)
    assert {str(shown[0]) for shown in ring.shown().values()} == {"Three"}
    ring.settle()


def test_a_read_begun_before_our_write_and_landed_after_it_is_no_edit(ring: Ring) -> None:
    """While the CRM is being read, another worker writes to it: the pages on their way show it as it was."""
    crm = ring.world.crm
    _edit(ring, "crm", phone="+12065550144")  # something that the read will show
    ring.posted.clear()
    read = crm.read

    def slow(resource: str, since: Any, **options: Any) -> Iterator[Any]:
        pages = list(read(resource, since, **options))
        crm.read = read  # type: ignore[method-assign]
        _edit(ring, "shop", title="Boss")
        only = _sync("other", [A], [B])
        pins = Pins(WORDS, ring.world.mappings, RULES, {**ring.syncs, "other": only})
        assert run_sync(Context(ring.world.store, pins, ring.world), only).counts.outbound.applied == 1
        yield from pages

    crm.read = slow  # type: ignore[method-assign]
    reads = next(each for each in ring.syncs.values() if Stream("crm", "contacts") in each.streams)
    run_sync(ring.context(), reads)
    ring.settle()
    assert ring.world.golden()[0]["job_title"] == "Boss"
    assert ring.shown()["crm"][2] == "Boss"
    assert ring.world.golden()[0]["phone"] == "+12065550144"


def test_a_lost_answer_in_a_ring_is_no_edit(ring: Ring) -> None:
    crm = ring.world.crm
    lost = [1]

    def lose(_resource: str, _batch: Any) -> None:
        if lost and lost.pop():
            raise Unknown("reset")

    crm.after_write = lose
    before = ring.writes
    _edit(ring, "shop", last="  Dorset ", title="Boss")
    for _ in range(4):
        ring.round()
        ring.world.clock.at += 30_000_000
    ring.settle()
    assert not lost
    assert ring.writes - before <= _systems(ring) + 1, "the lost one is sent again"
    assert {str(shown[1]).strip().lower() for shown in ring.shown().values()} == {"dorset"}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["settle.before_commit", "land.before_commit", "claim.committed"])
def test_a_kill_in_a_ring_starts_no_echo(ring: Ring, point: str) -> None:
    def strike(name: str) -> None:
        if name == point:
            raise Killed

    before = ring.writes
    _edit(ring, "crm", firstname="Two", jobtitle="Chair of the board")
    failpoints.install(strike)
    try:
        ring.round()
    except Killed:
        pass
    finally:
        failpoints.install(None)
    ring.world.clock.at += 120_000_000
    for _ in range(3):
        ring.round()
        ring.world.clock.at += 30_000_000
    ring.settle()
    assert ring.writes - before <= _systems(ring) + 1
    assert {str(shown[0]) for shown in ring.shown().values()} == {"Two"}
