"""`throughline dead-letters`: list, groups, show, export, edit, replay, discard."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from console.exits import Exit, Usage
from console.masking import Masker
from console.opening import Desk, desk, person, unknown
from console.rendering import Screen, short, table
from console.verb import By, Json, ShowValues, Why, Yes, verb
from dead_letter import deciding, inspecting
from dead_letter.deciding import Mode
from dead_letter.inspecting import Filter
from journey.context import parse_stream
from journey.inbound import rejects
from journey.interventions import aftermath
from kernel import audit
from kernel.errors import BadSetting

app = typer.Typer(
    help="What needs a person: versions that could not be mapped, writes that could not be made.", no_args_is_help=True
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Letters, by id or its beginning.")]
Cause = Annotated[str, typer.Option("--cause", help="Only letters with this cause.")]
Connection = Annotated[str, typer.Option("--connection", help="Only letters of this connection.")]
Resource = Annotated[str, typer.Option("--resource", help="Only letters of this resource.")]
Stage = Annotated[str, typer.Option("--stage", help="Only letters of this stage: map, plan, send, reconcile.")]
Trace = Annotated[str, typer.Option("--trace", help="Only letters with this trace id.")]
ByRun = Annotated[str, typer.Option("--run", help="Only letters that this run wrote.")]
STATES = ("open", "replaying", "resolved", "superseded", "discarded", "any")
State = Annotated[str, typer.Option("--state", help=f"One of: {', '.join(STATES)}.")]


@app.command("list")
@verb
def list_(
    screen: Screen,
    state: State = "open",
    cause: Cause = "",
    connection: Connection = "",
    resource: Resource = "",
    stage: Stage = "",
    trace: Trace = "",
    run: ByRun = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    only_ids: Annotated[bool, typer.Option("--ids", help="Only their ids, one a line: for other commands.")] = False,
    json: Json = False,
) -> Exit:
    """The newest letters, without what they hold."""
    wanted = replace(_filter(state, cause, connection, resource, stage, trace), run_id=run)
    with desk(screen) as opened:
        letters, total = inspecting.listed(opened.store, wanted, limit), inspecting.count(opened.store, wanted)
        screen.answer({"dead_letters": letters, "total": total})
        if only_ids:
            for each in letters:
                screen.say(each["id"])
            return _findings(wanted, total)
        names = ["id", "cause", "field", "connection", "resource", "stage", "state", "last_at", "message"]
        screen.show(table(names, [[each[name] for name in names] for each in letters]))
        screen.say(f"{len(letters)} of {total}")
        return _findings(wanted, total)


@app.command("groups")
@verb
def groups(
    screen: Screen,
    state: State = "open",
    cause: Cause = "",
    connection: Connection = "",
    resource: Resource = "",
    stage: Stage = "",
    json: Json = False,
) -> Exit:
    """Letters by cause and place, with what each cause means and what usually cures it."""
    wanted = _filter(state, cause, connection, resource, stage, "")
    with desk(screen) as opened:
        found = inspecting.grouped(opened.store, wanted)
        screen.answer({"groups": found, "total": sum(group.letters for group in found)})
        if not found:
            screen.say("No letter fits.")
            return Exit.OK
        rows = [[g.letters, g.cause, g.connection, g.resource, g.field, g.meaning, g.fix] for g in found]
        screen.show(table(["letters", "cause", "connection", "resource", "field", "meaning", "usual fix"], rows))
        for group in found[:3] if wanted.state == "open" else ():
            place = f"--cause {group.cause} --connection {group.connection} --resource {group.resource}"
            screen.say(f"once cured: throughline dead-letters replay {place} --mode remap", "dim")
        return _findings(wanted, sum(group.letters for group in found))


@app.command("export")
@verb
def export(
    screen: Screen,
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="connection.resource of a file import.")],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file to write.", dir_okay=False)],
    by: By = "",
    json: Json = False,
) -> None:
    """Write the open letters of a file import back as CSV, each row with its line, why, cause and trace id. Goes on record."""
    wanted = parse_stream(stream)
    with desk(screen) as opened:
        if wanted.connection not in opened.described:
            raise unknown("connection", wanted.connection, opened.described)
        written = rejects.write(opened.store, wanted.connection, wanted.resource, out)
        with opened.store.write() as conn:
            audit.record(conn, opened.store, person(by), "exported dead letters", str(wanted), "")
        screen.answer({"stream": str(wanted), "rows": written, "file": str(out)})
        screen.say(f"{written} rows written to {out}")


@app.command("show")
@verb
def show(
    screen: Screen,
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter, by id or its beginning.")],
    show_values: ShowValues = False,
    by: By = "",
    json: Json = False,
) -> None:
    """One letter: where, why, what it holds, how often it was tried, and the usual fix. Looking is on record."""
    with desk(screen) as opened:
        told = inspecting.show(opened.store, _one(opened, letter), person(by))
        masker = Masker(None, show_values)
        for name in ("payload", "edited"):
            told[name] = masker.payload(told[name])
        screen.answer(told)
        plain = {name: value for name, value in told.items() if name not in ("payload", "edited", "tries") and value}
        screen.show(table(["", ""], plain.items()))
        if told["tries"]:
            names = list(told["tries"][0])
            screen.show(table(names, [[each[name] for name in names] for each in told["tries"]], "attempts"))
        for name in ("payload", "edited"):
            if told[name] is not None:
                screen.say(f"\n{name}", "bold")
                screen.say(orjson.dumps(told[name], option=orjson.OPT_INDENT_2).decode())
        if not show_values:
            screen.note("values are masked; --show-values shows them")


@app.command("edit")
@verb
def edit(
    screen: Screen,
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter, by id or its beginning.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="A dotted path and its new value (JSON, or plain text)."),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="PATH", help="A dotted path to remove.")] = None,
    by: By = "",
    why: Why = "",
    json: Json = False,
) -> None:
    """Correct the payload of a parked version. The original is kept; replay it with `--mode edited`."""
    changes = _changes(set_ or [], unset or [])
    with desk(screen) as opened:
        letter_id = _one(opened, letter)
        try:
            deciding.edit(opened.store, letter_id, changes, person(by), why)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            raise Usage("a path leads nowhere in this payload; see: throughline dead-letters show") from None
        screen.answer({"letter": letter_id, "edited": sorted(changes)})
        screen.say(f"{letter_id}: edited {', '.join(sorted(changes))}; the original is kept.")
        screen.say(f"Carry it on: throughline dead-letters replay {letter_id} --mode edited")


def _changes(set_: list[str], unset: list[str]) -> dict[str, Any]:
    changes: dict[str, Any] = dict.fromkeys(unset)
    for text in set_:
        path, equals, value = text.partition("=")
        if not path or not equals:
            raise Usage(f"--set takes PATH=VALUE, not '{short(text, 20)}'")
        try:
            changes[path] = orjson.loads(value)
        except orjson.JSONDecodeError:
            changes[path] = value
    if not changes:
        raise Usage("nothing to edit; give --set PATH=VALUE or --unset PATH")
    return changes


@app.command("replay")
@verb
def replay(
    screen: Screen,
    ids: Ids = None,
    cause: Cause = "",
    connection: Connection = "",
    resource: Resource = "",
    stage: Stage = "",
    trace: Trace = "",
    mode: Annotated[
        str,
        typer.Option("--mode", help="verbatim: the same again; remap: with today's mapping; edited: as corrected."),
    ] = Mode.REMAP.value,
    by: By = "",
    why: Why = "",
    yes: Yes = False,
    json: Json = False,
) -> Exit:
    """Send open letters through again, deliver what follows from it, and say what became of each.

    Letters that something newer overtook write nothing. Doing it twice has no second effect.
    """
    if mode not in list(Mode):
        raise Usage(f"--mode is one of: {', '.join(Mode)}")
    with desk(screen) as opened:
        chosen = _chosen(screen, opened, ids, Filter("open", cause, connection, resource, stage, trace), "Replay", yes)
        deciding.request_replay(opened.store, chosen, Mode(mode), person(by), why)
        troubles = aftermath.carry_out(opened.context)
        fates = aftermath.fates(opened.store, chosen)
        screen.answer({"replayed": [asdict(fate) for fate in fates], "errors": [str(error) for error in troubles]})
        names = ["letter", "kind", "outcome", "told", "vendor_id", "request_id", "letter_now"]
        screen.show(table([n.replace("_", " ") for n in names], [[getattr(f, n) for n in names] for f in fates]))
        for error in troubles:
            screen.fail(str(error))
        outcomes = {fate.outcome for fate in fates}
        screen.say(", ".join(f"{sum(f.outcome == o for f in fates)} {o.replace('_', ' ')}" for o in sorted(outcomes)))
        return Exit.STOPPED if troubles else Exit.FINDINGS if "failed_again" in outcomes else Exit.OK


@app.command("discard")
@verb
def discard(
    screen: Screen,
    ids: Ids = None,
    cause: Cause = "",
    connection: Connection = "",
    resource: Resource = "",
    stage: Stage = "",
    trace: Trace = "",
    by: By = "",
    why: Why = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Give letters up, with a reason. What they hold is kept until it is pruned, and never sent."""
    if not why.strip():
        raise Usage("say why: --why 'the reason'")
    with desk(screen) as opened:
        chosen = _chosen(screen, opened, ids, Filter("open", cause, connection, resource, stage, trace), "Discard", yes)
        done = deciding.discard(opened.store, chosen, person(by), why)
        screen.answer({"discarded": done, "letters": chosen})
        screen.say(
            f"{done} discarded." + ("" if done == len(chosen) else f" {len(chosen) - done} were closed already.")
        )


