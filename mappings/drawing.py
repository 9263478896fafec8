"""Draws entities out of vendor records by compiled plans. Nothing here reads a document or interprets a path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Any, Literal

from dictionary.entity import Entity, Problem
from dictionary.values import moment_of
from kernel.clock import instant
from kernel.errors import Park
from kernel.records import Json, SourceRecord
from mappings.drawn import Drawn, Part, Ref, Warn
from mappings.paths import ABSENT, Extractor
from mappings.predicates import Predicate
from mappings.steps import Apply, Read, Unfit
from mappings.targets import TargetPart

Report = Callable[[str, Unfit], None]
"""Told of a value inside an embedded object that was left out."""

DrawField = Callable[[Any, Json, Report], Any]
"""Draws one field from (element, record); answers None or ABSENT too, and raises Unfit."""

LONGEST_DRAFT = 128


class Crash(Exception):
    """A transform failed in a way nobody foresaw."""

    def __init__(self, field: str, error: Exception) -> None:
        """`error` is only named by its type: its message may hold a value."""
        super().__init__(field)
        self.field, self.kind = field, type(error).__name__


@dataclass(frozen=True, slots=True)
class RefPlan:
    """How one reference is drawn."""

    field: str
    entity: str
    kind: Literal["object", "identifier"]
    name: str  # resource or identifier field
    draw: DrawField


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How one part is drawn. `plain` are (field, slot, convert, fallback); everything unusual is in `other`."""

    name: str
    entity: Entity
    resource: str
    when: Predicate | None
    each: Read | None
    key: Read | None
    constants: Map[str, Any]
    extract: Extractor
    plain: Sequence[tuple[str, int, Apply, Any]]
    other: Sequence[tuple[str, DrawField, Any]]
    refs: Sequence[RefPlan]
    create: bool = True
    golden: Read | None = None

    def draw(self, root: Json, drawn: Drawn) -> None:
        """Add this part, or these parts, of a record to `drawn`. Raises Park for the record, and Crash."""
        if self.each is None:
            if self.when is None or self.when(root, root):
                self._draw(root, root, self._named(root) if self.golden else "", drawn)
            return
        elements = self.each(root, root)
        seen: set[str] = set()
        for element in elements if isinstance(elements, list) else ():
            if self.when is not None and not self.when(element, root):
                continue
            key = self.key(element, root) if self.key else None
            if not isinstance(key, str | int) or isinstance(key, bool) or str(key) in seen:
                raise _park(self.name, Problem("", "needs a key that tells each element apart"))
            seen.add(str(key))
            self._draw(element, root, str(key), drawn)

    def _named(self, root: Json) -> str:
        """The golden record that the record names."""
        told = self.golden(root, root) if self.golden else None
        if not isinstance(told, str) or not told:
            raise _park(self.name, Problem("", "names no golden record"))
        return told

    def _draw(self, node: Any, root: Json, key: str, drawn: Drawn) -> None:
        data = dict(self.constants)
        problems: list[Problem] = []
        values = self.extract(node, root)
        for name, slot, convert, fallback in self.plain:
            value = values[slot]
            if value is not None and value is not ABSENT:
                try:
                    value = convert(value)
                except Unfit as unfit:
                    problems.append(Problem(name, unfit.rule, unfit.allowed))
                    continue
                except Exception as error:
                    raise Crash(f"{self.name}.{name}", error) from None
            if value is None or value is ABSENT:
                if fallback is not ABSENT:
                    data[name] = fallback
                elif value is None:
                    data[name] = None
            else:
                data[name] = value
        if self.other:
            self._draw_other(node, root, data, problems)
        refs = self._draw_refs(node, root, problems) if self.refs else {}
        # What a golden record must have, the record that it is added to has.
        clean, found = self.entity.validate(data, refs if self.create else (*refs, *self.entity.required))
        if problems or found:
            judged = [self.entity.judge(problem, clean) for problem in problems]
            self._settle([*judged, *found], data, drawn)
        drawn.parts.append(
            Part(self.name, key, self.entity.name, clean, refs, self.create, key if self.golden is not None else "")
        )

    def _draw_other(self, node: Any, root: Json, data: Json, problems: list[Problem]) -> None:
        for name, draw, fallback in self.other:
            try:
                value = draw(node, root, _reporter(name, problems))
            except Unfit as unfit:
                problems.append(Problem(name, unfit.rule, unfit.allowed))
                continue
            except Exception as error:
                raise Crash(f"{self.name}.{name}", error) from None
            if (value is None or value is ABSENT) and fallback is not ABSENT:
                value = fallback
            if value is not ABSENT:
                data[name] = value

    def _draw_refs(self, node: Any, root: Json, problems: list[Problem]) -> dict[str, Ref]:
        refs: dict[str, Ref] = {}
        for plan in self.refs:
            try:
                value = plan.draw(node, root, _reporter(plan.field, problems))
            except Unfit as unfit:
                problems.append(Problem(plan.field, unfit.rule, unfit.allowed))
                continue
            except Exception as error:
                raise Crash(f"{self.name}.{plan.field}", error) from None
            if value is not None and value is not ABSENT and value != "":
                refs[plan.field] = Ref(plan.entity, plan.kind, plan.name, str(value))
        return refs

    def _settle(self, problems: Sequence[Problem], data: Json, drawn: Drawn) -> None:
        """Warnings for what was left out; raises Park when something was fatal."""
        for problem in problems:
            change = self._draft(problem, data)
            if not problem.fatal or change:
                drawn.warnings.append(Warn(f"{self.name}.{problem.field}", problem.rule, problem.allowed, change))
        for problem in problems:
            if problem.fatal:
                raise _park(self.name, problem)

    def _draft(self, problem: Problem, data: Json) -> Map[str, str] | None:
        value = data.get(problem.field)
        if problem.cause != "unknown_value" or not isinstance(value, str) or not 0 < len(value) <= LONGEST_DRAFT:
            return None
        return {"entity": self.entity.name, "field": problem.field, "value": value, "resource": self.resource}


