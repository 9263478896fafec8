"""`throughline status`: where everything stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from console.exits import Exit
from console.opening import Desk, desk
from console.rendering import Screen, table
from console.verb import Json, verb
from dead_letter import inspecting
from journey.stories.budgets import forecasts, told_time
from journey.stories.overview import overview
from kernel.errors import BadSetting


@verb
def status(
    screen: Screen,
    runs: Annotated[int, typer.Option("--runs", min=0, help="How many of the newest runs.")] = 10,
    json: Json = False,
) -> Exit:
    """Runs, what waits for a person, pending writes, dead letters, checkpoints, budgets and forecasts, leases, golden records."""
    with desk(screen) as opened:
        told = overview(opened.store, runs)
        told["forecasts"] = _forecasts(opened)
        told["dead_letters"] = inspecting.grouped(opened.store, inspecting.Filter())
        screen.answer(told)
        screen.show(*(made for made in _tables(told) if made.row_count))
        for each in told["approvals"]:
            screen.say(each["command"], "dim") if each["command"] else None
        if not told["runs"]:
            screen.say("Nothing ran yet: throughline sync run --all")
        return Exit.FINDINGS if told["dead_letters"] or told["approvals"] else Exit.OK


def _forecasts(opened: Desk) -> list[dict[str, Any]]:
    """What the work to do needs at today's limits; nothing where the connections are not described (any more)."""
    pins = opened.active_pins()
    try:
        return forecasts(opened.store, opened.connections, pins.syncs if pins is not None else {})
    except BadSetting:
        return []


def _forecast_row(told: dict[str, Any]) -> list[Any]:
    """A moment to look at the clock: the local time, and the day where it is not today."""
    done = datetime.fromisoformat(told["done_at"]).astimezone()
    when = f"{done:%H:%M}" if done.date() == datetime.now(UTC).astimezone().date() else f"{done:%a %d %b %H:%M}"
    return [told["connection"], told["work"], told["records"], told["calls"], told_time(told["seconds"]), when]


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
        _listed("waits for a person", told["approvals"], ["id", "kind", "sync", "where", "waiting", "because"]),
        _listed("pending writes", told["pending"], ["sync", "connection", "resource", "state", "deliveries"]),
        _listed("records to plan", told["to_plan"], ["sync", "entity", "records"]),
        table(
            ["cause", "connection", "resource", "field", "letters", "newest", "usual fix"],
            [[g.cause, g.connection, g.resource, g.field, g.letters, g.newest, g.fix] for g in told["dead_letters"]],
            "dead letters",
        ),
        _listed("checkpoints", told["checkpoints"], ["connection", "resource", "backfill", "updated_at"]),
        _listed(
            "budgets", told["budgets"], ["connection", "budget", "limit", "used", "left", "full_at", "blocked_until"]
        ),
        _listed(
            "vendors that failed", told["circuits"], ["connection", "state", "failures", "open_since", "next_try_at"]
        ),
        table(
            ["connection", "work", "records", "calls", "needs", "done about"],
            [_forecast_row(each) for each in told["forecasts"]],
            "at today's limits",
        ),
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
