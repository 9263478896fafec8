"""Checks and what they say: a check is a function of the ground and a resource that raises Unmet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.conformance.ground import Ground

Run = Callable[["Ground", str], None]


class Unmet(AssertionError):
    """A connector does not do what it must, or not what it says."""


class NotHere(Exception):  # noqa: N818 - no error: the check has nothing to look at
    """A check has nothing to look at; the text says why."""


def expect(met: object, told: str) -> None:
    """Raise Unmet, saying what is wrong, unless `met`."""
    if not met:
        raise Unmet(told)


def only_where(there: object, why_not: str) -> None:
    """Leave a check that has nothing to look at, saying why."""
    if not there:
        raise NotHere(why_not)


def same(found: Any, wanted: Any, told: str) -> None:
    """Raise Unmet unless two sets or values are equal; the difference is told by counts and at most three names."""
    if found == wanted:
        return
    if isinstance(found, (set, frozenset)) and isinstance(wanted, (set, frozenset)):
        parts = [
            f"{len(apart)} {word} ({', '.join(sorted(map(str, apart))[:3])})" for word, apart in _apart(found, wanted)
        ]
        raise Unmet(f"{told}: {'; '.join(parts)}")
    raise Unmet(f"{told}: {_short(found)}, not {_short(wanted)}")


def _apart(found: Any, wanted: Any) -> list[tuple[str, set[Any]]]:
    return [(word, apart) for word, apart in (("missing", wanted - found), ("too many", found - wanted)) if apart]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}…"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is checked. `per`: once per "system", or per "readable", "writable" or "mapped" resource."""

    name: str  # group.what
    about: str
    per: str
    run: Run

    @property
    def group(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


CHECKS: dict[str, Check] = {}
"""Every check, in the order of the groups."""


def check(name: str, per: str = "system") -> Callable[[Run], Run]:
    """Make a function a check; its docstring says what is checked."""

    def register(run: Run) -> Run:
        assert name not in CHECKS, f"{name} stands twice"
        CHECKS[name] = Check(name, " ".join((run.__doc__ or "").split()), per, run)
        return run

    return register


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one resource of one system; no resource: of the system as a whole."""

    system: str
    check: str
    resource: str = ""

    def __str__(self) -> str:
        return f"{self.check}[{self.resource}]" if self.resource else self.check


STATES = ("passed", "failed", "not here")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case: one of STATES; `told` says why."""

    case: Case
    state: str
    told: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """Every result of one system."""

    system: str
    results: Sequence[Result]

    def count(self, state: str) -> int:
        """How many ended so."""
        return sum(result.state == state for result in self.results)

    @property
    def ok(self) -> bool:
        """Nothing failed, and something was checked."""
        return not self.count("failed") and bool(self.count("passed"))
