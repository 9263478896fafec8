"""A vendor's bulk road: jobs that go on by themselves once they are closed, whatever becomes of who made them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel.clock import SECOND
from kernel.errors import Park, Retry, RetryAt, Unknown
from kernel.records import JobStep, WriteItem, WriteOutcome
from tests.simulation import faults

if TYPE_CHECKING:
    from tests.simulation.connectors import TargetConnector

LOOKS = 8
LONGEST = 12.0  # seconds that a job may take: longer than anybody looks at it


@dataclass
class Job:
    """One job of the vendor's."""

    resource: str
    items: list[WriteItem]
    state: str = "open"  # aborted; closed; done
    told: dict[int, WriteOutcome] = field(default_factory=dict)
    sent: int = 0  # the guard's number of it


class Road:
    """The bulk road of one account."""

    def __init__(self, target: TargetConnector) -> None:
        """Made by the connector."""
        self.target, self.machine = target, target.vendor.machine
        self.jobs: dict[str, Job] = {}

    def steps(self, resource: str, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        """As `Connector.write_job`."""
        self.machine.point("job.asked")
        kind, fresh = self.target.faults.draw(faults.JOB), not job
        if fresh:
            if kind == "job_refused":
                raise Park("no bulk road today")
            if kind == "job_unreachable":
                raise Retry("no answer to a new job", cause="timeout")
            job = f"job{len(self.jobs) + 1}"
            self.jobs[job] = Job(resource, copy.deepcopy(list(batch)))
        yield JobStep(job)
        made = self.jobs[job]
        if fresh:
            self.machine.point("send.leaving")
            made.sent = self.target.watch.leaves(resource, batch) if self.target.watch else 0
            self.machine.point("job.uploaded")
            if kind != "job_unclosed":
                self._close(made)
        if made.state in ("open", "aborted"):
            made.state = "aborted"
            self._over(made)
            yield JobStep(job, [(place, WriteOutcome(error=Retry("never closed"))) for place in range(len(batch))])
            return
        self.machine.point("job.closed")
        if kind == "job_late":
            raise Retry("no answer", cause="timeout")
        for _ in range(LOOKS):
            self.machine.advance(self.machine.at + SECOND)
            if made.state == "done":
                break
            yield JobStep(job)
        else:
            raise RetryAt("the vendor is still at work", at=self.machine.at + 10 * SECOND, cause="bulk_running")
        if kind == "job_lost":
            raise Unknown("the results do not account for every row", cause="job_lost")
        told = sorted(copy.deepcopy(made.told).items())
        for part in (told[: len(told) // 2], told[len(told) // 2 :]):
            yield JobStep(job, part)

    def _close(self, made: Job) -> None:
        made.state = "closed"
        self.machine.after(self.machine.random.uniform(0.1, LONGEST), lambda: self._process(made))

    def _process(self, made: Job) -> None:
        """All of it, or until it breaks off; a row may be refused."""
        random, chance = self.machine.random, self.target.faults.chance
        ends = random.randrange(len(made.items) + 1) if random.random() < chance else len(made.items)
        for place, item in enumerate(made.items):
            if place >= ends:
                made.told[place] = WriteOutcome(error=Retry("the job broke off", cause="unprocessed"))
            elif random.random() < chance / 4:
                made.told[place] = WriteOutcome(error=Park("not today", cause="refused_by_target"))
            else:
                made.told[place] = self.target.one(made.resource, item)
        made.state = "done"
        self._over(made)

    def _over(self, made: Job) -> None:
        if self.target.watch:
            self.target.watch.over(made.sent)
