"""Syncs: named sets of streams and routes with a schedule, as ops write them in flows/syncs/*.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dictionary import Dictionary
from journey.limits import Limits, WrittenLimits, WrittenSyncLimits
from kernel import documents
from kernel.documents import Document
from kernel.errors import BadDocument
from kernel.records import Json
from mappings import Mappings, When, compile_when

LeavePolicy = Literal["keep", "archive", "clear", "delete"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One resource of one connection, with one checkpoint."""

    connection: str
    resource: str

    def __str__(self) -> str:
        return f"{self.connection}.{self.resource}"


@dataclass(frozen=True, slots=True)
class Route:
    """An entity on its way to a target resource, and the policies that say what leaves when it stops qualifying."""

    entity: str
    connection: str
    resource: str
    when: Callable[[Json], bool] | None
    on_source_delete: LeavePolicy
    on_filter_exit: LeavePolicy
    on_last_member_gone: LeavePolicy
    on_missing_at_target: Literal["park", "recreate", "detach"]
    requires: frozenset[str]  # reference fields without which nothing is sent
    wait_limit: int  # seconds a delivery may wait for its parent
    limits: Limits = Limits()

    def __str__(self) -> str:
        return f"{self.entity} → {self.connection}.{self.resource}"


@dataclass(frozen=True, slots=True)
class Sync:
    """What one scheduled run does."""

    name: str
    description: str
    schedule: str | None  # cron
    streams: tuple[Stream, ...]
    routes: tuple[Route, ...]
    document: Document  # where it is written
    limits: Limits = Limits()  # of all its routes, where they name no others

    @property
    def targets(self) -> tuple[Stream, ...]:
        """Every target resource it writes, in the order of its routes."""
        return tuple(dict.fromkeys(Stream(route.connection, route.resource) for route in self.routes))


class _Route(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    entity: str
    to: str
    when: When | None = None
    on_source_delete: LeavePolicy = "keep"
    on_filter_exit: LeavePolicy = "keep"
    on_last_member_gone: LeavePolicy = "keep"
    on_missing_at_target: Literal["park", "recreate", "detach"] = "park"
    requires: list[str] = []
    wait_limit: int = Field(default=86_400, gt=0)
    limits: WrittenLimits = WrittenLimits()


class _Sync(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    sync: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str
    schedule: str | None = None
    streams: list[str] = []
    routes: list[_Route] = []
    limits: WrittenSyncLimits = WrittenSyncLimits()


def load_syncs(folder: Path, dictionary: Dictionary, mappings: Mappings, systems: Mapping[str, str]) -> dict[str, Sync]:
    """Every sync of a folder, checked against dictionary, mappings and `systems` (connection -> system)."""
    found: dict[str, Sync] = {}
    errors: list[BadDocument] = []
    for document in documents.read_folder(folder):
        try:
            sync = _compile(document, dictionary, mappings, systems)
            if sync.name in found:
                raise document.error(("sync",), f"another file already names a sync '{sync.name}'")
            found[sync.name] = sync
        except BadDocument as error:
            errors.append(error)
        else:
            errors += _contested(document, sync, found)
    if errors:
        raise documents.gather(errors)
    return found


def parents_first(syncs: Iterable[Sync], dictionary: Dictionary) -> list[Sync]:
    """The order in which syncs run one after the other: what is referred to gets its vendor ids before what refers to it."""
    ranks: dict[str, int] = {}

    def rank(entity: str) -> int:
        if entity not in ranks:
            ranks[entity] = 0  # a circle of references begins somewhere
            ends = set(dictionary.entity(entity).references.values()) - {entity}
            ranks[entity] = 1 + max(map(rank, sorted(ends)), default=0)
        return ranks[entity]

    return sorted(syncs, key=lambda sync: max((rank(route.entity) for route in sync.routes), default=0))


def _contested(document: Document, sync: Sync, found: Mapping[str, Sync]) -> list[BadDocument]:
    """A target resource is written from one entity only: two would overwrite each other's records."""
    written = {
        (r.connection, r.resource): r.entity for other in found.values() for r in other.routes if other is not sync
    }
    errors = []
    for n, route in enumerate(sync.routes):
        entity = written.setdefault((route.connection, route.resource), route.entity)
        if entity != route.entity:
            message = f"{route.connection}.{route.resource} is written from '{entity}' already"
            errors.append(document.error(("routes", n, "to"), message))
    return errors


def _compile(document: Document, dictionary: Dictionary, mappings: Mappings, systems: Mapping[str, str]) -> Sync:
    written = document.fit(_Sync)
    streams = tuple(
        Stream(*_target(document, ("streams", n), text, mappings, systems)) for n, text in enumerate(written.streams)
    )
    limits = written.limits.over(Limits())
    routes = tuple(
        replace(_route(document, n, route, dictionary, mappings, systems), limits=route.limits.over(limits))
        for n, route in enumerate(written.routes)
    )
    return Sync(written.sync, written.description, written.schedule, streams, routes, document, limits)


def _route(
    document: Document, n: int, written: _Route, dictionary: Dictionary, mappings: Mappings, systems: Mapping[str, str]
) -> Route:
    where = ("routes", n)
    if written.entity not in dictionary.entities:
        raise document.error(
            (*where, "entity"), "no such entity", value=written.entity, allowed=sorted(dictionary.entities)
        )
    connection, resource = _target(document, (*where, "to"), written.to, mappings, systems)
    mapping = mappings.get(f"{systems[connection]}.{resource}")
    if mapping is None or mapping.target_part(written.entity) is None:
        raise document.error((*where, "to"), f"its mapping writes no {written.entity}")
    fields = dictionary.entity(written.entity).fields
    for name in written.requires:
        if name not in fields:
            raise document.error((*where, "requires"), "no such field", value=name, allowed=sorted(fields))
    return Route(
        entity=written.entity,
        connection=connection,
        resource=resource,
        when=_condition(written.when),
        on_source_delete=written.on_source_delete,
        on_filter_exit=written.on_filter_exit,
        on_last_member_gone=written.on_last_member_gone,
        on_missing_at_target=written.on_missing_at_target,
        requires=frozenset(written.requires),
        wait_limit=written.wait_limit,
    )


def _condition(when: When | None) -> Callable[[Json], bool] | None:
    if when is None:
        return None
    holds = compile_when(when)
    return lambda data: holds(data, data)


def _target(
    document: Document, where: tuple[Any, ...], text: str, mappings: Mappings, systems: Mapping[str, str]
) -> tuple[str, str]:
    connection, _, resource = text.partition(".")
    if connection not in systems:
        raise document.error(where, "no such connection in connections.yaml", value=connection, allowed=sorted(systems))
    known = [
        mapping.resource.partition(".")[2]
        for mapping in mappings
        if mapping.resource.startswith(f"{systems[connection]}.")
    ]
    if resource not in known:
        raise document.error(
            where, f"no mapping for this resource of {systems[connection]}", value=resource, allowed=sorted(known)
        )
    return connection, resource
