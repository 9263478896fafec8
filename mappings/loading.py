"""Reads mappings/<system>/<resource>.yaml into compiled mappings, refusing everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from pathlib import Path

from dictionary import Dictionary, Field
from kernel.documents import Document, gather, read_folder
from kernel.errors import BadDocument
from kernel.ids import content_hash
from mappings.compiling import Checker
from mappings.document import Example, FieldSpec, MappingDocument, decisive_of, sources_of
from mappings.drawing import Identity, Mapping, ParkRule, PartPlan
from mappings.parts import PartCompiler
from mappings.paths import scoped
from mappings.predicates import describe
from mappings.targets import TargetPart

_TIME = Field(type="datetime", description="When the version was made.", pii="none", since="1.0.0")


class Mappings:
    """Every mapping by resource, and one revision for all of them."""

    def __init__(self, mappings: Map[str, Mapping], examples: Map[str, Sequence[Example]], revision: str) -> None:
        """Made by `load`."""
        self._mappings, self._examples, self.revision = mappings, examples, revision

    def __iter__(self) -> Iterator[Mapping]:
        return iter(self._mappings.values())

    def __contains__(self, resource: object) -> bool:
        return resource in self._mappings

    def get(self, resource: str) -> Mapping | None:
        """The mapping of `<system>.<resource>`; None when nobody wrote one."""
        return self._mappings.get(resource)

    def examples(self, resource: str) -> Sequence[Example]:
        """The examples in a mapping's document."""
        return self._examples.get(resource, ())


def load(
    folder: Path | str, dictionary: Dictionary, *, known_resources: Map[str, Iterable[str]] | None = None
) -> Mappings:
    """Every mapping in a folder. `known_resources`: each system's resources, to refuse unknown ones.

    Raises BadDocument telling all that is wrong.
    """
    return from_documents(read_folder(folder), dictionary, known_resources=known_resources)


def from_documents(
    documents: Iterable[Document], dictionary: Dictionary, *, known_resources: Map[str, Iterable[str]] | None = None
) -> Mappings:
    """The mappings that some documents make. Raises BadDocument telling all that is wrong."""
    known = None if known_resources is None else {name: tuple(found) for name, found in known_resources.items()}
    errors: list[BadDocument] = []
    files: dict[str, str] = {}
    mappings: dict[str, Mapping] = {}
    examples: dict[str, Sequence[Example]] = {}
    for document in documents:
        try:
            spec = document.fit(MappingDocument)
            if spec.resource in files:
                raise document.error(("resource",), f"'{spec.resource}' is also in {files[spec.resource]}")
            files[spec.resource] = document.file
            mappings[spec.resource] = _compile(document, spec, dictionary, known)
            examples[spec.resource] = spec.examples
        except BadDocument as error:
            errors.append(error)
    if errors:
        raise gather(errors)
    revision = content_hash(sorted(mapping.revision for mapping in mappings.values()))
    return Mappings(dict(sorted(mappings.items())), examples, revision)


def _compile(
    document: Document, spec: MappingDocument, dictionary: Dictionary, known: Map[str, Sequence[str]] | None
) -> Mapping:
    system, _, resource = spec.resource.partition(".")
    checker = Checker(document, dictionary, system, resources=known)
    _check_place(checker, system, resource, known)
    if spec.write_root is not None:
        checker.write_root = checker.path(("write_root",), spec.write_root) or ()
    plans: list[PartPlan] = []
    targets: dict[str, tuple[bool, TargetPart]] = {}
    for name, part in spec.produces.items():
        if part.entity not in dictionary.entities:
            where = ("produces", name, "entity")
            allowed = sorted(dictionary.entities)
            checker.fault(where, f"unknown entity '{part.entity}'", value=part.entity, allowed=allowed)
            continue
        compiler = PartCompiler(checker, name, part, dictionary.entity(part.entity), spec.resource)
        plans.append(compiler.compile())
        target = compiler.target()
        if target is not None and (part.target or part.entity not in targets):
            targets[part.entity] = (part.target, target)
    if len(plans) > 1 and not all(plan.create for plan in plans):
        checker.fault(("produces",), "a part with `create: false` is the only one of its mapping")
    identity = _identity(checker, spec)
    when = checker.condition(("when",), spec.when)
    park = _park_rule(checker, spec)
    _check_examples(checker, spec)
    if checker.errors:
        raise gather(checker.errors)
    return Mapping(
        spec.resource,
        document.revision,
        plans,
        {entity: target for entity, (_, target) in targets.items()},
        when=when,
        rule=describe(spec.when) if spec.when else "",
        identity=identity,
        park=park,
        sources=sources_of(spec),
        decisive=decisive_of(spec),
    )


def _check_place(checker: Checker, system: str, resource: str, known: Map[str, Sequence[str]] | None) -> None:
    """The file stands where its resource says, and the resource exists."""
    expected = Path(system) / f"{resource}.yaml"
    if checker.document.file and Path(checker.document.file).parts[-2:] != expected.parts:
        checker.fault(("resource",), f"must stand in {expected.as_posix()}")
    if known is None:
        return
    if system not in known:
        checker.fault(("resource",), f"unknown system '{system}'", value=system, allowed=sorted(known))
    elif (
        known[system] and resource not in known[system]
    ):  # a system without any takes them from its connection's settings
        message = f"{system} has no resource '{resource}'"
        checker.fault(("resource",), message, value=resource, allowed=sorted(known[system]))


def _identity(checker: Checker, spec: MappingDocument) -> Identity | None:
    if spec.id is None:
        if spec.updated_at is not None:
            checker.fault(("updated_at",), "needs `id` beside it")
        return None
    path = checker.path(("id",), spec.id)
    told = spec.updated_at
    if isinstance(told, str):
        if checker.path(("updated_at",), told) is None:
            return None
        told = FieldSpec(path=told)
    draw = checker.drawn(("updated_at",), told, _TIME) if told is not None else None
    return Identity(scoped(path), draw) if path else None


def _park_rule(checker: Checker, spec: MappingDocument) -> ParkRule | None:
    if spec.park is None:
        return None
    when = checker.condition(("park", "when"), spec.park.when)
    return ParkRule(when) if when else None


def _check_examples(checker: Checker, spec: MappingDocument) -> None:
    parts = tuple(spec.produces)
    for place, example in enumerate(spec.examples):
        for section in ("expect", "expect_write"):
            for name in getattr(example, section):
                if name not in parts:
                    where = ("examples", place, section, name)
                    checker.fault(where, f"unknown part '{name}'", value=name, allowed=parts)
