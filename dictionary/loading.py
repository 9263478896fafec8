"""Reads dictionary/entities into a Dictionary, refusing what does not hold together; a soft lint for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dictionary.entity import Entity, EntityDocument, Field
from dictionary.validators import Validator, check_value
from kernel.documents import Document, Where, gather, read_folder
from kernel.errors import BadDocument
from kernel.ids import content_hash


class Dictionary:
    """Every entity, and one revision for all of them."""

    def __init__(self, entities: Mapping[str, Entity], revision: str) -> None:
        """Made by `load`."""
        self.entities = entities
        self.revision = revision

    def entity(self, name: str) -> Entity:
        """An entity by name. Raises BadDocument with the nearest names."""
        if name not in self.entities:
            raise BadDocument(f"unknown entity '{name}'", value=name, allowed=sorted(self.entities))
        return self.entities[name]


def load(folder: Path | str) -> Dictionary:
    """The dictionary in a folder (its `entities/`, or the folder itself). Raises BadDocument for all that is wrong."""
    root = Path(folder)
    entities = root / "entities"
    return from_documents(read_folder(entities if entities.is_dir() else root))


def from_documents(documents: Iterable[Document]) -> Dictionary:
    """The dictionary that some documents make. Raises BadDocument telling all that is wrong."""
    fitted: dict[str, tuple[Document, EntityDocument]] = {}
    errors: list[BadDocument] = []
    for document in documents:
        try:
            entity = document.fit(EntityDocument)
        except BadDocument as error:
            errors.append(error)
            continue
        if entity.entity in fitted:
            other = fitted[entity.entity][0].file
            errors.append(document.error(("entity",), f"'{entity.entity}' is also in {other}"))
        fitted[entity.entity] = (document, entity)
    if errors:
        raise gather(errors)
    for document, entity in fitted.values():
        errors.extend(_faults(document, entity, tuple(fitted)))
    if errors:
        raise gather(errors)
    revision = content_hash(sorted(document.revision for document, _ in fitted.values()))
    compiled = {name: Entity(entity, Validator(entity.fields)) for name, (_, entity) in sorted(fitted.items())}
    return Dictionary(compiled, revision)


def lint(dictionary: Dictionary) -> list[str]:
    """What is allowed but looks like an oversight, one sentence each."""
    found = []
    for entity in dictionary.entities.values():
        if entity.kind == "master" and not any(item.strength == "strong" for item in entity.identifiers.values()):
            found.append(f"{entity.name}: a master without a strong identifier is never matched")
        for name, field in _every(entity.fields):
            where = f"{entity.name}.{name}"
            if field.type in ("email", "phone") and field.pii == "none":
                found.append(f"{where}: a {field.type} field is personal; pii says none")
            if not field.description.rstrip().endswith((".", "?")):
                found.append(f"{where}: the description is not a sentence")
            if field.type == "picklist" and any(meaning is None for meaning in (field.values or {}).values()):
                found.append(f"{where}: a value has no meaning written beside it")
    return found


def _every(fields: Mapping[str, Field], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for name, field in fields.items():
        yield prefix + name, field
        yield from _every(field.fields or {}, f"{prefix}{name}.")


def _faults(document: Document, entity: EntityDocument, entities: tuple[str, ...]) -> Iterator[BadDocument]:
    if Path(document.file).stem not in (entity.entity, ""):
        yield document.error(("entity",), f"'{entity.entity}' must stand in {entity.entity}.yaml")
    for name, field in entity.fields.items():
        where: Where = ("fields", name)
        yield from _type_faults(document, where, field)
        yield from _reference_faults(document, where, field, entities)
        yield from _stage_faults(document, where, field, entity)


def _type_faults(document: Document, where: Where, field: Field) -> Iterator[BadDocument]:
    needs = {"picklist": "values", "reference": "to"}
    for kind, needed in needs.items():
        given = getattr(field, needed) is not None
        if field.type == kind and not given:
            yield document.error(where, f"a {kind} needs `{needed}`")
        elif field.type != kind and given:
            yield document.error((*where, needed), f"only a {kind} has `{needed}`")
    embedded = field.fields is not None or field.key is not None
    if field.type == "list" and (field.items is not None) == embedded:
        yield document.error(where, "a list has either `items` (scalars) or `key` and `fields` (embedded objects)")
    elif field.type != "list" and (field.items or embedded):
        yield document.error(where, "only a list has `items`, `key` or `fields`")
    elif embedded and (field.fields is None or field.key not in field.fields):
        names = sorted(field.fields or {})
        yield document.error((*where, "key"), "must be one of the fields", value=field.key or "", allowed=names)
    for name, inner in (field.fields or {}).items():
        yield from _type_faults(document, (*where, "fields", name), inner)
    if field.on_bad == "default" and (field.default is None or (rule := check_value(field, field.default))):
        told = rule if field.default is not None else "on_bad: default needs one"
        yield document.error((*where, "default"), told)


def _reference_faults(
    document: Document, where: Where, field: Field, entities: tuple[str, ...]
) -> Iterator[BadDocument]:
    if field.to is not None and field.to not in entities:
        yield document.error((*where, "to"), f"unknown entity '{field.to}'", value=field.to, allowed=entities)


def _stage_faults(document: Document, where: Where, field: Field, entity: EntityDocument) -> Iterator[BadDocument]:
    for stage, needed in field.required_at.items():
        place = (*where, "required_at", stage)
        if stage not in (field.values or {}):
            yield document.error(place, f"unknown value '{stage}'", value=stage, allowed=tuple(field.values or ()))
        for position, name in enumerate(needed):
            if name not in entity.fields:
                yield document.error(
                    (*place, position), f"unknown field '{name}'", value=name, allowed=tuple(entity.fields)
                )
