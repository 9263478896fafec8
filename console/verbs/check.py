"""`throughline check`: the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from console import flowing, probes
from console.exits import Exit
from console.opening import Desk, desk, unknown
from console.probes import Finding, probed
from console.rendering import Screen, table
from console.verb import Json, verb
from kernel.errors import ThroughlineError


@verb
def check(
    screen: Screen,
    connection: Annotated[
        str | None, typer.Argument(metavar="[CONNECTION]", help="Only this connection; everything without it.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="First make, at the vendors, the fields that hold our key, where syncs write.")
    ] = False,
    json: Json = False,
) -> Exit:
    """Look at the machine, the store, the files, Prefect and every connection; say what is wrong and the fix."""
    with desk(screen) as opened:
        if connection is not None and connection not in opened.described:
            raise unknown("connection", connection, opened.described)
        for made in _make_keys(opened, connection) if fix else ():
            screen.note(f"made the key field of {made}")
        found = []
        with screen.progress() as live:
            task = live.add_task("checking", total=None, told="")
            for finding in _look(opened, connection):
                live.update(task, told=f"{finding.about}: {finding.check.name}")
                found.append(finding)
        wrong = [each for each in found if not each.check.ok]
        screen.answer({"ok": not wrong, "checks": [each.told() for each in found]})
        rows = [
            [f.about, f.check.name, "ok" if f.check.ok else "fails", f.check.detail, "" if f.check.ok else f.check.fix]
            for f in found
        ]
        screen.show(table(["about", "check", "", "detail", "fix"], rows))
        screen.say("All is well." if not wrong else f"{len(wrong)} of {len(found)} checks fail.")
        return Exit.FINDINGS if wrong else Exit.OK


def _make_keys(opened: Desk, only: str | None) -> Iterator[str]:
    for name, resource in sorted(opened.pins.targets):
        if only in (None, name) and opened.connections.open(name).ensure_key(resource):
            yield f"{name}.{resource}"


def _look(opened: Desk, only: str | None) -> Iterator[Finding]:
    if only is None:
        yield from probed("machine", partial(probes.machine, opened))
        yield from probed("store", partial(probes.store, opened))
        yield from probed("documents", partial(probes.documents, opened))
        yield from probed("prefect", flowing.probe)
    for name in [only] if only else _connections(opened):
        yield from probed(name, partial(probes.connection, opened, name))


def _connections(opened: Desk) -> list[str]:
    try:
        return list(opened.described)
    except ThroughlineError:  # the documents' probe said so
        return []
