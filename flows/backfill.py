"""The backfill flow: a window of one stream, or all of it, read again with a checkpoint of its own.

The next sync delivers what it changed. All of a stream that is otherwise read by change shows what is no longer there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import surroundings
from flows.carrying import carry_out
from flows.parameters import BackfillParameters
from flows.reporting import Report
from journey import syncing
from journey.counts import Inbound
from journey.runs import Run
from journey.syncing import Watcher
from journey.syncs import Stream
from kernel.clock import iso
from kernel.errors import BadSetting


@flow(name="backfill", flow_run_name="backfill {what.stream}", persist_result=False)
def backfill(what: BackfillParameters) -> State[Any]:
    """Read a window of a stream, or all of it; stopped in the middle, the same one goes on where it was."""
    return carry_out("backfill", what.stream, partial(_read, what))


def _read(what: BackfillParameters, run: Run, report: Report) -> None:
    stream = what.as_stream
    report.tag([stream])
    declared, window = run.ctx.declared(stream.connection, stream.resource), what.window
    if window is not None and not declared.backfill:
        told = f"{stream} cannot be read by a window of time; without one, the whole of it is read"
        raise BadSetting(told, field="stream")
    watcher = surroundings.watcher()

    def progress(stream: Stream, counts: Inbound) -> None:
        watcher.read(stream, counts)
        report.working(f"{stream}: {counts.read} read")

    syncing.read_one(run, stream, Watcher(read=progress), window=window, whole=window is None)
    report.stepped(f"read {stream} " + ("whole" if window is None else f"from {iso(window[0])} until {iso(window[1])}"))
