"""What the demo shows at its end: where everything went, one customer's way, what needs a person, and where to look further."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from console import tallies
from console.opening import Desk
from console.rendering import Screen, table
from dead_letter import inspecting
from dead_letter.inspecting import Filter
from journey.stories import finding, overview, tracing
from journey.stories.tracing import Told
from kernel.causes import CAUSES

EXAMPLE = "maya.okafor@alder-labs.example"
"""The customer who is shown: known to Stripe, Shopify, Zendesk and Typeform, and to neither CRM before."""

CURES = {
    ("shopify_main", "customers", "bad_value"): (
        "defaultEmailAddress.marketingUpdatedAt=2026-02-28T10:00:00Z",
        "February has no 30th",
    ),
    ("stripe_main", "invoices", "unknown_value"): ("status=open", "in review means not paid yet"),
}
"""By connection, resource and cause: the correction that cures one of the demo's letters, and why it is right."""

_WAITS = {
    "WAITING": "waits for a record whose own write needs a person",
    "PLANNED": "is due; run again",
    "UNKNOWN": "was never answered; the next run finds out or sends it again",
}


def tell(screen: Screen, opened: Desk, syncs: list[Told], url: str, seconds: float, *, elsewhere: bool) -> None:
    """Print everything, or the one JSON line. `elsewhere`: HOME was given by option, so commands must name it."""
    story = _story(opened)
    letters = inspecting.listed(opened.store, Filter(), limit=50)
    command = _command(opened.settings.home if elsewhere else None)
    screen.show(*tallies.tables(syncs))
    _tell_waiting(screen, opened)
    _tell_customer(screen, story, command)
    _tell_letters(screen, letters, command)
    _tell_places(screen, opened, url, seconds, command)
    screen.line(
        {
            "syncs": [
                {"name": each["name"], "inbound": each["inbound"], "outbound": each["outbound"]} for each in syncs
            ],
            "golden": overview.overview(opened.store, 0)["golden"],
            "dead_letters": inspecting.count(opened.store, Filter()),
            "trace_example": _example(story),
            "seconds": round(seconds, 1),
        }
    )


def _command(home: Path | None) -> str:
    """How `throughline` is called from here."""
    called = Path(sys.argv[0])
    found = shutil.which("throughline")
    if found is not None and called.name == "throughline" and Path(found).samefile(called):
        program = "throughline"
    elif called.name == "throughline":
        program = shlex.quote(os.path.relpath(called) if called.absolute().is_relative_to(Path.cwd()) else str(called))
    else:
        program = f"{shlex.quote(sys.executable)} -m console"
    return f"THROUGHLINE_HOME={shlex.quote(str(home))} {program}" if home else program


def _story(opened: Desk) -> tracing.Story:
    return tracing.tell(opened.store, finding.find(opened.store, opened.pins.rules, EXAMPLE))


def _example(story: tracing.Story) -> str:
    """The trace id of the version that the example's record came from last."""
    return str(story.goldens[0]["caused_by"]) if story.goldens else ""


def _tell_waiting(screen: Screen, opened: Desk) -> None:
    waiting = overview.overview(opened.store, 0)["pending"]
    for each in waiting:
        target = f"{each['connection']}.{each['resource']}"
        screen.say(f"{each['deliveries']} pending: {target} {_WAITS.get(each['state'], each['state'])}", "dim")


def _tell_customer(screen: Screen, story: tracing.Story, command: str) -> None:
    if not story.goldens:
        return
    record = story.goldens[0]
    written = {(seat["connection"], seat["resource"]): seat for seat in record["bindings"]}
    objects = {each["id"]: each for each in story.objects}
    screen.say("\nOne customer's way", "bold")
    rows = []
    for member in record["members"]:
        told = objects[member["object"]]
        if (told["connection"], told["resource"]) not in written and told["versions"]:
            newest = told["versions"][-1]
            place = f"{told['connection']}.{told['resource']}"
            rows.append([place, told["vendor_id"], newest["trace_id"], newest["state"], ", ".join(member["shares"])])
    screen.show(table(["read from", "vendor id", "trace id", "state", "matched by"], rows))
    parts = f"  ↓  one {record['entity']}: golden record {record['id']}, version {record['version']}"
    screen.say(f"{parts}, of {len(rows)} records read\n")
    sent = [_written(each) for each in story.deliveries if each["golden"] == record["id"]]
    screen.show(table(["written to", "vendor id", "delivery", "state", "vendor's request id"], sent))
    screen.say(f"the whole of it: {command} trace {record['id']}", "dim")


def _written(told: Told) -> list[Any]:
    request = told["attempts"][-1]["request_id"] if told["attempts"] else ""
    return [f"{told['connection']}.{told['resource']}", told["vendor_id"], told["id"], told["state"], request]


def _tell_letters(screen: Screen, letters: list[Told], command: str) -> None:
    screen.say("\nDead letters: what needs a person", "bold")
    rows = []
    for each in letters:
        cause = CAUSES.get(each["cause"])
        place = f"{each['connection']}.{each['resource']}"
        rows.append([each["id"], place, each["cause"], each["message"], cause.fix if cause else ""])
    screen.show(table(["letter", "where", "cause", "why", "usual fix"], rows))
    cured = next((each for each in letters if (each["connection"], each["resource"], each["cause"]) in CURES), None)
    if cured is None:
        return
    change, why = CURES[cured["connection"], cured["resource"], cured["cause"]]
    screen.say("This corrects one of them and sends it on:", "dim")
    screen.say(fix(command, cured["id"], change, why), "bold")


def fix(command: str, letter: str, change: str, why: str) -> str:
    """The shell line that edits a letter and replays it."""
    edit = f"{command} dead-letters edit {letter} --set {shlex.quote(change)} --why {shlex.quote(why)}"
    return f"{edit} && {command} dead-letters replay {letter} --mode edited"


def _tell_places(screen: Screen, opened: Desk, url: str, seconds: float, command: str) -> None:
    settings = opened.settings
    screen.say("\nWhere to look", "bold")
    rows = [
        ["data", str(settings.home), "the store, Prefect's database, the simulators' journals, logs"],
        ["Prefect", f"{url}/runs", "these runs, with their counts and dead letters"],
        ["again", f"{command} sync run --all", "writes nothing while nothing changes"],
        ["how it stands", f"{command} status", ""],
        ["end the servers", f"{command} demo --stop", "simulators and Prefect run on until then"],
    ]
    screen.show(table(["", "", ""], rows))
    screen.show(Text(f"{seconds:.0f} seconds", style="dim"))
