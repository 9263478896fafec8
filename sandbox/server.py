"""Serving simulators on loopback: in threads of this process, each on its own port."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import uvicorn

from sandbox.simulator import Simulator
from sandbox.state import State

HOST = "127.0.0.1"


def find_simulators() -> dict[str, type[Simulator]]:
    """Every simulator class of this folder, by system."""
    found: dict[str, type[Simulator]] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)])):
        if name != "__main__":
            module = importlib.import_module(f"sandbox.{name}")
            for item in vars(module).values():
                if inspect.isclass(item) and issubclass(item, Simulator) and item is not Simulator:
                    found[item.system] = item
    return found


class _Server(uvicorn.Server):
    """uvicorn's server, ended at once: nothing in flight at a simulator is worth waiting for."""

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            await asyncio.sleep(0.05)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Served:
    """One simulator behind one port."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        # The protocol must be named: asyncio switches Nagle's delay (40 ms an answer) off for named TCP only.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self.port: int = self._socket.getsockname()[1]
        simulator.base_url = f"http://{HOST}:{self.port}"
        config = uvicorn.Config(
            simulator.app(),
            log_config=None,  # its own would close the log handlers of the process it runs in
            log_level="critical",
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{simulator.system}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def wait(self, seconds: float = 20.0) -> None:
        """Return once the port answers."""
        until = time.monotonic() + seconds
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise RuntimeError(f"the {self.simulator.system} simulator did not start")
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True

    def join(self) -> None:
        self._thread.join(timeout=5)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(timeout=5)
        self._socket.close()
        self.simulator.state.close()


class Box:
    """Running simulators. Leave the `with` block (or call `stop`) to end them."""

    def __init__(
        self,
        systems: Iterable[str],
        home: Path | None = None,
        ports: Mapping[str, int] | None = None,
        more: Mapping[str, type[Simulator]] | None = None,
    ) -> None:
        """`home`: the folder of the journals, None for memory only; `ports`: wanted ports by system (absent: any).

        `more`: simulators that are not in this folder, by system.
        """
        known = {**find_simulators(), **(more or {})}
        wanted = list(systems)
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"no simulator for {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
        self._served: dict[str, _Served] = {}
        for name in wanted:
            state = State(home / f"{name}.jsonl" if home is not None else None)
            self._served[name] = _Served(known[name](state), (ports or {}).get(name, 0))
        for served in self._served.values():
            served.wait()

    def __getitem__(self, system: str) -> Simulator:
        return self._served[system].simulator

    @property
    def systems(self) -> list[str]:
        """The systems served."""
        return list(self._served)

    @property
    def ports(self) -> dict[str, int]:
        """The port of each system."""
        return {name: served.port for name, served in self._served.items()}

    def url(self, system: str) -> str:
        """The base URL of a system's simulator."""
        return self._served[system].simulator.base_url

    def blank(self, system: str) -> Simulator:
        """A new account behind the same port: starting a server for every test costs too much."""
        simulator = self[system]
        url = simulator.base_url
        simulator.state.close()
        simulator.__dict__.clear()
        type(simulator).__init__(simulator)
        simulator.base_url = url
        return simulator

    def stop(self) -> None:
        """End all servers and close the journals."""
        for served in self._served.values():
            served.stop()
        for served in self._served.values():
            served.join()

    def __enter__(self) -> Box:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(systems: Iterable[str], home: Path | None = None, ports: Mapping[str, int] | None = None) -> Box:
    """Serve these systems' simulators; use as `with start(["stripe"]) as box:`."""
    return Box(systems, home, ports)
