"""Running the kit: the cases of a system, each on an empty account, and their report."""

from __future__ import annotations

import time
from collections.abc import Callable

from connectors import connector_for
from console.conformance import (
    doubt,
    mapped,
    pushes,
    reaching,
    receiving,
    reference,
    refusals,
    secrecy,
    streams,
    sweeping,
    trouble,
    volume,
    writing,
)  # their checks register when they are imported
from console.conformance.checks import CHECKS, Case, Check, NotHere, Report, Result, Unmet
from console.conformance.ground import Ground, grounds
from kernel.errors import ThroughlineError

GROUPS = (
    reaching, streams, sweeping, volume, writing, pushes, refusals, doubt, trouble, receiving, secrecy, mapped, reference
)  # fmt: skip


def cases(system: str) -> list[Case]:
    """Everything a system is checked for."""
    resources = connector_for(system).resources
    if not resources:  # told by a connection only
        with grounds(system) as ground:
            resources = ground.resources
    readable = [name for name, one in resources.items() if one.readable]
    writable = [name for name, one in resources.items() if one.write is not None]
    of = {"system": [""], "readable": readable, "writable": writable, "mapped": list(resources)}
    return [Case(system, check.name, resource) for check in CHECKS.values() for resource in of[check.per]]


def run_case(ground: Ground, case: Case) -> Result:
    """Run one case on the ground, emptied first. Whatever goes wrong is a failure; nothing is raised."""
    ground.fresh()
    started = time.perf_counter()
    state, told = _outcome(ground, CHECKS[case.check], case.resource)
    return Result(case, state, told, time.perf_counter() - started)


def run_system(system: str, on_result: Callable[[Result], None] | None = None, *, only: str = "") -> Report:
    """Every case of a system whose name holds `only`; `on_result` hears of each as it ends."""
    results = []
    with grounds(system) as ground:
        for case in [case for case in cases(system) if only in str(case)]:
            results.append(run_case(ground, case))
            if on_result is not None:
                on_result(results[-1])
    return Report(system, results)


def _outcome(ground: Ground, check: Check, resource: str) -> tuple[str, str]:
    try:
        check.run(ground, resource)
    except NotHere as reason:
        return "not here", str(reason)
    except Unmet as unmet:
        return "failed", str(unmet)
    except ThroughlineError as error:
        return "failed", f"{type(error).__name__} ({error.cause}): {error}"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""
