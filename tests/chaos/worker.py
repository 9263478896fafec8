"""A worker process: the real engine on a real home, sync after sync and replay after replay, until somebody kills it.

With `--calm` it goes on until nothing is pending and moves the shared time on itself between its rounds: then it is alone,
and no request is under way.
"""

from __future__ import annotations

import os
import random
import sys
import traceback
from contextlib import suppress

import structlog
from sqlalchemy import func, select

from connectors.base import Connector
from dead_letter import deciding, inspecting
from journey import activation, runs
from journey.connecting import OpenConnections
from journey.context import Context, Pins
from journey.interventions import approving
from journey.interventions.replay import replay_letters
from journey.syncing import run_sync
from kernel import approvals
from kernel.approvals import Answer
from kernel.clock import SECOND
from kernel.errors import BadSetting, Broken, ThroughlineError
from kernel.leases import Held
from kernel.ledger.states import PENDING, State
from kernel.settings import Settings, load_connections
from kernel.store import Store
from kernel.store.tables import dead_letter, delivery, dirty
from tests.chaos.pace import Pace
from tests.chaos.place import SYNCS, Place, own_systems

TIMEOUT = 0.5
"""Seconds (the wall's) until a request is given up; twenty of the storm's at its usual speed is less than any max_processing."""
ROUNDS = 60
QUIET = 3
"""Rounds without news, each longer than any safety lag, after which the calm is believed."""


class Impatient(OpenConnections):
    """Connections that give up soon."""

    def open(self, name: str) -> Connector:
        """As always, with a short timeout."""
        opened = super().open(name)
        opened.http.timeout = TIMEOUT
        return opened


class Work:
    """What a worker does."""

    def __init__(self, settings: Settings) -> None:
        """Open everything."""
        pace = Pace(settings.home / "pace")
        self.pace = pace
        self.store: Store = Place(settings.home, settings.database_url, pace, {}).store()
        described = load_connections(settings.connections_file)
        self.connections = Impatient(self.store, described, os.environ)
        self.pins: Pins = activation.pins(self.store, settings.home, described)

    def context(self) -> Context:
        """A fresh run's."""
        return Context(self.store, self.pins, self.connections)

    def sync(self, name: str) -> int:
        """Run a sync; how much was new."""
        ctx = self.context()
        run = run_sync(ctx, ctx.pins.syncs[name])
        for error in run.stopped:
            print(f"{'broken' if isinstance(error, Broken) else 'stopped'}: {error}", flush=True)  # noqa: T201
        return run.counts.inbound.landed + run.counts.inbound.parked + run.counts.outbound.applied

    def replay(self) -> int:
        """As a person who looks at every letter and sends it again; how many there were."""
        ctx = self.context()
        letters = inspecting.ids(ctx.store, inspecting.Filter())
        deciding.request_replay(ctx.store, letters, deciding.Mode.VERBATIM, by="eva")
        with runs.recorded(ctx, "replay", None) as run:
            replay_letters(ctx, run.counts)
        return len(letters)

    def release(self) -> int:
        """As a person who lets pass whatever is held; how much was asked."""
        ctx = self.context()
        with ctx.store.read() as conn:
            asked = [question.id for question in approvals.open_questions(conn) if question.state == Answer.ASKED]
        for question in asked:
            with suppress(BadSetting):  # another set by now, or another worker's person was faster
                approving.release(ctx, question, by="eva", why="storms change much")
        return len(asked)

    def storm(self) -> None:
        """Until killed."""
        while True:
            for name in random.sample(sorted(SYNCS), len(SYNCS)):
                self._try(lambda name=name: self.sync(name))  # type: ignore[misc]
            if random.random() < 0.3:
                self._try(self.replay)
                self._try(self.release)
            self.pace.sleep(random.uniform(0.5, 5))

    def calm(self) -> None:
        """Until nothing is pending."""
        quiet = 0
        for _ in range(ROUNDS):
            news = sum(self._try(lambda name=name: self.sync(name)) for name in SYNCS)  # type: ignore[misc]
            news += self._try(self.replay) + self._try(self.release)
            waiting, due = self._waiting()
            quiet = quiet + 1 if not (news or waiting) else 0
            if quiet >= QUIET:
                return
            self.pace.jump(max(130.0, min(due, 86_400.0)))

    def _waiting(self) -> tuple[int, float]:
        """How much is pending, and in how many seconds the first of it is due."""
        with self.store.read() as conn:
            pending = conn.execute(select(func.count()).where(delivery.c.state.in_(PENDING))).scalar_one()
            marks = conn.execute(select(func.count()).select_from(dirty)).scalar_one()
            letters = conn.execute(
                select(func.count()).where(dead_letter.c.state.in_(("open", "replaying")))
            ).scalar_one()
            due = select(func.min(delivery.c.not_before)).where(delivery.c.state.in_((State.PLANNED, State.UNKNOWN)))
            first = conn.execute(due).scalar_one()
        return pending + marks + letters, ((first or 0) - self.pace.now()) / SECOND

    def _try(self, deed) -> int:  # type: ignore[no-untyped-def]
        try:
            return int(deed() or 0)
        except Held:
            return 1
        except ThroughlineError as error:
            print(f"{'broken' if isinstance(error, Broken) else 'ended'}: {type(error).__name__} {error}", flush=True)  # noqa: T201
        except Exception as defect:
            place = traceback.extract_tb(defect.__traceback__)[-1]
            print(f"defect: {type(defect).__name__} at {place.filename}:{place.lineno}: {defect}", flush=True)  # noqa: T201
        return 1


def main() -> int:
    """Work."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with own_systems():
        work = Work(Settings.from_environment())
        work.calm() if "--calm" in sys.argv else work.storm()
    return 0


if __name__ == "__main__":
    sys.exit(main())