def _reporter(name: str, problems: list[Problem]) -> Report:
    def report(field: str, unfit: Unfit) -> None:
        problems.append(Problem(f"{name}.{field}", unfit.rule, unfit.allowed))

    return report


def _park(part: str, problem: Problem) -> Park:
    field = f"{part}.{problem.field}" if problem.field else part
    return Park(f"{field} {problem.rule}", allowed=problem.allowed, cause=problem.cause, field=field)


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a generic source's records have their id and time."""

    id: Read
    updated_at: DrawField | None


@dataclass(frozen=True, slots=True)
class ParkRule:
    """Records that are parked before anything is drawn."""

    when: Predicate

    def park(self, raw: Json) -> Park | None:
        """The error of a record that the rule holds back."""
        return Park("held back by the mapping's `park` rule", cause="needs_person") if self.when(raw, raw) else None


class Mapping:
    """A compiled mapping of one resource. Immutable and free of state: threads may share it."""

    def __init__(
        self,
        resource: str,
        revision: str,
        plans: Sequence[PartPlan],
        targets: Map[str, TargetPart],
        *,
        when: Predicate | None = None,
        rule: str = "",
        identity: Identity | None = None,
        park: ParkRule | None = None,
        sources: frozenset[str] = frozenset(),
        decisive: frozenset[str] = frozenset(),
    ) -> None:
        """Made by `mappings.load`. `sources`: the paths it reads (`[]`: every element of a list); `decisive`: those it decides by."""
        self.resource, self.revision = resource, revision
        self.sources, self.decisive = sources, decisive
        self.parts: Map[str, Entity] = {plan.name: plan.entity for plan in plans}
        self.enriching = frozenset(plan.name for plan in plans if not plan.create)
        self._plans, self._targets = tuple(plans), targets
        self._when, self._rule, self._identity, self._park = when, rule, identity, park

    def draw(self, records: Sequence[SourceRecord], *, connection: str) -> list[Drawn]:
        """What each record gives, in order. Never raises for a record; a tombstone gives nothing at all."""
        return [self._draw(record) for record in records]

    def _draw(self, record: SourceRecord) -> Drawn:
        drawn = Drawn()
        if record.deleted:
            return drawn
        raw = record.raw
        try:
            if self._park is not None and (held := self._park.park(raw)) is not None:
                raise held
            if self._when is not None and not self._when(raw, raw):
                drawn.filtered = self._rule
                return drawn
            for plan in self._plans:
                plan.draw(raw, drawn)
        except Park as error:
            drawn.parts, drawn.error = [], error
        except Crash as crash:
            message = f"{crash.field}: a transform failed ({crash.kind})"
            drawn.parts, drawn.error = [], Park(message, cause="transform_crashed", field=crash.field)
        except Exception as error:
            message = f"the mapping failed ({type(error).__name__})"
            drawn.parts, drawn.error = [], Park(message, cause="transform_crashed")
        else:
            if not drawn.parts:
                drawn.filtered = "no part of the mapping fits"
        return drawn

    @property
    def identifies(self) -> bool:
        """Whether it states where a record's id is: of generic sources."""
        return self._identity is not None

    def identify(self, raw: Json) -> tuple[str, int | None] | None:
        """(id, instant of the version) as the mapping declares them; None where it does not or the id is missing."""
        if self._identity is None:
            return None
        found = self._identity.id(raw, raw)
        if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
            return None
        return str(found).strip(), self._time(raw)

    def _time(self, raw: Json) -> int | None:
        if self._identity is None or self._identity.updated_at is None:
            return None
        try:
            told = self._identity.updated_at(raw, raw, lambda field, unfit: None)
            return instant(moment_of(told)) if isinstance(told, str) else None
        except ValueError:
            return None

    def target_part(self, entity: str) -> TargetPart | None:
        """The one part used when writing that entity to this resource; None when the mapping writes none."""
        return self._targets.get(entity)
