"""`throughline connector`: list, new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connectors import connector_for, find_connectors
from connectors.base import Connector, Resource
from connectors.budget import Kind, Limit
from console.conformance import STATES, Report, Result, draw, run_system
from console.exits import Exit
from console.rendering import Screen, table
from console.scaffolding import scaffold
from console.verb import Json, verb
from kernel.clock import SECOND
from kernel.settings import CHECKOUT

app = typer.Typer(help="The systems that can be connected.", no_args_is_help=True)


@app.command("list")
@verb
def list_(screen: Screen, json: Json = False) -> None:
    """Every connector with its resources, how each is read and written, and its settings."""
    found = [described(cls) for cls in find_connectors().values()]
    screen.answer({"connectors": found})
    rows = [
        [c["system"] if n == 0 else "", r["resource"], r["reads"], r["writes"], ", ".join(r["actions"]), r["deletes"]]
        for c in found
        for n, r in enumerate(c["resources"])
    ]
    screen.show(table(["system", "resource", "read", "written", "actions", "deletes"], rows))


def described(cls: type[Connector]) -> dict[str, Any]:
    """A connector's declarations, as data."""
    return {
        "system": cls.system,
        "about": (cls.Settings.__doc__ or "").strip(),
        "resources": [_resource(resource) for resource in cls.resources.values()],
        "settings": [_setting(name, field) for name, field in cls.Settings.model_fields.items()],
        "limits": [_limit(limit) for limit in cls.limits],
    }


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "name": limit.called,
        "calls": limit.calls,
        "seconds": None if limit.kind is Kind.CONCURRENT else limit.length / SECOND,
        "kind": str(limit.kind),
        "only": limit.only,
    }


def _resource(resource: Resource) -> dict[str, Any]:
    spec = resource.write
    reads = "" if not resource.readable else "by change" if resource.incremental else "whole"
    return {
        "resource": resource.name,
        "reads": reads,
        "backfill": resource.backfill,
        "deletes": str(resource.deletes),
        "writes": ""
        if spec is None
        else f"class {spec.write_class} ({spec.write_class.name.lower().replace('_', ' ')})",
        "actions": [] if spec is None else sorted(str(action) for action in spec.actions),
        "batch_size": None if spec is None else spec.batch_size,
        "ext_field": None if spec is None else spec.ext_field,
        "references": {} if spec is None else dict(spec.references),
    }


def _setting(name: str, field: Any) -> dict[str, Any]:
    kind = str(field.annotation)
    secret = "Secret" in kind
    default = None if field.is_required() or secret else field.default
    return {"name": name, "required": field.is_required(), "secret": secret, "default": default}


@app.command("test")
@verb
def held_to_the_kit(
    screen: Screen,
    name: Annotated[str, typer.Argument(help="The system, as `connector list` names it.")],
    only: Annotated[
        str, typer.Option("--only", help="Checks whose name holds this, such as `write.` or `read.ties`.")
    ] = "",
    json: Json = False,
) -> Exit:
    """Hold a connector to the conformance kit, against its simulator; exit 1 when a check fails."""
    connector_for(name)

    def told(result: Result) -> None:
        if result.state == "failed":
            screen.note(f"{result.case}: {result.told}", "red")

    report = run_system(name, told, only=only)
    screen.answer(_report(report))
    groups: dict[str, list[Result]] = {}
    for result in report.results:
        groups.setdefault(result.case.check.partition(".")[0], []).append(result)
    rows = [
        [name, *(sum(one.state == state for one in found) for state in STATES), _why(found)]
        for name, found in groups.items()
    ]
    screen.show(table(["checks", *STATES, "what failed"], rows))
    told_counts = ", ".join(f"{report.count(state)} {state}" for state in STATES)
    screen.say(f"{name}: {told_counts}", "green" if report.ok else "red")
    return Exit.OK if report.ok else Exit.FINDINGS


def _why(results: list[Result]) -> str:
    return "; ".join(str(one.case) for one in results if one.state == "failed")


def _report(report: Report) -> dict[str, Any]:
    return {
        "system": report.system,
        "ok": report.ok,
        **{state.replace(" ", "_"): report.count(state) for state in STATES},
        "checks": [
            {"check": one.case.check, "resource": one.case.resource, "state": one.state, "told": one.told}
            for one in report.results
        ],
    }


@app.command("page")
@verb
def page(
    screen: Screen,
    name: Annotated[str, typer.Argument(help="The system, as `connector list` names it.")],
    json: Json = False,
) -> None:
    """Draw a connector's reference page from what it declares."""
    connector_for(name)
    path = str(draw(name))
    screen.answer({"system": name, "file": path})
    screen.say(path)


@app.command("new")
@verb
def new(
    screen: Screen,
    name: Annotated[str, typer.Argument(help="The system, in lower case, such as pipedrive or google_ads.")],
    root: Annotated[Path, typer.Option("--root", help="The checkout to write into.")] = CHECKOUT,
    json: Json = False,
) -> None:
    """Write a connector, a mapping, a simulator and tests that work, to be made the vendor's own."""
    paths = [str(path.relative_to(root)) for path in scaffold(name).write(root)]
    screen.answer({"system": name, "files": paths})
    for path in paths:
        screen.say(path)
    screen.say(f"They work as they are: throughline connector test {name}. Make them the vendor's, fact by fact.")
