"""Where records come from: people edit them, an index trails the truth, clocks tell seconds, webhooks are sent until taken."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from kernel.clock import SECOND
from tests.simulation.machine import Machine

INDEX_LAG = 1.5  # seconds until a list shows a change, at most
SAFETY_LAG = 3  # what the connector declares: the lag, and the second that a stamp is cut to


@dataclass(slots=True)
class Row:
    """One object, or its tombstone."""

    id: str
    values: dict[str, Any]
    updated: int
    deleted: bool = False
    shown_at: int = 0


@dataclass
class Source:
    """One account that is read."""

    machine: Machine
    hooks: bool = False  # it sends webhooks
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    shown: dict[str, dict[str, Row]] = field(default_factory=dict)  # as a list shows them
    outbox: list[tuple[str, Row, bool]] = field(default_factory=list)  # (resource, row, only a hint)

    def put(self, resource: str, id: str, **values: Any) -> None:
        """A person creates or edits."""
        held = self.rows.setdefault(resource, {}).get(id)
        merged = {**(held.values if held and not held.deleted else {"id": id}), **values}
        if held and not held.deleted and held.values == merged:
            return
        self._store(resource, Row(id, merged, self._second()))

    def remove(self, resource: str, id: str) -> None:
        """A person deletes."""
        self._store(resource, Row(id, {"id": id}, self._second(), deleted=True))

    def list(self, resource: str, since: int, after: tuple[int, str], size: int) -> list[Row]:
        """Changed at or after `since`, beyond `after`, ascending by (updated, id): as the index shows it now."""
        rows = [r for r in self.shown.get(resource, {}).values() if r.updated >= since and (r.updated, r.id) > after]
        return copy.deepcopy(sorted(rows, key=lambda r: (r.updated, r.id))[:size])

    def newest(self, resource: str, id: str) -> Row | None:
        """The truth, by id."""
        return self.rows.get(resource, {}).get(id)

    def living(self, resource: str) -> list[Row]:
        """Every object that is there."""
        return [row for row in self.rows.get(resource, {}).values() if not row.deleted]

    def _store(self, resource: str, row: Row) -> None:
        self.rows.setdefault(resource, {})[row.id] = row
        lag = self.machine.random.uniform(0, INDEX_LAG)
        self.machine.after(lag, lambda: self._show(resource, row))
        if self.hooks and self.machine.random.random() < 0.5:
            hint = self.machine.random.random() < 0.3
            for _ in range(self.machine.random.choice((1, 1, 2))):
                wait = self.machine.random.uniform(0, 8)
                self.machine.after(wait, lambda: self.outbox.append((resource, copy.deepcopy(row), hint)))

    def _show(self, resource: str, row: Row) -> None:
        if self.rows[resource][row.id] is row:
            self.shown.setdefault(resource, {})[row.id] = row

    def _second(self) -> int:
        return self.machine.at // SECOND * SECOND
