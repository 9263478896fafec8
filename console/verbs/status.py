"""`throughline status`: where everything stands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from console.exits import Exit
from console.opening import desk
from console.rendering import Screen, table
from console.verb import Json, verb
from dead_letter import inspecting
from journey.stories.overview import overview


@verb
def status(
    screen: Screen,
    runs: Annotated[int, typer.Option("--runs", min=0, help="How many of the newest runs.")] = 10,
    json: Json = False,
) -> Exit:
    """Runs, pending writes, dead letters, checkpoints, budgets, leases held and golden records."""
    with desk(screen) as opened:
        told = overview(opened.store, runs)
        told["dead_letters"] = inspecting.grouped(opened.store, inspecting.Filter())
        screen.answer(told)
        screen.show(*(made for made in _tables(told) if made.row_count))
        if not told["runs"]:
            screen.say("Nothing ran yet: throughline sync run --all")
        return Exit.FINDINGS if told["dead_letters"] else Exit.OK


def _tables(told: dict[str, Any]) -> list[Any]:
    return [
        table(
            ["run", "kind", "sync", "state", "started", "seconds", "read", "applied", "parked", "dead"],
            [
                [
                    r["id"],
                    r["kind"],
                    r["sync"],
                    r["state"],
                    r["started_at"],
                    r["seconds"],
                    r["inbound"].get("read"),
                    r["outbound"].get("applied"),
                    r["inbound"].get("parked"),
                    r["outbound"].get("dead"),
                ]
                for r in told["runs"]
            ],
            "runs",
        ),
        table(["sync", "noticed", "times"], _noticed(told["runs"]), "noticed in these runs"),
        _listed("pending writes", told["pending"], ["sync", "connection", "resource", "state", "deliveries"]),
        _listed("records to plan", told["to_plan"], ["sync", "entity", "records"]),
        table(
            ["cause", "connection", "resource", "field", "letters", "newest", "usual fix"],
            [[g.cause, g.connection, g.resource, g.field, g.letters, g.newest, g.fix] for g in told["dead_letters"]],
            "dead letters",
        ),
        _listed("checkpoints", told["checkpoints"], ["connection", "resource", "backfill", "updated_at"]),
        _listed("budgets", told["budgets"], ["connection", "budget", "used", "since", "blocked_until"]),
        _listed("leases held", told["leases"], ["name", "holder", "fence", "until"]),
        table(["state", "receipts"], told["receipts"].items(), "webhook receipts"),
        table(["entity", "golden records"], told["golden"].items(), "golden records"),
    ]


def _noticed(runs: list[dict[str, Any]]) -> list[list[Any]]:
    """What the newest run of each sync warned of: drift of a vendor's fields, values left out, counts that shrank."""
    newest = {(run["kind"], run["sync"]): run for run in reversed(runs)}
    return [[run["sync"], what, times] for run in newest.values() for what, times in run["warnings"].items()]


def _listed(title: str, rows: list[dict[str, Any]], names: list[str]) -> Any:
    columns = [name.replace("_", " ") for name in names]
    return table(columns, [[row[name] for name in names] for row in rows], title)
