"""Ground for the tests of mappings: our own dictionary and mappings, and mappings written in a test."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import dictionary
import mappings
from dictionary import Dictionary
from kernel.documents import parse
from kernel.records import SourceRecord
from mappings.drawn import Drawn
from mappings.loading import Mappings, from_documents

ROOT = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def our_dictionary() -> Dictionary:
    """The dictionary of the project."""
    return dictionary.load(ROOT / "dictionary")


@lru_cache(maxsize=1)
def our_mappings() -> Mappings:
    """The mappings of the project."""
    return mappings.load(ROOT / "mappings", our_dictionary())


def ours(resource: str) -> mappings.Mapping:
    """One mapping of the project."""
    found = our_mappings().get(resource)
    assert found is not None
    return found


def written(text: str, *, file: str = "", known: Any = None) -> mappings.Mapping:
    """A mapping written in a test."""
    document = parse(text, file=file)
    found = from_documents([document], our_dictionary(), known_resources=known)
    return next(iter(found))


def fields(body: str, *, entity: str = "contact", head: str = "") -> mappings.Mapping:
    """A mapping of one part `p` with the given fields, each on a line."""
    inner = "\n".join(f"      {line}" for line in body.strip().splitlines())
    return written(f"resource: crm.things\n{head}\nproduces:\n  p:\n    entity: {entity}\n    fields:\n{inner}\n")


def draw(mapping: mappings.Mapping, raw: dict[str, Any]) -> Drawn:
    """What one raw record gives."""
    return mapping.draw([SourceRecord("1", raw)], connection="crm_eu")[0]


def data(mapping: mappings.Mapping, raw: dict[str, Any]) -> dict[str, Any]:
    """The data of the only part of a record that must be drawn."""
    drawn = draw(mapping, raw)
    assert drawn.error is None, drawn.error
    assert len(drawn.parts) == 1
    return drawn.parts[0].data
