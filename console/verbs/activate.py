"""`throughline activate`: make the stewards' files what runs."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import typer

from console.exits import Exit
from console.opening import Desk, desk, person
from console.rendering import Screen, table
from console.verb import By, Json, verb
from journey import activation
from journey.interventions import effects
from journey.interventions.effects import Effects
from kernel import revisions
from kernel.revisions import Difference


@verb
def activate(
    screen: Screen,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and show; change nothing. 1: it would.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what changed inside the files.")] = False,
    by: By = "",
    json: Json = False,
) -> Exit:
    """Check dictionary, mappings, rules and syncs together, and make them the active revisions.

    A wrong name is refused with file and line, and nothing is activated. Runs that go on keep what they began with.
    """
    with desk(screen) as opened:
        config = opened.settings.config
        before = revisions.checkout(opened.store, opened.settings.home)[0]
        if dry_run:
            activation.check(config, opened.described)
            changes = revisions.difference(opened.store, config)
            moved = Effects()
        else:
            changes = activation.activate(opened.store, config, opened.described, person(by))
            moved = effects.set_in_motion(opened.store, opened.pins, changes, _systems(opened))
        told = [_change(kind, path, before, config) for kind, path in _paths(changes)]
        screen.answer({"activated": not dry_run, "changes": told, "marked": moved.marked, "remap": moved.remap})
        screen.show(table(["", "file", "lines"], [[t["kind"], t["path"], f"+{t['plus']} -{t['minus']}"] for t in told]))
        if diff:
            for each in told:
                screen.say("".join(each["diff"]))
        screen.say(_sentence(opened, changes, dry_run))
        for sync, records in moved.marked.items():
            screen.say(f"{records} records will be compared with their targets: throughline sync run {sync}")
        for stream in moved.remap:
            screen.say(f"Stored records may now be read differently: throughline sync remap {stream}")
        return Exit.FINDINGS if dry_run and changes else Exit.OK


def _systems(opened: Desk) -> dict[str, str]:
    return {name: described.system for name, described in opened.described.items()}


def _paths(changes: Difference) -> list[tuple[str, str]]:
    kinds = (("added", changes.added), ("changed", changes.changed), ("removed", changes.removed))
    return [(kind, path) for kind, paths in kinds for path in paths]


def _change(kind: str, path: str, before: Path, after: Path) -> dict[str, Any]:
    old, new = (_lines(folder / path) for folder in (before, after))
    lines = list(difflib.unified_diff(old, new, f"active/{path}", path, n=2))
    marks = [line[0] for line in lines[2:]]
    return {"kind": kind, "path": path, "plus": marks.count("+"), "minus": marks.count("-"), "diff": lines}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []


def _sentence(opened: Desk, changes: Difference, dry_run: bool) -> str:
    if not changes:
        return "Everything in the folder is active already."
    count = sum(map(len, (changes.added, changes.changed, changes.removed)))
    if dry_run:
        return f"{count} files would change; all of them are sound. Nothing was activated."
    return f"{count} files activated from {opened.settings.config}."
