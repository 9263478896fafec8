"""`throughline identity`: show, merge, unmerge."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console import stories
from console.exits import Exit, Usage
from console.masking import Masker
from console.opening import Desk, desk, person
from console.rendering import Screen, table
from console.verb import By, Json, ShowValues, Why, verb
from console.verbs.trace import masked
from journey.interventions import identity
from journey.interventions.identity import Decided
from journey.stories import finding, tracing
from journey.stories.finding import Found

app = typer.Typer(help="Who is one and the same, and what a person says about it.", no_args_is_help=True)

_WHO = "A golden id, e-mail, phone, domain, vendor id or trace id."


@app.command("show")
@verb
def show(
    screen: Screen,
    who: Annotated[str, typer.Argument(metavar="ID", help=_WHO)],
    show_values: ShowValues = False,
    json: Json = False,
) -> Exit:
    """Golden records with their members, why those are together, what was refused, and where each is bound."""
    with desk(screen) as opened:
        found = _find(opened, who)
        if not found.goldens:
            screen.answer({"goldens": []})
            screen.note("no golden record has that id or identifier")
            return Exit.FINDINGS
        told = masked(tracing.tell(opened.store, found), Masker(opened.pins.dictionary, show_values))
        screen.answer({"found_as": told["found_as"], "goldens": told["goldens"]})
        screen.show(*stories.trees(told | {"deliveries": [], "dead_letters": [], "runs": []}))
        return Exit.OK


@app.command("merge")
@verb
def merge(
    screen: Screen,
    one: Annotated[str, typer.Argument(metavar="ONE", help=_WHO)],
    other: Annotated[str, typer.Argument(metavar="OTHER", help=_WHO)],
    by: By = "",
    why: Why = "",
    json: Json = False,
) -> None:
    """Say that two golden records are the same. The older one keeps its id; nothing at the vendors is merged."""
    _require_why(why)
    with desk(screen) as opened:
        decided = identity.merge(opened.context(), _golden(opened, one), _golden(opened, other), person(by), why)
        _tell(screen, decided)


@app.command("unmerge")
@verb
def unmerge(
    screen: Screen,
    who: Annotated[str, typer.Argument(metavar="ID", help=_WHO)],
    members: Annotated[
        list[str] | None,
        typer.Option("--member", help="Who is somebody else, by member id or vendor id; may be repeated."),
    ] = None,
    by: By = "",
    why: Why = "",
    json: Json = False,
) -> None:
    """Say that members of a golden record are somebody else. They stay apart from then on, whatever their keys say."""
    _require_why(why)
    with desk(screen) as opened:
        golden_id = _golden(opened, who)
        if not members:
            raise Usage(f"name who leaves: --member ID; see: throughline identity show {golden_id}")
        leaving = [each for name in members for each in _members(opened, golden_id, name)]
        decided = identity.unmerge(opened.context(), golden_id, leaving, person(by), why)
        _tell(screen, decided)


def _members(opened: Desk, golden_id: str, name: str) -> list[str]:
    """The members of a golden record that a vendor's id names; else the name itself, which is a member's id or wrong."""
    objects = set(_find(opened, name).objects)
    goldens = tracing.tell(opened.store, _find(opened, golden_id)).goldens
    members = [each for golden in goldens if golden["id"] == golden_id for each in golden["members"]]
    return [str(each["id"]) for each in members if each["object"] in objects] or [name]


def _require_why(why: str) -> None:
    if not why.strip():
        raise Usage("say why: --why 'the reason'; every verdict is kept with it")


def _find(opened: Desk, who: str) -> Found:
    return finding.find(opened.store, opened.pins.rules, who)


def _golden(opened: Desk, who: str) -> str:
    """The one golden record of a master entity that somebody names."""
    story = tracing.tell(opened.store, _find(opened, who))
    masters = opened.pins.rules.entities
    named = [each for each in story.goldens if each["entity"] in masters and each["state"] != "merged"]
    if not named:
        raise Usage("no golden record has that id or identifier; only contacts, accounts and products are merged")
    # An e-mail address names its reader; the organisation that it also leads to is named by its domain.
    readers = [each for each in named if "@" in who and "email" in masters[each["entity"]].by_kind]
    found = [each["id"] for each in readers or named]
    if len(found) > 1:
        raise Usage(f"that names several golden records; name one of: {', '.join(found)}")
    return str(found[0])


def _tell(screen: Screen, decided: Decided) -> None:
    moved = [{"member": name, "from": was, "to": now} for name, (was, now) in decided.moved.items()]
    told: dict[str, Any] = {"verdicts": decided.verdicts, "golden": decided.golden, "moved": moved}
    screen.answer(told | {"syncs": decided.syncs})
    screen.show(table(["member", "from golden record", "to golden record"], [list(each.values()) for each in moved]))
    if not moved:
        screen.say("The verdict is on record; nobody had to move.")
    if decided.syncs:
        screen.say(f"Carry it to the targets: throughline sync run {' '.join(decided.syncs)}")
