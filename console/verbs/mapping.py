"""`throughline mapping`: lint, preview, test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text
from sqlalchemy import select

import dictionary
import mappings
from console.exits import Exit, Usage
from console.masking import Masker
from console.opening import Desk, desk, person, unknown
from console.rendering import Screen, short, table
from console.verb import By, Json, ShowValues, verb
from dictionary import Dictionary
from journey import activation
from kernel import audit
from kernel.store.tables import object_, version
from mappings import Mapping, Mappings
from mappings.preview import preview as draw
from mappings.preview import run_examples

app = typer.Typer(help="How vendor records become entities, and back.", no_args_is_help=True)


@app.command("lint")
@verb
def lint(screen: Screen, json: Json = False) -> None:
    """Check the files below mappings against the dictionary and the connectors; errors come with file and line."""
    with desk(screen) as opened:
        _, found = _candidates(opened)
        names = [mapping.resource for mapping in found]
        screen.answer({"mappings": names, "revision": found.revision})
        screen.say(f"{len(names)} mappings are sound: {', '.join(names)}")


@app.command("test")
@verb
def examples(
    screen: Screen,
    resource: Annotated[str | None, typer.Argument(metavar="[RESOURCE]", help="Only system.resource.")] = None,
    json: Json = False,
) -> Exit:
    """Run the `examples:` that stand in the mappings."""
    with desk(screen) as opened:
        _, found = _candidates(opened)
        if resource is not None and resource not in found:
            raise unknown("mapping", resource, (each.resource for each in found))
        failures = [each for each in run_examples(found) if resource in (None, each.resource)]
        wanted = [each.resource for each in found if resource in (None, each.resource)]
        count = sum(len(found.examples(name)) for name in wanted)
        screen.answer({"mappings": len(wanted), "examples": count, "failures": failures})
        for failure in failures:
            screen.say(str(failure), "red")
        screen.say(f"{count} examples in {len(wanted)} mappings, {len(failures)} differences.")
        return Exit.FINDINGS if failures else Exit.OK


@app.command("preview")
@verb
def preview(
    screen: Screen,
    resource: Annotated[str, typer.Argument(metavar="RESOURCE", help="system.resource, such as stripe.customers.")],
    records: Annotated[
        Path | None, typer.Option("--records", help="A file of records (JSON lines) instead of stored ones.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many records.")] = 5,
    show_values: ShowValues = False,
    by: By = "",
    json: Json = False,
) -> Exit:
    """Map records with the file in the config folder, and show what differs from the active revision.

    Records are the newest stored ones, those of a file, or the mapping's own examples where nothing is stored yet.
    """
    with desk(screen) as opened:
        words, found = _candidates(opened)
        candidate = found.get(resource)
        if candidate is None:
            raise unknown("mapping", resource, (each.resource for each in found))
        pins = opened.active_pins()
        active = pins.mappings.get(resource) if pins else None
        source, samples = _samples(opened, found, resource, records, limit)
        if show_values and source == "stored":
            _on_record(opened, resource, person(by))
        masker = Masker(words, show_values)
        told = [_previewed(candidate, active, masker, name, raw) for name, raw in samples]
        same = active is not None and active.revision == candidate.revision
        screen.answer({"resource": resource, "records": source, "same_as_active": same, "previews": told})
        for each in told:
            _show(screen, each)
        changed = sum(bool(each["changes"]) for each in told)
        against = "the same revision is active" if same else f"{changed} differ from the active revision"
        screen.say(f"{len(told)} {source} records; {'nothing is active yet' if active is None else against}.")
        return Exit.FINDINGS if any(each["now"]["state"] == "parked" for each in told) else Exit.OK


def _candidates(opened: Desk) -> tuple[Dictionary, Mappings]:
    """The dictionary and mappings of the config folder, checked against every connector there is."""
    config = opened.settings.config
    words = dictionary.load(config / "dictionary/entities")
    return words, mappings.load(config / "mappings", words, known_resources=activation.known_resources(config))


def _samples(
    opened: Desk, found: Mappings, resource: str, records: Path | None, limit: int
) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    if records is not None:
        return "given", list(_from_file(records))[:limit]
    stored = list(_stored(opened, resource, limit))
    if stored:
        return "stored", stored
    examples = found.examples(resource)
    return "example", [(e.name or f"example {n}", e.given) for n, e in enumerate(examples, 1)][:limit]


def _from_file(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for n, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                raw = orjson.loads(line)
            except orjson.JSONDecodeError:
                raise Usage(f"{path}:{n}: is not a JSON object; give one object a line") from None
            if not isinstance(raw, dict):
                raise Usage(f"{path}:{n}: is not a JSON object; give one object a line")
            yield f"line {n}", raw


def _stored(opened: Desk, resource: str, limit: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The newest versions of objects of this system and resource, parked ones too."""
    system, _, name = resource.partition(".")
    connections = [each.name for each in opened.described.values() if each.system == system]
    query = (
        select(version.c.trace_id, version.c.raw)
        .join(object_, object_.c.id == version.c.object_id)
        .where(object_.c.connection.in_(connections), object_.c.resource == name)
        .where(version.c.raw.is_not(None), version.c.deleted == 0)
        .order_by(version.c.trace_id.desc())
        .limit(limit)
    )
    with opened.store.read() as conn:
        rows = conn.execute(query).all()
    for row in rows:
        yield row.trace_id, opened.store.open(version, row.trace_id, row.raw)


