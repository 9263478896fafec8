"""`throughline sync`: list, run, plan, status."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from console import flowing, tallies
from console.exits import Exit, exit_of
from console.masking import Masker
from console.opening import Desk, desk
from console.rendering import Screen, short, table
from console.verb import Json, ShowValues, verb
from journey.counts import Inbound
from journey.outbound import planning
from journey.outbound.comparing import Change
from journey.stories import overview
from journey.syncing import Watcher, run_sync
from journey.syncs import Stream, Sync
from journey.waiting import because
from kernel.errors import ThroughlineError

app = typer.Typer(help="Syncs: what is read from where and written to where.", no_args_is_help=True)


@app.command("list")
@verb
def list_(screen: Screen, json: Json = False) -> None:
    """The active syncs with their streams, routes and schedules."""
    with desk(screen) as opened:
        found = [_described(sync) for sync in opened.pins.syncs.values()]
        screen.answer({"syncs": found})
        rows = [[s["name"], s["schedule"], "\n".join(s["streams"]), "\n".join(s["routes"])] for s in found]
        screen.show(table(["sync", "schedule", "reads", "writes"], rows))


def _described(sync: Sync) -> dict[str, Any]:
    return {
        "name": sync.name,
        "description": sync.description,
        "schedule": sync.schedule,
        "streams": [str(stream) for stream in sync.streams],
        "routes": [str(route) for route in sync.routes],
    }


@app.command("run")
@verb
def run(
    screen: Screen,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which syncs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every active sync, parents first.")] = False,
    flow: Annotated[
        bool | None,
        typer.Option(
            "--flow/--no-flow",
            help="As Prefect flows, the server started where it does not run; or in this process alone. "
            "Default: as flows where a server runs.",
        ),
    ] = None,
    json: Json = False,
) -> Exit:
    """Run syncs now: read, match, plan, deliver. Runs again change nothing when nothing changed.

    A sync that cannot go on does not keep the others from running.
    """
    with desk(screen) as opened:
        syncs, done, codes = opened.syncs(names or (), every), [], []
        through_prefect = flowing.server_url(opened.settings.home) is not None if flow is None else flow
        for sync in syncs:
            told, code = _run_one(screen, opened, sync, through_prefect)
            done.append(told)
            codes.append(code)
        screen.answer({"syncs": done})
        screen.show(*tallies.tables(done))
        _tell_troubles(screen, done)
        return max(codes, default=Exit.OK)


def _run_one(screen: Screen, opened: Desk, sync: Sync, flow: bool) -> tuple[dict[str, Any], Exit]:
    try:
        with screen.progress() as live:
            shown = _Live(live, sync.name)
            if flow:
                told = flowing.run_sync(opened, sync.name, shown.watcher(), shown.starting)
            else:
                told = tallies.told(run_sync(opened.context(), sync, shown.watcher()))
        return told, tallies.exit_code([told["state"]])
    except ThroughlineError as error:
        told = {"name": sync.name, "run": None, "state": "failed", "inbound": {}, "outbound": {}}
        return {**told, "warnings": {}, "waiting": [], "errors": [str(error)]}, exit_of(error)


class _Live:
    """Shows a run while it goes on: a line per stream and per target."""

    def __init__(self, live: Progress, name: str) -> None:
        self.live, self.name = live, name
        self._tasks: dict[str, TaskID] = {}

    def watcher(self) -> Watcher:
        """For the journey to call."""
        return Watcher(read=self._read, delivered=self._delivered)

    def starting(self, waited: float) -> None:
        """The Prefect server is being waited for."""
        self._line("starting the Prefect server", f"{waited:.0f} s")

    def _read(self, stream: Stream, counts: Inbound) -> None:
        self._line(f"{self.name} ← {stream}", f"{counts.read} read, {counts.landed} landed, {counts.parked} parked")

    def _delivered(self, target: Stream, done: int) -> None:
        self._line(f"{self.name} → {target}", f"{done} delivered")

    def _line(self, label: str, told: str) -> None:
        if label not in self._tasks:
            self._tasks[label] = self.live.add_task(label, total=None, told=told)
        self.live.update(self._tasks[label], told=told)


def _tell_troubles(screen: Screen, done: list[dict[str, Any]]) -> None:
    for each in done:
        for what, times in each["warnings"].items():
            screen.warn(f"{each['name']}: {what}" + (f" ({times}×)" if times > 1 else ""))
        for error in each["errors"]:
            screen.fail(f"{each['name']}: {error}")
        for question in each["waiting"]:
            screen.note(f"{each['name']} waits: {question['because']}\n{question['command']}".rstrip(), "yellow")
    if any(each["inbound"].get("parked") or each["outbound"].get("dead") for each in done):
        screen.note("dead letters were written: throughline dead-letters groups")


@app.command("plan")
@verb
def plan(
    screen: Screen,
    name: Annotated[str, typer.Argument(help="Which sync.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Look at this many records of each entity.")] = 100,
    show_values: ShowValues = False,
    json: Json = False,
) -> None:
    """What the next run would write of what is read already, field by field (before → after), and what would wait for a yes.

    Writes nothing. What its reads will find, changes and objects that are gone, is not in it.
    """
    with desk(screen) as opened:
        sync, ctx = opened.sync(name), opened.context()
        masker = Masker(opened.pins.dictionary, show_values)
        found = planning.preview(ctx, sync, limit)
        changes = [_change(opened, sync, masker, change) for change in found.changes]
        waiting = [each for each in overview.overview(opened.store, 0)["to_plan"] if each["sync"] == name]
        held = [{"kind": each.kind, "where": each.place, "because": because(each)} for each in found.waiting]
        screen.answer({"sync": name, "changes": changes, "would_wait": held, "to_plan": waiting})
        rows = [_row(change, field) for change in changes for field in change["fields"] or [None]]
        screen.show(table(["target", "action", "golden record", "field", "before", "", "after"], rows))
        total = sum(each["records"] for each in waiting)
        for each in held:
            screen.note(f"would wait for a yes at {each['where']}: {each['because']}", "yellow")
        if any(each["records"] > limit for each in waiting):
            screen.note(f"{limit} records of each entity were looked at; more may wait: --limit {total}")
        screen.say(f"{len(changes)} writes planned from {total} records to look at; nothing was written.")


def _change(opened: Desk, sync: Sync, masker: Masker, change: Change) -> dict[str, Any]:
    connection, _, resource = change.target.partition(".")
    route = next(r for r in sync.routes if (r.connection, r.resource) == (connection, resource))
    part = opened.context().mapping(connection, resource).target_part(route.entity)
    return {
        "target": change.target,
        "action": str(change.action),
        "golden": change.golden_id,
        "binding": change.ext_key,
        "fields": [
            {"field": name, "before": masker.written(part, name, before), "after": masker.written(part, name, after)}
            for name, (before, after) in change.fields.items()
        ],
        "references": change.refs,
    }


def _row(change: dict[str, Any], field: dict[str, Any] | None) -> list[Any]:
    head = [change["target"], change["action"], change["golden"]]
    if field is None:
        refs = ", ".join(f"{name} = {end}" for name, end in change["references"].items())
        return [*head, refs, "", "", ""]
    before, after = (None if field[side] is None else short(field[side]) for side in ("before", "after"))
    return [*head, field["field"], before or "–", "→", after or "–"]


@app.command("status")
@verb
def status(
    screen: Screen,
    name: Annotated[str | None, typer.Argument(help="One sync; every sync without it.")] = None,
    json: Json = False,
) -> None:
    """Each sync's last run, what waits to be planned and sent, and where its streams stand."""
    with desk(screen) as opened:
        syncs = opened.syncs([name] if name else [], every=name is None)
        last, standing = overview.last_runs(opened.store), overview.overview(opened.store, 0)
        found = [_standing(sync, last.get(sync.name), standing) for sync in syncs]
        screen.answer({"syncs": found})
        rows = [_status_row(each) for each in found]
        screen.show(table(["sync", "last run", "state", "to plan", "pending", "streams read up to"], rows))
        runs = [each["last_run"] | {"name": each["name"]} for each in found if each["last_run"]]
        screen.show(*tallies.tables(runs))


def _standing(sync: Sync, last: dict[str, Any] | None, standing: dict[str, Any]) -> dict[str, Any]:
    streams = {str(stream) for stream in sync.streams}
    return {
        "name": sync.name,
        "schedule": sync.schedule,
        "last_run": last,
        "to_plan": sum(each["records"] for each in standing["to_plan"] if each["sync"] == sync.name),
        "pending": [each for each in standing["pending"] if each["sync"] == sync.name],
        "checkpoints": [
            each for each in standing["checkpoints"] if f"{each['connection']}.{each['resource']}" in streams
        ],
    }


def _status_row(each: dict[str, Any]) -> list[Any]:
    last = each["last_run"] or {}
    pending = "\n".join(f"{p['connection']}.{p['resource']} {p['state']} {p['deliveries']}" for p in each["pending"])
    stood = "\n".join(f"{c['connection']}.{c['resource']} {c['updated_at']}" for c in each["checkpoints"])
    return [each["name"], last.get("started_at") or "never", last.get("state"), each["to_plan"], pending, stood]
