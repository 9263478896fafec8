"""`throughline up` and `throughline demo`: what starts servers."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from console import flowing
from console.demo import run as run_demo
from console.exits import Exit, Usage
from console.opening import desk
from console.rendering import Screen, table
from console.verb import Json, verb


@verb
def up(
    screen: Screen,
    stop: Annotated[bool, typer.Option("--stop", help="End the server instead.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say whether it runs. 1: it does not.")] = False,
    deploy: Annotated[
        bool,
        typer.Option("--deploy", help="Then put the deployments of prefect.yaml on it, for schedules and workers."),
    ] = False,
    worker: Annotated[
        bool, typer.Option("--worker", help="Deploy, then run a worker in this process, until Ctrl-C.")
    ] = False,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Then receive webhooks and web forms in this process, until Ctrl-C.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", help="Where webhooks are listened for; TLS is a proxy's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port for webhooks.")] = 8410,
    json: Json = False,
) -> Exit:
    """Start the local Prefect server of this THROUGHLINE_HOME and leave it running, for flows and for its screens."""
    if stop + status + (deploy or worker or webhooks) > 1 or worker + webhooks > 1:
        raise Usage("give one of --stop, --status, --worker and --webhooks; --deploy goes with the last two")
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
                if deploy or worker:
                    live.update(task, description="putting the deployments on it")
                    flowing.deploy(home, lambda waited: None)
        screen.answer({"running": url is not None, "url": url, "home": str(home)})
        told = url or "not running; start it: throughline up"
        screen.show(table(["", ""], [["Prefect", told], ["data", str(home)], ["config", str(opened.settings.config)]]))
        if deploy and not worker:
            screen.say("Scheduled runs need a worker: throughline up --worker")
        if worker:
            screen.say("Runs are carried out here, from Prefect's Deployments page and by schedule; Ctrl-C ends it")
            return Exit.OK if flowing.work(home) == 0 else Exit.FINDINGS
        if webhooks:
            screen.say(f"Webhooks: http://{host}:{port}/hooks/<connection>, web forms: /forms/<form>; Ctrl-C ends it")
            importlib.import_module("console.reception").serve(opened, host, port)  # late: a web framework
        return Exit.OK if url else Exit.FINDINGS


@verb
def demo(
    screen: Screen,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where the demo's data lives. Default: THROUGHLINE_HOME.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the simulators and the Prefect server instead.")] = False,
    json: Json = False,
) -> Exit:
    """Run the whole journey on six simulated systems, and show what became of every record."""
    return run_demo(json=json, home=home, stop=stop)
