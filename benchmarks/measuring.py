"""One job as a process of its own: its CPU, wall time and memory, those of its children included."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_EVERY = 0.05  # seconds between two looks at memory
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a job cost. CPU is user and system time of the process and every child it waited for."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    load: float  # of the machine when it began
    output: str


class JobFailed(Exception):
    """A measured job ended with an error."""


def measure(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Measured:
    """Run a command to its end. Raises JobFailed with what it said."""
    load, started = os.getloadavg()[0], time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    memory = _Memory(child.pid)
    assert child.stdout is not None
    assert child.stderr is not None
    readers = [_Reader(stream) for stream in (child.stdout, child.stderr)]
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = memory.stop()
    output, errors = (reader.text() for reader in readers)
    if child.returncode:
        raise JobFailed(f"{' '.join(command)} ended with {child.returncode}:\n{errors[-2000:]}")
    return Measured(usage.ru_utime + usage.ru_stime, wall, max(peak, usage.ru_maxrss * 1024) / 1e6, load, output)


class _Memory(threading.Thread):
    """The greatest resident size of a process and its children together, in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._peak, self._over = pid, 0, threading.Event()
        self.start()

    def stop(self) -> int:
        """End, and say the peak."""
        self._over.set()
        self.join()
        return self._peak

    def run(self) -> None:
        """Look again and again."""
        while not self._over.wait(_EVERY):
            self._peak = max(self._peak, sum(map(_resident, _tree(self._pid))))


class _Reader(threading.Thread):
    """Reads a pipe to its end, so that a talkative job is never held up."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream, self._read = stream, b""
        self.start()

    def run(self) -> None:
        """Read."""
        with self._stream:
            self._read = self._stream.read()

    def text(self) -> str:
        """What was read, once the writer is gone."""
        self.join()
        return self._read.decode(errors="replace")


def _tree(pid: int) -> list[int]:
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                left += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
