"""What every task of ours has in common: opaque inputs, names by connection and resource, and no error text but ours.

Prefect stores a raised error's traceback with its text. So a task never raises: it ends in a state, and the flow raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect.client.schemas.objects import State
from prefect.states import Failed
from prefect.tasks import Task

from flows.reporting import Report
from journey.runs import Run
from journey.syncs import Stream
from kernel.errors import ThroughlineError

P = ParamSpec("P")


class Shared:
    """What the tasks of one flow run share. It lives in this process only; tasks are told names, never records."""

    def __init__(self, run: Run, report: Report) -> None:
        """Made once a run."""
        self.run, self.report = run, report
        self.failure: Exception | None = None

    def go_on(self, _state: object = None) -> None:
        """Raise what a task failed with, where that ends the run."""
        if self.failure is not None:
            raise self.failure


S = TypeVar("S", bound=Shared)
Stopped = Sequence[ThroughlineError]


def guarded(step: Callable[Concatenate[S, P], Stopped]) -> Callable[Concatenate[S, P], State[Any] | None]:
    """Errors that a step returns stop it alone; one that it raises ends the run. Either way the task is Failed."""

    @wraps(step)
    def carried(shared: S, /, *args: P.args, **options: P.kwargs) -> State[Any] | None:
        try:
            errors = step(shared, *args, **options)
        except ThroughlineError as error:
            shared.failure = error
            return Failed(message=str(error))
        except Exception as crash:  # its text may hold a record's values
            shared.failure = crash
            return Failed(message=type(crash).__name__)
        return Failed(name="Stopped", message="; ".join(str(error) for error in errors)) if errors else None

    return carried


def named(task: Task[..., Any], about: Sequence[Stream]) -> Callable[..., object]:
    """The task called by the connections and resources it is about, its end returned as a state.

    It has no tags: Prefect asks its server for a slot for each, twice a task, and that costs more than a short task.
    """
    names = ", ".join(str(each) for each in about)
    return partial(task.with_options(task_run_name=f"{task.name} {names}"), return_state=True)
