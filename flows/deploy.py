"""Deployments on a server: work pool and limit first, then what prefect.yaml lists, by Prefect's own verb."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from flows import environment, limits
from flows.server import Server
from kernel.errors import Stop
from kernel.settings import CHECKOUT

POOL = "throughline"
"""The work pool of the deployments. One of this name is left as it is: it may be Kubernetes' or Docker's by now."""


def deploy(server: Server, project: Path = CHECKOUT) -> str:
    """Put every deployment of a prefect.yaml on a server; what Prefect told of it. May be done again."""
    with temporary_settings({PREFECT_API_URL: server.api}):
        _make_pool()
        limits.ensure()
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],  # noqa: S603 - our own command, no shell
        cwd=project,
        env=environment.for_child(environment.variables(Path(server.home), server.api)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Stop(f"prefect deploy ended with {done.returncode}: {done.stderr.strip()[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def work(server: Server, project: Path = CHECKOUT) -> int:
    """Run a worker of the pool in the foreground until it is interrupted; its exit code."""
    worker = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL],
        cwd=project,
        env=environment.for_child(environment.variables(Path(server.home), server.api)),
    )
    while True:
        try:
            return worker.wait()
        except KeyboardInterrupt:  # the worker has it too, and ends after its runs are told
            continue


def _make_pool() -> None:
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