def _filter(state: str, cause: str, connection: str, resource: str, stage: str, trace: str) -> Filter:
    if state not in STATES:
        raise Usage(f"--state is one of: {', '.join(STATES)}")
    return Filter(state, cause, connection, resource, stage, trace)


def _findings(wanted: Filter, total: int) -> Exit:
    """Open letters are findings; closed ones are history."""
    return Exit.FINDINGS if total and wanted.state in ("open", "replaying") else Exit.OK


def _one(opened: Desk, letter: str) -> str:
    try:
        return str(inspecting.find(opened.store, letter)["id"])
    except BadSetting as error:
        raise Usage(error.message) from None


def _chosen(screen: Screen, opened: Desk, ids: list[str] | None, wanted: Filter, what: str, yes: bool) -> list[str]:
    """The letters named, or those of the filter once a person agreed."""
    filtered = any((wanted.cause, wanted.connection, wanted.resource, wanted.stage, wanted.trace_id))
    if bool(ids) == filtered:
        raise Usage("name letters by id, or choose them by --cause, --connection, --resource, --stage or --trace")
    if ids:
        return [_one(opened, each) for each in ids]
    found = inspecting.ids(opened.store, wanted)
    if not found:
        raise Usage("no open letter fits")
    if not yes and not screen.confirm(f"{what} {len(found)} letters?"):
        raise Usage(f"{len(found)} letters would be taken; confirm with --yes")
    return found
