"""`throughline up` and `throughline demo`: what starts servers."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from console import flowing
from console.exits import Exit, Usage
from console.opening import desk
from console.rendering import Screen, table
from console.verb import Json, verb


@verb
def up(
    screen: Screen,
    stop: Annotated[bool, typer.Option("--stop", help="End the server instead.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say whether it runs. 1: it does not.")] = False,
    json: Json = False,
) -> Exit:
    """Start the local Prefect server of this THROUGHLINE_HOME and leave it running, for flows and for its screens."""
    if stop and status:
        raise Usage("give --stop or --status, not both")
    with desk(screen) as opened:
        home = opened.settings.home
        if stop:
            ended = flowing.stop_server(home)
            screen.answer({"running": False, "stopped": ended})
            screen.say("The Prefect server was ended." if ended else "No Prefect server was running.")
            return Exit.OK
        if status:
            url = flowing.server_url(home)
        else:
            with screen.progress() as live:
                task = live.add_task("starting the Prefect server", total=None, told="")
                url = flowing.start_server(home, lambda waited: live.update(task, told=f"{waited:.0f} s"))
        screen.answer({"running": url is not None, "url": url, "home": str(home)})
        told = url or "not running; start it: throughline up"
        screen.show(table(["", ""], [["Prefect", told], ["data", str(home)], ["config", str(opened.settings.config)]]))
        return Exit.OK if url else Exit.FINDINGS


@verb
def demo(
    screen: Screen,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where the demo's data lives. Default: THROUGHLINE_HOME.")
    ] = None,
    json: Json = False,
) -> Exit:
    """Run the whole journey on six simulated systems, and show what became of every record."""
    if importlib.util.find_spec("console.demo") is None:
        raise Usage("this release has no demo")
    shown = importlib.import_module("console.demo")  # late: it starts flows and simulators
    return Exit(shown.run(json=json, home=home) or Exit.OK)
