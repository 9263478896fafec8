"""Filling simulators with the demo's customers: `fill` writes the journals that are not there yet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sandbox.seeding import crm, forms, payments, shop, support
from sandbox.seeding.calendar import Calendar
from sandbox.seeding.world import World, invent
from sandbox.server import find_simulators
from sandbox.simulator import Simulator
from sandbox.state import State

__all__ = ["fill", "invent"]

Filler = Callable[[Simulator, World, Calendar], None]

FILLERS: Mapping[str, Filler] = {
    "stripe": payments.fill,
    "shopify": shop.fill,
    "zendesk": support.fill,
    "typeform": forms.fill,
    "hubspot": crm.fill_hubspot,
    "salesforce": crm.fill_salesforce,
}
"""What puts the world into each system."""


def fill(home: Path, systems: Iterable[str], now: int | None = None) -> list[str]:
    """Fill the simulators of these systems that have no journal in `home`; which ones. `now`: epoch seconds.

    A journal is written beside its place and renamed when it is whole: killed in between, the next call starts it anew.
    """
    world, known = invent(), find_simulators()
    filled = []
    for system in systems:
        journal, draft = home / f"{system}.jsonl", home / ".filling" / f"{system}.jsonl"
        if journal.exists() or system not in FILLERS:
            continue
        draft.unlink(missing_ok=True)
        state = State(draft)
        calendar = Calendar(state, now if now is not None else int(time.time()))
        calendar.go(120)  # what a simulator itself puts there is as old
        FILLERS[system](known[system](state), world, calendar)
        state.close()
        os.replace(draft, journal)
        filled.append(system)
    return filled
