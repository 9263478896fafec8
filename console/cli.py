"""`throughline`: the command line. Each verb is in `console.verbs`; this puts them together."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import Annotated

import typer

from console import verb
from console.verbs import (
    activate,
    again,
    approvals,
    check,
    connector,
    dead_letters,
    dictionary,
    identity,
    mapping,
    sandbox,
    serving,
    status,
    sync,
    trace,
    warehouse,
)

EPILOG = (
    "Exit codes: 0 done, 1 findings, 2 wrong command line, 3 stopped, 4 setting or store, 5 defect, 130 interrupted."
)

app = typer.Typer(
    name="throughline",
    help="Keeps a company's CRM and its other business systems telling one consistent story about each customer.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        try:
            number = importlib.metadata.version("throughline")
        except importlib.metadata.PackageNotFoundError:
            number = "(run from a checkout that is not installed; make setup)"
        sys.stdout.write(f"throughline {number}\n")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", hidden=True, help="Show tracebacks, log everything.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    verb.debug = debug


app.command("demo")(serving.demo)
app.command("up")(serving.up)
app.command("check")(check.check)
app.command("activate")(activate.activate)
app.add_typer(sync.app, name="sync")
app.command("status")(status.status)
app.command("prune")(again.prune)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(approvals.app, name="approvals")
app.command("pause")(approvals.pause)
app.command("resume")(approvals.resume)
app.command("trace")(trace.trace)
app.add_typer(identity.app, name="identity")
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(dictionary.app, name="dictionary")
app.add_typer(mapping.app, name="mapping")
app.add_typer(connector.app, name="connector")
app.command("sandbox")(sandbox.sandbox)


def main() -> None:
    """The console script. A closed pipe (`… | head`) is no error."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
