"""What an activation sets in motion: records that a changed route or mapping would write differently are marked for planning.

A changed way *in* is named instead: stored versions are mapped again by a remap, which a person (or a schedule) starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from journey.context import Pins
from journey.interventions.replay import mark_all
from journey.syncs import Sync
from kernel.revisions import Difference
from kernel.store import Store


@dataclass(slots=True)
class Effects:
    """`marked`: golden records to plan, by sync; `remap`: streams whose stored versions may now be read differently."""

    marked: dict[str, int] = field(default_factory=dict)
    remap: list[str] = field(default_factory=list)


def set_in_motion(store: Store, pins: Pins, changes: Difference, systems: Mapping[str, str]) -> Effects:
    """Mark what the changed documents write, and name what they read. `systems`: connection -> system."""
    paths = {*changes.added, *changes.changed}
    effects = Effects()
    for sync in pins.syncs.values():
        for entity in _rewritten(sync, paths, systems):
            if marked := mark_all(store, sync.name, entity, "activation"):
                effects.marked[sync.name] = effects.marked.get(sync.name, 0) + marked
    effects.remap = _reread(pins, {*paths, *changes.removed}, systems) if changes.changed or changes.removed else []
    return effects


def _rewritten(sync: Sync, paths: set[str], systems: Mapping[str, str]) -> list[str]:
    """The entities that a sync now routes or renders differently."""
    whole = any(sync.document.file.endswith(path) for path in paths if path.startswith("flows/syncs/"))
    routed = [r.entity for r in sync.routes if whole or f"mappings/{systems[r.connection]}/{r.resource}.yaml" in paths]
    return list(dict.fromkeys(routed))


def _reread(pins: Pins, paths: set[str], systems: Mapping[str, str]) -> list[str]:
    found = []
    for stream in dict.fromkeys(stream for sync in pins.syncs.values() for stream in sync.streams):
        mapping = pins.mappings.get(f"{systems[stream.connection]}.{stream.resource}")
        entities = {entity.name for entity in mapping.parts.values()} if mapping else set()
        touching = {f"mappings/{systems[stream.connection]}/{stream.resource}.yaml"}
        touching |= {f"dictionary/entities/{entity}.yaml" for entity in entities}
        touching |= {f"dedup/rules/{entity}.yaml" for entity in entities}
        if touching & paths:
            found.append(str(stream))
    return found
