"""`throughline approvals`: list, show, release, refuse; and `pause` and `resume`: what waits for a person, and stops for one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.exits import Exit, Usage
from console.opening import desk, person
from console.rendering import Screen, table
from console.verb import By, Json, Why, verb
from journey import pausing, waiting
from journey.inbound import sighting
from journey.interventions import approving
from journey.interventions.approving import Decided
from kernel import approvals
from kernel.approvals import OPEN
from kernel.clock import iso
from kernel.errors import BadSetting
from kernel.ledger import holding

app = typer.Typer(
    help="What waits for a person: changes too large to be made unasked, writes in a loop, reads that shrank, pauses.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The approval, by id or its beginning.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A sync, a connection, or a target as connection.resource.")]


@app.command("list")
@verb
def list_(
    screen: Screen,
    every: Annotated[bool, typer.Option("--all", help="Decided ones, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="With --all: the newest so many.")] = 50,
    json: Json = False,
) -> Exit:
    """What waits, why, how much of it, and the command that lets it go on."""
    with desk(screen) as opened:
        with opened.store.read() as conn:
            found = approvals.newest(conn, limit) if every else approvals.open_questions(conn)
        told = [waiting.told(question) for question in found]
        screen.answer({"approvals": told})
        names = ["id", "kind", "state", "sync", "where", "waiting", "because", "asked_at"]
        screen.show(table(names, [[each[name] for name in names] for each in told]))
        for each in told:
            screen.say(each["command"], "dim") if each["command"] else None
        return Exit.FINDINGS if any(each["state"] in OPEN for each in told) else Exit.OK


@app.command("show")
@verb
def show(
    screen: Screen,
    approval: Id,
    most: Annotated[int, typer.Option("--most", min=0, help="So many of what waits.")] = 20,
    json: Json = False,
) -> None:
    """One approval: what it is about, by which limit, and the first of the deliveries that wait, without values."""
    with desk(screen) as opened:
        with opened.store.read() as conn:
            question = _found(lambda: approvals.find(conn, approval))
            rows = [dict(row._mapping) for row in holding.some(conn, question.id, most)]
            missing = sighting.some(conn, question, most)
        told = waiting.told(question)
        for row in rows:
            row["planned_at"] = iso(row["planned_at"])
        screen.answer(told | {"deliveries": rows} | ({"objects": missing} if missing else {}))
        facts = told.pop("facts")
        plain = told | {name: value for name, value in facts.items() if name != "waiting"}
        screen.show(table(["", ""], [[name, _shown(value)] for name, value in plain.items() if value]))
        if rows:
            names = list(rows[0])
            screen.show(table(names, [[row[name] for name in names] for row in rows], "what waits"))
            screen.say(
                f"{len(rows)} of {facts.get('waiting')}; a record's whole story: throughline trace {rows[0]['id']}"
            )
        if missing:
            shown = [[row["vendor_id"], row["trace_id"]] for row in missing]
            screen.show(table(["vendor id", "trace id"], shown, "no longer shown"))
            story = f"throughline trace {missing[0]['trace_id']}"
            screen.say(f"{len(missing)} of {facts['missing']}; an object's whole story: {story}")


@app.command("release")
@verb
def release(screen: Screen, approval: Id, by: By = "", why: Why = "", json: Json = False) -> None:
    """Let exactly what was shown be sent (or deleted) by the next run. What changed since is refused, and shown anew."""
    _require(why)
    with desk(screen) as opened:
        done = _found(lambda: approving.release(opened.context(), approval, person(by), why))
        _tell(screen, done, "released")


@app.command("refuse")
@verb
def refuse(screen: Screen, approval: Id, by: By = "", why: Why = "", json: Json = False) -> None:
    """Discard what waits, with the reason. Cure its cause too: a later change of the same records plans them again."""
    _require(why)
    with desk(screen) as opened:
        done = _found(lambda: approving.refuse(opened.context(), approval, person(by), why))
        _tell(screen, done, "refused")


@verb
def pause(screen: Screen, name: Name, by: By = "", why: Why = "", json: Json = False) -> None:
    """Stop a sync, a connection (read and written), or one target (written). What goes on ends its batch; nothing is lost."""
    _require(why)
    with desk(screen) as opened:
        new = _found(lambda: pausing.pause(opened.store, name, opened.pins.syncs, opened.described, person(by), why))
        screen.answer({"paused": name, "already": not new})
        screen.say(f"{name} is paused{'' if new else ' already'}. To go on: throughline resume {name}")


@verb
def resume(screen: Screen, name: Name, by: By = "", why: Why = "", json: Json = False) -> Exit:
    """Let go on what was paused; the next run sends what waited."""
    with desk(screen) as opened:
        ended = pausing.resume(opened.store, name, person(by), why)
        screen.answer({"resumed": name, "was_paused": ended})
        screen.say(f"{name} goes on with its next run." if ended else f"{name} was not paused.")
        return Exit.OK if ended else Exit.FINDINGS


def _require(why: str) -> None:
    if not why.strip():
        raise Usage("say why: --why 'the reason'; every decision is kept with it")


def _found(work: Any) -> Any:
    """A wrong or overtaken id is a wrong command line."""
    try:
        return work()
    except BadSetting as error:
        raise Usage(error.message) from None


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _tell(screen: Screen, done: Decided, what: str) -> None:
    question = done.question
    screen.answer({"approval": question.id, what: done.deliveries, "already": done.already})
    if done.already:
        screen.say(f"It was {what} before; nothing changed.")
        return
    if missing := question.facts.get("missing"):
        then = "are deleted by the next read" if what == "released" else "stay, and are not asked about again"
        screen.say(f"{missing} objects {then} of {question.place}.")
        return
    screen.say(f"{done.deliveries} deliveries {what}.")
    if what == "released":
        screen.say(f"They are sent by the next run: throughline sync run {question.sync or '--all'}")
