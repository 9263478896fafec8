"""Large volumes by the vendor's own road: one job carries many deliveries, and is found again by its id after a kill.

It is tried twice at most: what two jobs did not come to or could not take, and what a job can tell no more about,
goes on in batches. While a job may be running nothing else is sent to its target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from journey.outbound import sending
from journey.outbound.claiming import CLAIM, claim
from journey.outbound.sending import Sent
from journey.outbound.settling import Done, send_and_settle, settle_sent
from journey.outbound.shard import Shard
from kernel.errors import Park, ThroughlineError, Unknown
from kernel.failpoints import failpoint
from kernel.ledger import claims, jobs
from kernel.ledger.claims import Claimed
from kernel.ledger.jobs import Kept
from kernel.ledger.states import State
from kernel.records import Action, JobStep, WriteItem, WriteOutcome
from kernel.store.tables import binding, delivery

_NEW = (delivery.c.action == Action.UPSERT) & (delivery.c.attempts < 2)
_KINDS = (_NEW & binding.c.vendor_id.is_(None), _NEW & binding.c.vendor_id.is_not(None))
"""What one job may carry: what is addressed by our key, or by the vendor's id."""


def carry(shard: Shard) -> Done | None:
    """Go on with the job that may be running, or begin one where so much is due; None where batches are right."""
    if shard.spec.bulk is None:
        return None
    resumed = _resume(shard)
    if resumed is not None:
        return resumed
    claimed = _claim_many(shard, shard.spec.bulk.threshold, shard.spec.bulk.batch_size)
    if len(claimed) < shard.spec.bulk.threshold:  # children whose parents are not there wait, after all
        return send_and_settle(shard, claimed) if claimed else None
    return _follow(shard, claimed, set(range(len(claimed))))


def _claim_many(shard: Shard, least: int, most: int) -> list[Claimed]:
    """As many of one kind as a job takes, in short transactions; none where too few are due."""
    store, here = shard.ctx.store, (shard.connection, shard.resource)
    with store.read() as conn:
        now = store.clock.now()
        kind = next((each for each in _KINDS if claims.enough(conn, *here, State.PLANNED, each, now, least)), None)
    claimed: list[Claimed] = []
    while kind is not None and len(claimed) < most:
        shard.lease.renew()
        part = claim(shard, kind, most - len(claimed))
        claimed += part
        if not part:
            break
    return claimed


def _resume(shard: Shard) -> Done | None:
    """Settle what a job that was begun before has done; None where there is none, or nothing of it is left to settle."""
    store, here = shard.ctx.store, (shard.connection, shard.resource)
    with store.read() as conn:
        kept = jobs.kept(conn, *here)
    if kept is None:
        return None
    batch: list[Claimed] = []
    for start in range(0, len(kept.deliveries), CLAIM):
        batch += _take(shard, kept.deliveries[start : start + CLAIM])
    ours = {place for place, each in enumerate(batch) if each.fence > 0}
    if ours and len(batch) == len(kept.deliveries):
        return _follow(shard, batch, ours, kept)
    _forget(shard, kept.id)
    return None


def _follow(shard: Shard, batch: Sequence[Claimed], left: set[int], kept: Kept | None = None) -> Done:
    """Settle what a job tells of its items, step by step; `left`: those that are ours to settle."""
    was = State.RECONCILING if kept else State.INFLIGHT
    job, moved, stopping, error = kept.id if kept else "", 0, None, None
    for step in _told(shard, [sending.item(each) for each in batch], job):
        shard.lease.renew()
        if isinstance(step, ThroughlineError):
            error = step
            break
        if not job:
            job = step.job
            _keep(shard, Kept(job, [each.id for each in batch]))
            shard.lease.renew()  # with the next step records leave: not those of a worker that another has replaced
        told = [(place, outcome) for place, outcome in step.outcomes if place in left]
        left -= {place for place, _ in told}
        failpoint("job.told")
        done, stop = _settle(shard, [Sent(batch[place], outcome) for place, outcome in told], was)
        moved, stopping = moved + done, stopping or stop
    if not job and isinstance(error, Park):  # not by this road
        return send_and_settle(shard, batch)
    why = error if error is not None and not job else _silent(error)
    done, stop = _settle(shard, [Sent(batch[place], WriteOutcome(error=why)) for place in sorted(left)], was)
    later = bool(job) and error is not None and not isinstance(error, Unknown | Park)
    if job and not later:
        _forget(shard, job)
    return moved + done, stopping or stop or (error if later else None)


def _told(shard: Shard, items: Sequence[WriteItem], job: str) -> Iterator[JobStep | ThroughlineError]:
    """The connector's steps. An error of its own comes last, as a value: what is raised meanwhile is ours."""
    try:
        yield from shard.connector.write_job(shard.resource, items, job)
    except ThroughlineError as error:
        yield error
    except Exception as crash:
        text = f"{shard.connector.system} crashed while writing: {type(crash).__name__}"
        yield Unknown(text, cause="connector_crashed")


def _silent(error: ThroughlineError | None) -> Unknown:
    """Why nothing is known of an item: its job is asked again later, or told nothing of it."""
    if error is None:
        return Unknown("the job told nothing of this record", cause="job_lost")
    return Unknown(error.message, cause=error.cause, status=error.status, request_id=error.request_id)


def _settle(shard: Shard, sent: Sequence[Sent], was: State) -> Done:
    moved, stopping, now = 0, None, shard.ctx.store.clock.now()
    for start in range(0, len(sent), CLAIM):
        done, stop = settle_sent(shard, sent[start : start + CLAIM], was, now)
        moved, stopping = moved + done, stopping or stop
    return moved, stopping


def _take(shard: Shard, ids: Sequence[str]) -> list[Claimed]:
    """The deliveries of a job, in order. Those that are settled carry no fence: they only make the job's sums whole."""
    store = shard.ctx.store
    query = (
        select(delivery, binding.c.ext_key, binding.c.vendor_id)
        .join(binding, binding.c.id == delivery.c.binding_id)
        .where(delivery.c.id.in_(ids), delivery.c.body.is_not(None))
        .with_for_update(of=delivery)
    )

    def work(conn: Connection) -> list[Claimed]:
        rows = list(conn.execute(query).all())
        lost = [row for row in rows if row.state == State.UNKNOWN]
        taken = claims.take(conn, store, lost, State.RECONCILING, store.clock.now())
        found = {row.id: sending.as_claimed(store, row) for row in rows}
        for each in found.values():
            each.fence = 0
        for each in taken:
            each.doubtful = False  # it was sent once, by this job: what that tells is all there is to know
            found[each.id] = each
        return [found[id] for id in ids if id in found]

    return store.transact(work, "job.take")


def _keep(shard: Shard, kept: Kept) -> None:
    store, here = shard.ctx.store, (shard.connection, shard.resource)
    store.transact(lambda conn: jobs.keep(conn, *here, kept, store.clock.now()), "job.keep")


def _forget(shard: Shard, job: str) -> None:
    store, here = shard.ctx.store, (shard.connection, shard.resource)
    store.transact(lambda conn: jobs.forget(conn, *here, job), "job.forget")
