"""`throughline sync remap`, `backfill`, `seed`: what was read already mapped anew, a window read again, a target filled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from console import tallies
from console.exits import Exit, Usage
from console.opening import Desk, desk
from console.rendering import Screen
from console.verb import Json, verb
from journey import overview, replay, runs, syncing
from journey.context import parse_stream
from journey.runs import Run
from journey.syncing import Watcher
from kernel.clock import instant
from kernel.errors import BadSetting

StreamName = Annotated[
    str, typer.Argument(metavar="STREAM", help="connection.resource, such as stripe_main.customers.")
]
Moment = Annotated[
    str, typer.Option(metavar="MOMENT", help="2026-01-31 or 2026-01-31T12:00:00+01:00; UTC without a zone.")
]


@verb
def remap(screen: Screen, stream: StreamName, json: Json = False) -> Exit:
    """Map every stored record of a stream again with the active mapping, parked ones too; the vendor is not asked.

    What that changes is written by the next run of the syncs it names.
    """
    with desk(screen) as opened:
        ctx, wanted = opened.context(), parse_stream(stream)
        ctx.mapping(wanted.connection, wanted.resource)  # a wrong name is refused, not silently nothing
        with runs.recorded(ctx, "remap", str(wanted)) as run:
            replay.remap(ctx, wanted, run.counts)
        return _told(screen, opened, run)


@verb
def backfill(screen: Screen, stream: StreamName, start: Moment, end: Moment, json: Json = False) -> Exit:
    """Read a window of a stream again, with a checkpoint of its own: stopped in the middle, the same window goes on.

    What that changes is written by the next run of the syncs it names.
    """
    with desk(screen) as opened:
        ctx, wanted = opened.context(), parse_stream(stream)
        window = instant(_moment("--start", start)), instant(_moment("--end", end))
        if window[0] >= window[1]:
            raise Usage("the window ends before it begins")
        if not ctx.declared(wanted.connection, wanted.resource).backfill:
            raise BadSetting(f"{wanted} cannot be read by a window of time")
        with runs.recorded(ctx, "backfill", str(wanted)) as run:
            syncing.read_one(run, wanted, Watcher(), window=window)
        return _told(screen, opened, run)


@verb
def seed(
    screen: Screen,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which sync.")],
    entity: Annotated[
        str, typer.Option("--entity", help="Only this entity; without it all that the sync routes.")
    ] = "",
    json: Json = False,
) -> None:
    """Mark every golden record that a sync sends, so that its next run writes what the targets lack or hold otherwise."""
    with desk(screen) as opened:
        marked = replay.seed(opened.context(), opened.sync(name), entity or None)
        screen.answer({"sync": name, "marked": marked})
        screen.say(f"{marked} golden records will be compared with their targets: throughline sync run {name}")


def _told(screen: Screen, opened: Desk, run: Run) -> Exit:
    told = tallies.told(run)
    marked = sorted({each["sync"] for each in overview.overview(opened.store, 0)["to_plan"]})
    screen.answer(told | {"syncs": marked})
    screen.show(tallies.tables([told])[0])
    for error in told["errors"]:
        screen.fail(error)
    if marked:
        screen.say(f"Carry it to the targets: throughline sync run {' '.join(marked)}")
    return tallies.exit_code([told["state"]])


def _moment(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{option} takes a date or a time such as 2026-01-31 or 2026-01-31T12:00:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