def _on_record(opened: Desk, resource: str, by: str) -> None:
    with opened.store.write() as conn:
        audit.record(conn, opened.store, by, "previewed stored records", resource, "")


def _previewed(
    candidate: Mapping, active: Mapping | None, masker: Masker, name: str, raw: dict[str, Any]
) -> dict[str, Any]:
    now = draw(candidate, raw)
    before = draw(active, raw) if active is not None else None
    changes = _changes(before, now, masker) if before is not None else []
    return {"record": name, "now": _masked(candidate, now, masker), "changes": changes}


def _changes(before: dict[str, Any], now: dict[str, Any], masker: Masker) -> list[dict[str, Any]]:
    """Field by field, what the candidate draws otherwise than the active mapping."""
    told = []
    if before["state"] != now["state"]:
        told.append({"part": "", "field": "state", "before": before["state"], "after": now["state"]})
    old, new = _flat(before), _flat(now)
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            part, entity, name = key
            sides = {
                side: masker.value(entity, name, held.get(key)) for side, held in (("before", old), ("after", new))
            }
            told.append({"part": part, "field": name, **sides})
    return told


def _flat(drawn: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    return {
        (f"{part['part']}{':' if part['key'] else ''}{part['key']}", part["entity"], name): value
        for part in drawn["parts"]
        for name, value in {**part["data"], **part["references"]}.items()
    }


def _masked(mapping: Mapping, drawn: dict[str, Any], masker: Masker) -> dict[str, Any]:
    for part in drawn["parts"]:
        part["data"] = masker.data(part["entity"], part["data"])
        part["references"] = masker.data(part["entity"], part["references"])
        if part["writes"] is not None and "error" not in part["writes"]:
            target = mapping.target_part(part["entity"])
            part["writes"] = {name: masker.written(target, name, value) for name, value in part["writes"].items()}
    return drawn


def _show(screen: Screen, told: dict[str, Any]) -> None:
    now = told["now"]
    screen.show(Text(f"{told['record']}: {now['state']}", style="bold"))
    if now["error"]:
        screen.say(f"  {now['error']['cause']}: {now['error']['message']}", "red")
    rows = [
        [part["part"], part["entity"], name, short(value)]
        for part in now["parts"]
        for name, value in {**part["data"], **part["references"]}.items()
    ]
    if rows:
        screen.show(table(["part", "entity", "field", "value"], rows))
    for warning in now["warnings"]:
        screen.say(f"  {warning['field']} {warning['rule']}", "yellow")
    if told["changes"]:
        rows = [[c["part"], c["field"], short(c["before"]), "→", short(c["after"])] for c in told["changes"]]
        screen.show(table(["part", "field", "active", "", "now"], rows, "differs from the active revision"))
