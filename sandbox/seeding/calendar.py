"""When things happened at a simulated vendor: its clock is set back while its past is written."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.state import SECOND, State

DAY = 86_400


class Calendar:
    """The days before today, at one vendor. Everything lies before yesterday's midnight, so a first read sees it all."""

    def __init__(self, state: State, now: int) -> None:
        """`now`: epoch seconds; the past is counted from the midnight (UTC) before."""
        self._state, self._midnight = state, now - now % DAY - DAY

    def go(self, days: float) -> int:
        """Set the vendor's clock to so many days before; epoch seconds."""
        at = self._midnight - int(days * DAY)
        self._state.freeze(at * SECOND)
        return at

    def iso(self, days: float) -> str:
        """That moment as ISO 8601 with a Z, whole seconds."""
        return _text(self._midnight - int(days * DAY)).replace("+00:00", "Z")

    def date(self, days: float) -> str:
        """That day."""
        return _text(self._midnight - int(days * DAY))[:10]


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
