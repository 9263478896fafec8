"""What twins are made of: reads and writes of a connector passed through something that spoils them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Connector
from console.conformance.checks import Case
from kernel.records import Cursor, Page, WriteItem, WriteOutcome

Break = Callable[[Any], None]
Send = Callable[[str, Sequence[WriteItem]], list[WriteOutcome]]


@dataclass(frozen=True, slots=True)
class Twin:
    """A case that must fail when its connector is broken so."""

    case: Case
    about: str
    broken: Break


TWINS: list[Twin] = []


def twin(*cases: str) -> Callable[[Break], Break]:
    """Make a function the twin of cases, each written `check system resource`."""

    def register(broken: Break) -> Break:
        for told in cases:
            check, system, *resource = told.split()
            TWINS.append(Twin(Case(system, check, *resource), broken.__name__.strip("_").replace("_", " "), broken))
        return broken

    return register


def on_pages(
    c: Connector, change: Callable[[str, Cursor | None, Iterator[Page]], Iterator[Page]], **forced: Any
) -> None:
    """Let every read of a connector pass through `change`; `forced` replaces its options."""
    read = c.read

    def broken(resource: str, since: Cursor | None, *, window: tuple[int, int] | None = None) -> Iterator[Page]:
        start = forced.get("since", since)
        yield from change(resource, since, read(resource, start, window=forced.get("window", window)))

    c.read = broken  # type: ignore[method-assign]


def on_writes(c: Connector, change: Callable[[Send, str, Sequence[WriteItem]], list[WriteOutcome]]) -> None:
    """Let every write of a connector pass through `change`."""
    write = c.write
    c.write = lambda resource, batch: change(write, resource, batch)  # type: ignore[method-assign]


def on_each(change: Callable[[WriteItem], WriteItem]) -> Callable[[Send, str, Sequence[WriteItem]], list[WriteOutcome]]:
    """What changes every item on its way."""
    return lambda write, resource, batch: write(resource, [change(item) for item in batch])
