"""What must be planned again: the marks both halves leave on a golden record, one for each sync that sends its entity."""

from __future__ import annotations

from typing import Any

from journey.context import Context
from kernel.ids import new_id


def mark_rows(ctx: Context, marks: dict[str, tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Dirty rows, from golden id -> (entity, reason, trace id): one for each sync that sends the record's entity somewhere."""
    token, routed = new_id(), ctx.pins.routed
    return [
        {"golden_id": golden_id, "sync": sync, "entity": entity, "reason": reason, "trace_id": trace_id, "token": token}
        for golden_id, (entity, reason, trace_id) in marks.items()
        for sync in routed.get(entity, ())
    ]
