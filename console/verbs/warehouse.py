"""`throughline warehouse`: snapshot."""

from __future__ import annotations

import typer

from console.opening import desk
from console.rendering import Screen, table
from console.verb import Json, verb
from journey import runs
from journey.warehouse.snapshot import snapshot as taken

app = typer.Typer(
    help="The embedded warehouse: golden records and their history as a DuckDB file.", no_args_is_help=True
)


@app.command("snapshot")
@verb
def snapshot(screen: Screen, json: Json = False) -> None:
    """Replace the warehouse by one of today's golden records and their history. The former one stays until it is whole.

    The file and what personal data it holds: THROUGHLINE_WAREHOUSE and THROUGHLINE_WAREHOUSE_PERSONAL
    (docs/reference/settings.md).
    """
    with desk(screen) as opened:
        settings = opened.settings
        with runs.recorded(opened.context(), "snapshot", None) as run:
            ctx = run.ctx
            done = taken(ctx.store, ctx.pins.dictionary, settings.warehouse, settings.warehouse_personal, ctx.run_id)
        rows = [{"entity": name, "records": n, "versions": done.versions[name]} for name, n in done.records.items()]
        screen.answer({"file": str(done.path), "personal": settings.warehouse_personal, "entities": rows})
        screen.show(table(["entity", "records", "versions"], [list(row.values()) for row in rows if row["versions"]]))
        screen.say(f"{done.path} (personal data: {settings.warehouse_personal})")
