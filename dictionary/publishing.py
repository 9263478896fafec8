"""Renders the dictionary as the reference page that everyone else reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dictionary.entity import Entity, Field
from dictionary.loading import Dictionary

_HEAD = "| field | type | meaning | personal | owner | required | when bad | since |\n" + "|---" * 8 + "|\n"


def render_markdown(dictionary: Dictionary) -> str:
    """The whole dictionary as one Markdown page."""
    parts = [
        "# Data dictionary\n\n",
        f"Revision `{dictionary.revision}`. Written from `dictionary/entities/`; change it there.\n\n",
        "".join(f"* [{name}](#{name}): {entity.document.description}\n" for name, entity in _sorted(dictionary)),
    ]
    parts.extend(_entity(entity) for _, entity in _sorted(dictionary))
    return "".join(parts)


def _sorted(dictionary: Dictionary) -> list[tuple[str, Entity]]:
    order = {"master": 0, "transaction": 1, "event": 2}
    return sorted(dictionary.entities.items(), key=lambda item: (order[item[1].kind], item[0]))


def _entity(entity: Entity) -> str:
    told = entity.document
    facts = f"Kind: {entity.kind}. Owner: {entity.owner}. Since {told.since}."
    head = f"\n## {entity.name}\n\n{told.description} {facts}\n\n"
    rows = "".join(_rows(entity.fields, entity.owner))
    lists = "".join(_values(entity.fields))
    return head + _HEAD + rows + (f"\n{lists}" if lists else "")


def _rows(fields: Mapping[str, Field], owner: str, prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        cells = [
            f"`{prefix}{name}`",
            _type(field),
            _meaning(field),
            field.pii,
            field.owner or owner,
            "yes" if field.required else "",
            field.bad,
            field.since,
        ]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
        yield from _rows(field.fields or {}, field.owner or owner, f"{prefix}{name}.")


def _type(field: Field) -> str:
    if field.type == "reference":
        return f"{field.to} ({field.cardinality.replace('_', ' ')})"
    if field.type == "list":
        return f"list of {field.items}" if field.items else f"list by {field.key}"
    return field.type


def _meaning(field: Field) -> str:
    told = field.description
    if field.identifier:
        told += f" Identifier ({field.identifier.strength}, at most {field.identifier.limit})."
    for stage, needed in field.required_at.items():
        told += f" `{stage}` asks for {', '.join(needed)}."
    if field.deprecated:
        told += f" Deprecated since {field.deprecated}."
    return told


def _values(fields: Mapping[str, Field], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        if field.values:
            told = "; ".join(f"`{value}` {meaning or ''}".rstrip() for value, meaning in field.values.items())
            yield f"* `{prefix}{name}`: {told}\n"
        yield from _values(field.fields or {}, f"{prefix}{name}.")
