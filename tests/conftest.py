"""Fixtures every room's tests may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Box

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("THROUGHLINE_REAL", ROOT / ".." / "shared" / "real")).resolve()


class FakeClock:
    """A clock that never waits: sleeping moves it."""

    def __init__(self, at: int = 1_790_000_000_000_000) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> int:
        """The instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.at += int(seconds * 1_000_000)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that never waits."""
    return FakeClock()


@pytest.fixture
def real() -> Path:
    """The folder of recorded vendor material; the test is skipped without it."""
    if not REAL.is_dir():
        pytest.skip(f"no recorded material at {REAL} (set THROUGHLINE_REAL)")
    return REAL


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Box]]:
    """`serve("stripe", "hubspot")` → running simulators, ended after the test."""
    boxes: list[Box] = []

    def start(*systems: str, home: Path | None = None) -> Box:
        boxes.append(Box(systems, home or tmp_path / "sandbox"))
        return boxes[-1]

    yield start
    for box in boxes:
        box.stop()
