"""What a run works with: the store, the revisions it is pinned to, and its open connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from connectors.base import Connector, Resource
from dedup import Rules
from dictionary import Dictionary
from journey.syncs import Stream, Sync
from kernel.errors import BadSetting, Stop
from kernel.ids import new_id
from kernel.store import Store
from mappings import Mapping as ResourceMapping
from mappings import Mappings


class Connections(Protocol):
    """Opens the connections of connections.yaml, once each."""

    def open(self, name: str) -> Connector:
        """The connector of a connection; BadSetting names the connections there are."""

    def system(self, name: str) -> str:
        """The system of a connection, without opening it."""


@dataclass(frozen=True)
class Pins:
    """The activated revisions a run works with from its start to its end."""

    dictionary: Dictionary
    mappings: Mappings
    rules: Rules
    syncs: Mapping[str, Sync]
    revisions: Mapping[str, str] = field(default_factory=dict)  # path -> content hash

    @cached_property
    def routed(self) -> Mapping[str, list[str]]:
        """By entity: the syncs that send it somewhere."""
        found: dict[str, list[str]] = {}
        for sync in self.syncs.values():
            for entity in dict.fromkeys(route.entity for route in sync.routes):
                found.setdefault(entity, []).append(sync.name)
        return found

    @cached_property
    def enriching(self) -> set[tuple[str, str]]:
        """Every (mapping, part) that only adds to golden records: such a part alone keeps none alive."""
        return {(mapping.resource, part) for mapping in self.mappings for part in mapping.enriching}

    @cached_property
    def targets(self) -> set[tuple[str, str]]:
        """Every (connection, resource) that some sync writes."""
        return {(route.connection, route.resource) for sync in self.syncs.values() for route in sync.routes}

    def written_entity(self, connection: str, resource: str) -> str:
        """The one entity that some sync writes there."""
        return next(
            r.entity
            for s in self.syncs.values()
            for r in s.routes
            if (r.connection, r.resource) == (connection, resource)
        )

    @cached_property
    def streams(self) -> set[tuple[str, str]]:
        """Every (connection, resource) that some sync reads."""
        return {(stream.connection, stream.resource) for sync in self.syncs.values() for stream in sync.streams}


@dataclass(slots=True)
class Context:
    """One run's surroundings."""

    store: Store
    pins: Pins
    connections: Connections
    run_id: str = field(default_factory=new_id)

    def mapping(self, connection: str, resource: str) -> ResourceMapping:
        """The active mapping of a connection's resource."""
        name = f"{self.connections.system(connection)}.{resource}"
        found = self.pins.mappings.get(name)
        if found is None:
            system = name.partition(".")[0]
            mapped = sorted(
                each.resource.partition(".")[2] for each in self.pins.mappings if each.resource.startswith(f"{system}.")
            )
            raise Stop(
                f"no active mapping for {name}; of {system} there are: {', '.join(mapped) or 'none'}",
                cause="no_mapping",
            )
        return found

    def founds(self, connection: str, resource: str, part: str) -> bool:
        """Whether a part of a resource's records makes golden records, and does not only add to them."""
        enriching = self.pins.enriching
        return not enriching or (f"{self.connections.system(connection)}.{resource}", part) not in enriching

    def declared(self, connection: str, resource: str) -> Resource:
        """What the connector declares of a resource."""
        connector = self.connections.open(connection)
        found = connector.resources.get(resource)
        if found is None:
            names = ", ".join(sorted(connector.resources))
            raise BadSetting(f"{connector.system} ({connection}) has no resource '{resource}'; it has: {names}")
        return found

    def asks(self, connection: str, resource: str) -> bool:
        """Whether what became of a lost write there is found out by asking."""
        spec = self.declared(connection, resource).write
        return spec is not None and spec.write_class.asks


def parse_stream(text: str) -> Stream:
    """`connection.resource` as a stream."""
    connection, _, resource = text.partition(".")
    if not connection or not resource:
        raise BadSetting(f"'{text}' is not a stream; write connection.resource")
    return Stream(connection, resource)


def names(streams: Iterable[Stream]) -> str:
    """Streams for a message."""
    return ", ".join(f"{stream.connection}.{stream.resource}" for stream in streams)
