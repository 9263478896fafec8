"""Our mappings against what the connectors declare: resources exist, nothing read-only is written, references are known."""

from __future__ import annotations

import pytest

import mappings
from connectors import find_connectors
from connectors.base import Connector
from tests.mappings.ground import ROOT, our_dictionary, our_mappings

CONNECTORS = find_connectors()


def test_every_resource_exists_in_its_connector() -> None:
    known = {system: tuple(cls.resources) for system, cls in CONNECTORS.items()}
    missing = {mapping.resource.partition(".")[0] for mapping in our_mappings()} - set(known)
    mappings.load(ROOT / "mappings", our_dictionary(), known_resources=known | dict.fromkeys(missing, ()))


@pytest.mark.parametrize("system", sorted(CONNECTORS))
def test_targets_write_what_their_connector_can(system: str) -> None:
    cls: type[Connector] = CONNECTORS[system]
    for name, resource in cls.resources.items():
        mapping = our_mappings().get(f"{system}.{name}")
        if mapping is None or resource.write is None:
            continue
        for entity in mapping.parts.values():
            part = mapping.target_part(entity.name)
            if part is None:
                continue
            written = {vendor.partition(".")[0] for vendor in part.canonical_fields} | set(part.canonical_fields)
            assert written & resource.write.read_only == set(), f"{mapping.resource} {entity.name}"
            assert resource.write.ext_field not in written
            assert set(part.references.values()) <= set(resource.write.references), f"{mapping.resource} {entity.name}"
