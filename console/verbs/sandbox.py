"""`throughline sandbox`: the vendors' simulators, on loopback."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from console import simulated
from console.exits import Usage
from console.rendering import Screen, table
from console.verb import Json, verb
from kernel import documents
from kernel.settings import Settings

if TYPE_CHECKING:
    from sandbox import Box


@verb
def sandbox(
    screen: Screen,
    systems: Annotated[
        str, typer.Option("--systems", help="Which, separated by commas. Default: every simulator there is.")
    ] = "",
    load: Annotated[
        Path | None,
        typer.Option(
            "--load", help="A folder of records to load: [SYSTEM/]records/*.jsonl.", exists=True, file_okay=False
        ),
    ] = None,
    seed: Annotated[
        bool, typer.Option("--seed", help="Fill systems that have no state yet with the demo's customers.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where their state is kept. Default: THROUGHLINE_HOME/sandbox.")
    ] = None,
    connections: Annotated[
        Path | None,
        typer.Option(
            "--connections",
            help="Write a connections.yaml that names them as flows/syncs does, and an .env file beside it.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run vendor simulators until Ctrl-C. State is kept, and ports stay the same, from one start to the next."""
    folder = home or Settings.from_environment().home / "sandbox"
    done = _until_signal()
    with _served(systems, folder, seed) as box:
        loaded = {name: box[name].load(load) for name in box.systems} if load is not None else {}
        if connections is not None:
            _describe(screen, box, connections)
        screen.answer({"ready": {name: box.url(name) for name in box.systems}, "loaded": loaded})
        rows = [[name, box.url(name), sum(loaded.get(name, {}).values()) or ""] for name in box.systems]
        screen.show(table(["system", "address", "records loaded"], rows))
        screen.say("Ctrl-C ends them.")
        done.wait()


def _served(systems: str, folder: Path, seed: bool) -> Box:
    from sandbox import Box
    from sandbox.seeding import fill
    from sandbox.server import find_simulators

    known = sorted(find_simulators())
    wanted = [name.strip() for name in systems.split(",") if name.strip()] or known
    wrong = [name for name in wanted if name not in known]
    if wrong:
        raise Usage(f"no simulator for {', '.join(wrong)}; there are: {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    if seed:
        fill(folder, wanted)
    file = folder / "ports.json"
    ports: dict[str, int] = orjson.loads(file.read_bytes()) if file.exists() else {}
    try:
        box = Box(wanted, folder, ports)
    except OSError:  # a port was taken meanwhile
        box = Box(wanted, folder)
    file.write_bytes(orjson.dumps({**ports, **box.ports}))
    return box


def _describe(screen: Screen, box: Box, path: Path) -> None:
    """Write connections.yaml, and beside it the variables it names."""
    told = simulated.connections({name: box.url(name) for name in box.systems}, "_main")
    variables = simulated.environment({name: box[name].token for name in box.systems})
    beside = path.with_suffix(".env")
    path.write_text(documents.dump(told), encoding="utf-8")
    beside.write_text("".join(f"export {name}={value}\n" for name, value in variables.items()), encoding="utf-8")
    screen.note(f"written: {path}, and the variables it names to {beside}")


def _until_signal() -> threading.Event:
    done = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        done.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
    return done
