"""From stewards' folders to what a run is pinned to: everything is loaded and checked together before it may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import dedup
import dictionary
import mappings
from connectors import connector_for, find_connectors
from connectors.base import Connector, Resource
from journey.context import Pins
from journey.syncs import Sync, load_syncs
from kernel import documents, revisions
from kernel.documents import Document
from kernel.errors import BadDocument, Stop
from kernel.revisions import Difference
from kernel.settings import ConnectionSettings
from kernel.store import Store


def check(folder: Path, connections: Mapping[str, ConnectionSettings]) -> Pins:
    """Load every document below a folder and hold it against what the connectors can do; all that is wrong is told at once."""
    found = load(folder, connections, known=known_resources(folder))
    _check_writes(found.syncs, connections)
    return found


def known_resources(folder: Path) -> dict[str, tuple[str, ...]]:
    """By system, the resources its connector declares; one that has them from its connection (files) has those that are mapped."""
    return {
        system: tuple(cls.resources)
        or tuple(path.stem for path in sorted((folder / "mappings" / system).glob("*.yaml")))
        for system, cls in find_connectors().items()
    }


def load(
    folder: Path,
    connections: Mapping[str, ConnectionSettings],
    *,
    known: Mapping[str, Sequence[str]] | None = None,
    hashes: Mapping[str, str] | None = None,
) -> Pins:
    """Load every document below a folder. `known` (system -> resources) is left out where they were checked before."""
    words = dictionary.load(folder / "dictionary/entities")
    found = mappings.load(folder / "mappings", words, known_resources=known)
    rules = dedup.load_rules(folder / "dedup/rules", words)
    systems = {name: settings.system for name, settings in connections.items()}
    syncs = load_syncs(folder / "flows/syncs", words, found, systems)
    return Pins(words, found, rules, syncs, dict(hashes or {}))


def activate(store: Store, config: Path, connections: Mapping[str, ConnectionSettings], by: str) -> Difference:
    """Check the documents of the configuration folder and make them the active revisions."""
    check(config, connections)
    return revisions.activate(store, config, by)


def pins(store: Store, home: Path, connections: Mapping[str, ConnectionSettings]) -> Pins:
    """The active revisions, loaded; what a run works with to its end."""
    folder, hashes = revisions.checkout(store, home)
    if not hashes:
        raise Stop("nothing is active yet; run: throughline activate", cause="nothing_active")
    return load(folder, connections, hashes=hashes)


def _check_writes(syncs: Mapping[str, Sync], connections: Mapping[str, ConnectionSettings]) -> None:
    """A route must lead to a resource that its connector can write, with the policies it can carry out."""
    errors: list[BadDocument] = []
    for sync in syncs.values():
        for n, route in enumerate(sync.routes):
            connection = connections[route.connection]
            connector = connector_for(connection.system)
            errors += _route_faults(
                sync.document,
                n,
                connector.system,
                _promised(connector, connection),
                route.resource,
                [route.on_source_delete, route.on_filter_exit, route.on_last_member_gone],
            )
    if errors:
        raise documents.gather(errors)


def _promised(connector: type[Connector], connection: ConnectionSettings) -> Mapping[str, Resource]:
    try:
        return connector.promised(connection.written)
    except ValueError:  # opening the connection will say what is wrong
        return {}


def _route_faults(
    document: Document, n: int, system: str, resources: Mapping[str, Resource], resource: str, policies: list[str]
) -> list[BadDocument]:
    declared = resources.get(resource)
    if declared is None or declared.write is None:
        writable = sorted(name for name, each in resources.items() if each.write is not None)
        return [document.error(("routes", n, "to"), f"{system} cannot write this", value=resource, allowed=writable)]
    actions = {str(action) for action in declared.write.actions}
    return [
        document.error(
            ("routes", n),
            f"{system} cannot {policy} its {resource}",
            allowed=sorted({"keep", "clear"} | actions - {"upsert"}),
        )
        for policy in dict.fromkeys(policies)
        if policy not in ("keep", "clear") and policy not in actions
    ]
