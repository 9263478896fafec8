"""Twins of large writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from console.conformance.twins.breaking import twin
from kernel.errors import Unknown
from kernel.records import JobStep, WriteItem, WriteOutcome

Push = Callable[[str, Sequence[WriteItem], str], Iterator[JobStep]]


def _on_pushes(c: Any, change: Callable[[Push, str, Sequence[WriteItem], str], Iterator[JobStep]]) -> None:
    push = c.write_job
    c.write_job = lambda resource, batch, job="": change(push, resource, batch, job)


@twin("push.job salesforce")
def _takes_a_job_for_each_half(c: Any) -> None:
    def change(push: Push, resource: str, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        middle = len(batch) // 2
        yield from push(resource, batch[:middle], job)
        for step in push(resource, batch[middle:], job):
            yield JobStep(step.job, [(place + middle, outcome) for place, outcome in step.outcomes])

    _on_pushes(c, change)


@twin("push.item salesforce")
def _leaves_an_empty_cell_for_null(c: Any) -> None:
    def change(push: Push, resource: str, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        told = [replace(one, fields={k: v for k, v in one.fields.items() if v is not None}) for one in batch]
        yield from push(resource, told, job)

    _on_pushes(c, change)


@twin("push.resumable salesforce")
def _begins_another_job_where_one_runs(c: Any) -> None:
    _on_pushes(c, lambda push, resource, batch, job: push(resource, batch, ""))


@twin("push.unsent salesforce")
def _sends_what_was_never_sent(c: Any) -> None:
    def change(push: Push, resource: str, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        yield from push(resource, batch, job)
        if job:
            c.write(resource, batch)

    _on_pushes(c, change)


@twin("push.lost salesforce")
def _takes_silence_for_success(c: Any) -> None:
    def change(push: Push, resource: str, batch: Sequence[WriteItem], job: str) -> Iterator[JobStep]:
        try:
            yield from push(resource, batch, job)
        except Unknown:
            yield JobStep(job, [(place, WriteOutcome("003")) for place, _ in enumerate(batch)])

    _on_pushes(c, change)
