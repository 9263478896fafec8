"""`throughline sync remap|seed|backfill|reconcile` and `throughline prune`: what ops start by hand between the scheduled runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from console import tallies
from console.exits import Exit, Usage
from console.opening import Desk, desk
from console.rendering import Screen, table
from console.verb import Json, verb
from console.verbs.sync import app
from journey import pruning, runs, syncing
from journey.context import parse_stream
from journey.interventions import replay
from journey.outbound import drift
from journey.pruning import Retention
from journey.runs import Run
from journey.stories.budgets import backfill_forecast, told_time
from journey.syncing import Watcher
from journey.syncs import Stream
from kernel.clock import instant
from kernel.errors import BadSetting

StreamName = Annotated[
    str, typer.Argument(metavar="STREAM", help="connection.resource, such as stripe_main.customers.")
]


@app.command("remap")
@verb
def remap(screen: Screen, stream: StreamName, json: Json = False) -> Exit:
    """Map a stream's stored records again with the active mapping, without asking the vendor. Parked ones too."""
    wanted = parse_stream(stream)
    return _run(
        screen,
        "remap",
        str(wanted),
        lambda run: _remap(run, wanted),
        "throughline sync run --all delivers what changed",
    )


def _remap(run: Run, stream: Stream) -> None:
    run.ctx.mapping(stream.connection, stream.resource)  # a wrong name is refused, not silently nothing
    replay.remap(run.ctx, stream, run.counts)


@app.command("seed")
@verb
def seed(
    screen: Screen,
    name: Annotated[str, typer.Argument(help="Which sync.")],
    entity: Annotated[str, typer.Option("--entity", help="Only this entity's records.")] = "",
    json: Json = False,
) -> None:
    """Compare every golden record of a sync with its targets; the next run writes what differs and no more."""
    with desk(screen) as opened:
        marked = replay.seed(opened.context(), opened.sync(name), entity or None)
        screen.answer({"sync": name, "marked": marked})
        screen.say(f"{marked} records will be compared with their targets: throughline sync run {name}")


@app.command("backfill")
@verb
def backfill(
    screen: Screen,
    stream: StreamName,
    since: Annotated[datetime | None, typer.Option("--from", help="From this day or UTC instant on.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="Until this one, which is not included.")] = None,
    json: Json = False,
) -> Exit:
    """Read a window of a stream again, or all of it, with a checkpoint of its own; stopped, the same one goes on.

    Without --from and --to the whole stream is read, from zero to its end. Where only that shows what is gone (`deletes:
    sweep`), what it no longer shows is deleted; too much at once waits for a person.
    """
    wanted = parse_stream(stream)
    if (since is None) != (until is None):
        raise Usage("give --from and --to, or neither of them for the whole stream")
    window = None
    if since is not None and until is not None:
        window = instant(since.replace(tzinfo=UTC)), instant(until.replace(tzinfo=UTC))
        if window[0] >= window[1]:
            raise Usage("--from must lie before --to")
    return _run(
        screen,
        "backfill",
        str(wanted),
        lambda run: _backfill(screen, run, wanted, window),
        "throughline sync run --all delivers what changed",
    )


def _backfill(screen: Screen, run: Run, stream: Stream, window: tuple[int, int] | None) -> None:
    if window is not None and not run.ctx.declared(stream.connection, stream.resource).backfill:
        told_why = f"{stream} cannot be read by a window of time; without --from and --to, all of it is read"
        raise BadSetting(told_why, field="stream")
    told = backfill_forecast(run.ctx.store, run.ctx.connections, stream)
    if told is not None:
        calls, needs = told["calls"], told_time(told["seconds"])
        screen.note(f"this backfill needs {needs} at today's limits, for all that is known of {stream}: {calls} calls")
    syncing.read_one(run, stream, Watcher(), window=window, whole=window is None)


@app.command("reconcile")
@verb
def reconcile(
    screen: Screen,
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help="connection.resource; none: every target.")] = "",
    most: Annotated[int, typer.Option("--most", help="Records looked up at a target; 0: all.", min=0)] = 0,
    json: Json = False,
) -> Exit:
    """Settle lost answers that are due, then count both sides of a target and report what drifted. Repairs nothing."""
    with desk(screen) as opened:
        ctx = opened.context()
        targets = [parse_stream(target)] if target else [Stream(*each) for each in sorted(ctx.pins.targets)]
        found = [drift.compare(ctx, each, most or None) for each in targets]
        screen.answer({"targets": [asdict(each) | {"drifted": each.drifted} for each in found]})
        names = (
            "target",
            "bound",
            "held",
            "missing",
            "doubled",
            "elsewhere",
            "differing",
            "unknown",
            "pending",
            "note",
        )
        screen.show(table(list(names), [[getattr(each, name) for name in names] for each in found]))
        return Exit.FINDINGS if any(each.drifted for each in found) else Exit.OK


@verb
def prune(screen: Screen, json: Json = False) -> None:
    """Let payloads go whose time is over (see docs/reference/settings.md); ids, hashes and what is current stay."""
    with desk(screen) as opened:
        done = pruning.prune(opened.store, Retention())
        screen.answer({"pruned": done})
        screen.show(table(["what", "rows"], [[what, count] for what, count in done.items()]))


def _run(screen: Screen, kind: str, name: str, work: Callable[[Run], None], then: str) -> Exit:
    with desk(screen) as opened:
        told = tallies.told(_recorded(opened, kind, name, work)) | {"name": name}
        screen.answer(told)
        screen.show(tallies.tables([told])[0])
        screen.note(then)
        return tallies.exit_code([told["state"]])


def _recorded(opened: Desk, kind: str, name: str, work: Callable[[Run], None]) -> Run:
    with runs.recorded(opened.context(), kind, name) as run:
        work(run)
    return run
