"""`throughline dictionary`: lint, publish, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import dictionary as room
from console.exits import Exit
from console.opening import desk, unknown
from console.rendering import Screen, table
from console.verb import Json, verb
from dictionary import Dictionary, Entity, Field

app = typer.Typer(help="What every field means.", no_args_is_help=True)


@app.command("lint")
@verb
def lint(screen: Screen, json: Json = False) -> Exit:
    """Check the files below dictionary/entities: errors with file and line, then what looks like an oversight."""
    with desk(screen) as opened:
        words = room.load(opened.settings.config / "dictionary/entities")
        findings = room.lint(words)
        screen.answer({"entities": len(words.entities), "findings": findings})
        for finding in findings:
            screen.say(finding)
        screen.say(f"{len(words.entities)} entities, {len(findings)} findings.")
        return Exit.FINDINGS if findings else Exit.OK


@app.command("publish")
@verb
def publish(
    screen: Screen,
    out: Annotated[Path | None, typer.Option("--out", help="Write here instead of to standard output.")] = None,
    json: Json = False,
) -> None:
    """The dictionary as one Markdown page."""
    with desk(screen) as opened:
        words = room.load(opened.settings.config / "dictionary/entities")
        page = room.render_markdown(words)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(page, encoding="utf-8")
            screen.note(f"written to {out}")
        screen.answer({"revision": words.revision, "path": str(out) if out else None, "page": page})
        if out is None:
            screen.say(page.rstrip("\n"))


@app.command("show")
@verb
def show(
    screen: Screen,
    name: Annotated[str | None, typer.Argument(metavar="[ENTITY[.FIELD]]", help="An entity, or a field of it.")] = None,
    json: Json = False,
) -> None:
    """The entities; the fields of one; or all about one field."""
    with desk(screen) as opened:
        words = room.load(opened.settings.config / "dictionary/entities")
        if name is None:
            found = [_entity(entity) for entity in words.entities.values()]
            screen.answer({"revision": words.revision, "entities": found})
            rows = [[e["entity"], e["kind"], e["owner"], len(e["fields"]), e["description"]] for e in found]
            screen.show(table(["entity", "kind", "owner", "fields", "description"], rows))
            return
        entity_name, _, field_name = name.partition(".")
        entity = _known(words, entity_name)
        if not field_name:
            screen.answer(_entity(entity) | {"fields": {n: _field(f) for n, f in entity.fields.items()}})
            screen.say(f"{entity.name} ({entity.kind}, {entity.owner}): {entity.document.description}")
            rows = [
                [n, f.type, f.pii, "yes" if f.required else "", f.bad, f.description] for n, f in entity.fields.items()
            ]
            screen.show(table(["field", "type", "personal", "required", "when bad", "meaning"], rows))
            return
        if field_name not in entity.fields:
            raise unknown(f"field of {entity.name}", field_name, entity.fields)
        told = _field(entity.fields[field_name])
        screen.answer({"entity": entity.name, "field": field_name} | told)
        screen.show(
            table(["", ""], [[key, value if isinstance(value, str) else repr(value)] for key, value in told.items()])
        )


def _known(words: Dictionary, name: str) -> Entity:
    if name not in words.entities:
        raise unknown("entity", name, words.entities)
    return words.entities[name]


def _entity(entity: Entity) -> dict[str, Any]:
    told = entity.document
    return {
        "entity": entity.name,
        "kind": entity.kind,
        "owner": entity.owner,
        "description": told.description,
        "since": told.since,
        "fields": sorted(entity.fields),
    }


def _field(field: Field) -> dict[str, Any]:
    return field.model_dump(exclude_defaults=True, mode="json") | {"when_bad": field.bad}
