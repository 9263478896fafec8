"""A vendor that helps in no way: every create makes another object, and only a search that trails can tell. Write class D."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from connectors.register import Register, cards

from connectors.base import Resource, WriteClass


class Shelf(Register):
    """One account of the shelf."""

    system: ClassVar[str] = "shelf"
    resources: ClassVar[Mapping[str, Resource]] = cards(WriteClass.SEARCH_FIRST)
