"""The backfill flow: a window of one stream, read again with a checkpoint of its own. The next sync delivers what it changed."""

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
from kernel.errors import BadSetting


@flow(name="backfill", flow_run_name="backfill {what.stream}", persist_result=False)
def backfill(what: BackfillParameters) -> State[Any]:
    """Read a window of a stream; stopped in the middle, the same window goes on where it was."""
    return carry_out("backfill", what.stream, partial(_read, what))


def _read(what: BackfillParameters, run: Run, report: Report) -> None:
    stream = what.as_stream
    report.tag([stream])
    if not run.ctx.declared(stream.connection, stream.resource).backfill:
        raise BadSetting(f"{stream} cannot be read by a window of time; reset its checkpoint instead", field="stream")
    told = surroundings.watcher()

    def progress(stream: Stream, counts: Inbound) -> None:
        told.read(stream, counts)
        report.working(f"{stream}: {counts.read} read")

    syncing.read_one(run, stream, Watcher(read=progress), window=what.window)
    report.stepped(f"read {stream} from {what.start.isoformat()} until {what.end.isoformat()}")
