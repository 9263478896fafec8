"""Named points where a test may stop the process or raise: THROUGHLINE_FAILPOINT='name' or 'name:nth'. Off in normal use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def failpoint(name: str) -> None:
    """Do nothing, unless a test installed a hook or the environment names this point: then the process is killed here."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Have `hook` called at every point (it may raise); None takes it away."""
    global _hook
    _hook = hook


def _killer(wanted: str) -> Callable[[str], None]:
    point, _, nth = wanted.partition(":")
    left = int(nth or 1)

    def strike(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return strike


if os.environ.get("THROUGHLINE_FAILPOINT"):
    install(_killer(os.environ["THROUGHLINE_FAILPOINT"]))
