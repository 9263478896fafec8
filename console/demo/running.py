"""The demo from start to end: servers up, documents active, every sync run through Prefect, then what became of it all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.progress import Progress, TaskID

from console import flowing, tallies
from console.demo import backstage, stage, telling
from console.demo.backstage import Simulators
from console.exits import Exit
from console.opening import Desk, desk
from console.rendering import Screen
from journey import activation
from journey.counts import Inbound
from journey.syncing import Watcher
from journey.syncs import Stream
from kernel.settings import Settings

T = TypeVar("T")


def run(json: bool = False, home: Path | None = None, stop: bool = False) -> Exit:
    """Run the demo in HOME (or `home`), or end what an earlier one left running. Killed at any moment, the next run goes on."""
    began = time.monotonic()
    elsewhere = home is not None and home.absolute() != Settings.from_environment().home
    if home is not None:
        os.environ["THROUGHLINE_HOME"] = str(home.absolute())
    screen = Screen(json)
    with desk(screen) as opened:
        if stop:
            return _stop(screen, opened)
        stage.require_ours(opened.settings, opened.store)
        with screen.progress() as live:
            shown = _Shown(screen, live)
            url = _set_up(opened, shown)
            syncs = [_run_one(opened, shown, sync.name) for sync in opened.syncs((), every=True)]
        seconds = time.monotonic() - began
        telling.tell(screen, opened, syncs, url, seconds, elsewhere=elsewhere)
        failed = tallies.exit_code(each["state"] for each in syncs) is Exit.STOPPED
        return Exit.STOPPED if failed else Exit.OK


def _stop(screen: Screen, opened: Desk) -> Exit:
    """End the simulators and the Prefect server. Nothing is lost: the next demo starts them again."""
    settings = opened.settings
    ended = {
        "simulators": backstage.stop(stage.folder(settings) / "sandbox"),
        "prefect": flowing.stop_server(settings.home),
    }
    screen.answer({"stopped": ended})
    for name, was in ended.items():
        screen.say(f"{name}: {'ended' if was else 'not running'}")
    return Exit.OK


@dataclass(slots=True)
class _Shown:
    """What a person sees meanwhile: a live line each for what goes on, a plain one for what is done."""

    screen: Screen
    live: Progress
    tasks: dict[str, TaskID] = field(default_factory=dict)

    def line(self, label: str, told: str) -> None:
        if label not in self.tasks:
            self.tasks[label] = self.live.add_task(label, total=None, told=told)
        self.live.update(self.tasks[label], told=told)

    def done(self, label: str, told: str, *gone: str) -> None:
        for each in (label, *gone):
            if each in self.tasks:
                self.live.remove_task(self.tasks.pop(each))
        self.screen.note(f"{label}: {told}")


def _set_up(opened: Desk, shown: _Shown) -> str:
    """Simulators and Prefect's server start side by side, while the store opens and Prefect is imported here; its address."""
    settings, began = opened.settings, time.monotonic()
    launched = threading.Event()

    def waiting(seconds: float) -> None:
        launched.set()
        shown.line("Prefect server", f"starting, {seconds:.0f} s")

    prefect = _Aside(lambda: flowing.start_server(settings.home, waiting))
    simulators = _Aside(
        lambda: backstage.start(stage.folder(settings) / "sandbox", lambda s: shown.line("simulators", f"{s:.0f} s"))
    )
    found: Simulators = simulators.result()
    shown.done("simulators", f"{', '.join(found.urls)} answer on 127.0.0.1 ({time.monotonic() - began:.1f} s)")
    stage.describe(settings, found)
    activation.activate(opened.store, settings.config, opened.described, by="demo")
    shown.done("documents", f"dictionary, mappings, rules and {len(opened.pins.syncs)} syncs are active")
    while prefect.running and not launched.wait(0.1):
        pass  # its process must not inherit what the next line sets
    flowing.import_prefect(settings.home)
    url = prefect.result()
    shown.done("Prefect server", f"{url} ({time.monotonic() - began:.1f} s)")
    return url


class _Aside(Generic[T]):
    """Work in a thread that does not keep the process from ending."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._value: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._carry_out, args=(work,), daemon=True)
        self._thread.start()

    def _carry_out(self, work: Callable[[], T]) -> None:
        try:
            self._value = work()
        except BaseException as error:  # told to whoever asks for the result
            self._error = error

    @property
    def running(self) -> bool:
        """It has not ended yet."""
        return self._thread.is_alive()

    def result(self) -> T:
        """What came of it; raises what it raised."""
        while self._thread.is_alive():
            self._thread.join(0.2)  # a join without end cannot be interrupted
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set where there is no error


def _run_one(opened: Desk, shown: _Shown, name: str) -> dict[str, Any]:
    """One sync through Prefect; the finished run as data."""
    began, labels = time.monotonic(), [f"{name} ←", f"{name} →"]

    def read(stream: Stream, counts: Inbound) -> None:
        shown.line(labels[0], f"{stream}: {counts.read} read, {counts.landed} landed, {counts.parked} parked")

    def delivered(target: Stream, done: int) -> None:
        shown.line(labels[1], f"{target}: {done} delivered")

    shown.line(name, "")
    told = flowing.run_sync(opened, name, Watcher(read=read, delivered=delivered), lambda _: None)
    counts = {**told["inbound"], **told["outbound"]}
    letters = counts.get("parked", 0) + counts.get("dead", 0)
    text = f"{counts.get('read', 0)} read, {counts.get('applied', 0)} written, {letters} dead letters"
    shown.done(name, f"{text} ({time.monotonic() - began:.1f} s)", *labels)
    for error in told["errors"]:
        shown.screen.fail(f"{name}: {error}")
    return told
