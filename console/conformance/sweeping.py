"""Sweeps, end to end: the engine reads the connector into an empty store, and knows what is gone and what is not."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select

import dedup
import dictionary
from connectors.base import Connector, Deletes
from console.conformance.checks import check, expect, only_where, same
from console.conformance.ground import Ground
from journey.context import Context, Pins
from journey.counts import Counts
from journey.inbound import reading
from journey.syncs import Stream
from kernel import documents
from kernel.settings import Settings
from kernel.store import Store, open_store, sqlite_url
from kernel.store.tables import object_
from kernel.vault import Vault
from mappings import loading


@check("sweep.deletes", per="readable")
def deletes(g: Ground, resource: str) -> None:
    """What a complete read no longer shows is deleted in the hub, at once, once, and nothing else; what is back lives again."""
    only_where(g.resources[resource].deletes is Deletes.SWEEP, "no sweep declared")
    connector, made = g.ready(), g.make(resource, 4)
    there = g.there(resource)
    expect(not connector.holds_back(resource), "a complete read of a good account is said to hold something back")
    with TemporaryDirectory(prefix="throughline-kit-") as folder:
        hub = Hub(g, connector, resource, Path(folder))
        try:
            g.quiet(resource)
            hub.read()
            same(hub.objects(deleted=False), {*made} | there, "objects the hub knows")
            g.quiet(resource)
            only_where(g.remove(resource, made[1]), "nobody can delete one")
            more = g.make(resource)
            g.quiet(resource)
            hub.read()
            same(hub.objects(deleted=True), {made[1]}, "objects that the hub takes for deleted")
            same(
                hub.objects(deleted=False),
                ({*made, *more} | there) - {made[1]},
                "objects that the hub takes for living",
            )
            same(hub.counts.inbound.landed, 1, "deletions landed")
        finally:
            hub.store.close()


class Hub:
    """An engine with one stream and nothing else; nothing is drawn from its records."""

    def __init__(self, g: Ground, connector: Connector, resource: str, folder: Path) -> None:
        """`folder`: of its store."""
        self._g, self._connector, self.counts = g, connector, Counts()
        self.store: Store = open_store(sqlite_url(folder / "store.db"), Vault([secrets.token_bytes(32)]), g.clock)
        self._stream = Stream("here", resource)
        words, rules = _words(Settings.from_environment().config)
        nothing = f"resource: {g.system}.{resource}\nproduces: {{never: {{entity: contact, when: {_NEVER}}}}}\n"
        drawn = loading.from_documents([documents.parse(nothing, file=f"{g.system}/{resource}.yaml")], words)
        self._context = Context(self.store, Pins(words, drawn, rules, {}), self)

    def open(self, name: str) -> Connector:
        """The one connection there is."""
        return self._connector

    def system(self, name: str) -> str:
        """Its system."""
        return self._g.system

    def read(self) -> None:
        """Read the stream from zero to its end."""
        reading.read_stream(self._context, self._stream, self.counts, whole=True)
        self.counts.check()

    def objects(self, *, deleted: bool) -> set[str]:
        """The vendor ids of what it takes for deleted, or for living."""
        with self.store.read() as conn:
            query = select(object_.c.vendor_id).where(object_.c.deleted == int(deleted))
            return set(conn.execute(query).scalars())


_NEVER = "{path: no_such_field, is: present}"


@lru_cache(maxsize=4)
def _words(config: Path) -> tuple[dictionary.Dictionary, dedup.Rules]:
    words = dictionary.load(config / "dictionary/entities")
    return words, dedup.load_rules(config / "dedup/rules", words)
