"""`throughline trace`: one record's whole story."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from console import stories
from console.exits import Exit
from console.masking import Masker
from console.opening import desk, person
from console.rendering import Screen
from console.verb import By, Json, ShowValues, verb
from journey.stories import finding, tracing
from journey.stories.tracing import Story
from kernel import audit
from kernel.store import Store


@verb
def trace(
    screen: Screen,
    asked: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A trace id, e-mail, phone, domain, vendor id (or connection.resource:id), golden id, delivery id, "
            "dead letter id.",
        ),
    ],
    show_values: ShowValues = False,
    by: By = "",
    json: Json = False,
) -> Exit:
    """Raw versions → mapping revision → match decision → golden record → deliveries → attempts → vendor ids → runs."""
    with desk(screen) as opened:
        pins = opened.active_pins()
        found = finding.find(opened.store, pins.rules if pins else None, asked)
        if not found:
            screen.answer({"found_as": "", "goldens": [], "objects": []})
            screen.note("nothing here has that id, and no master record that identifier")
            return Exit.FINDINGS
        story = tracing.tell(opened.store, found)
        told = masked(story, Masker(pins.dictionary if pins else None, show_values))
        if show_values:
            _on_record(opened.store, story, person(by))
        screen.answer(told)
        screen.show(*stories.trees(told))
        return Exit.OK


def masked(story: Story, masker: Masker) -> dict[str, Any]:
    """The story as data, personal values masked."""
    told = asdict(story)
    if not masker.show and "@" in story.asked:
        told["asked"] = "•••"
    for golden in told["goldens"]:
        for name, each in golden["fields"].items():
            each["value"] = masker.value(golden["entity"], name, each["value"])
    return told


def _on_record(store: Store, story: Story, by: str) -> None:
    with store.write() as conn:
        for golden in story.goldens:
            audit.record(conn, store, by, "read golden record", golden["id"], "")
