"""The time that vendors and workers share: faster than the wall's, and moved on by hand when nothing is under way."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

from kernel.clock import SECOND

_FORM = struct.Struct("<qqd")  # begun (µs), moved on by (µs), speed


class Pace:
    """A clock in a file: every process that opens it tells the same instant."""

    def __init__(self, path: Path) -> None:
        """Open what `make` wrote."""
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FORM.size)

    @classmethod
    def make(cls, path: Path, speed: float) -> Pace:
        """A clock that goes `speed` times as fast as the wall's, from now."""
        path.write_bytes(_FORM.pack(time.time_ns() // 1000, 0, speed))
        return cls(path)

    def now(self) -> int:
        """The instant (µs since the epoch)."""
        begun, moved, speed = _FORM.unpack(self._map[:])
        return begun + moved + int((time.time_ns() // 1000 - begun) * speed)

    def sleep(self, seconds: float) -> None:
        """Wait so many of its seconds."""
        time.sleep(max(0.0, seconds) / _FORM.unpack(self._map[:])[2])

    def jump(self, seconds: float) -> None:
        """Move everybody on at once: only while no request is under way."""
        begun, moved, speed = _FORM.unpack(self._map[:])
        self._map[:] = _FORM.pack(begun, moved + int(max(0.0, seconds) * SECOND), speed)

    def close(self) -> None:
        """Release the file."""
        self._map.close()
