"""Throughline's own jobs, as a worker runs them: the real connector, mapping, identity, ledger and sealed store.

The jobs are `prepare` (activate; not measured), `read`, `reread` (the checkpoint is forgotten first), `push` and `changed`
(a whole sync: read what changed, plan, deliver).
"""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from journey import activation, runs, syncing
from journey.connecting import OpenConnections
from journey.context import Context
from journey.inbound import checkpoints
from journey.runs import Run
from journey.syncing import Watcher
from journey.syncs import Stream
from kernel.settings import CHECKOUT, load_connections
from kernel.store import Store, open_store, sqlite_url
from kernel.vault import open_vault

SYNC = "benchmark"
STREAM = Stream("source", "contacts")
_DOCUMENTS = ("dictionary/entities", "dedup/rules", "mappings/hubspot")
_CONNECTION = """
  {name}:
    system: hubspot
    settings: {{access_token: {{env: BENCHMARK_TOKEN}}, base_url: "{url}", limits: {{short: 1000000, search: 100000, daily: 1000000000}}}}"""
_SYNC = f"""sync: {SYNC}
description: Contacts of one HubSpot account to another.
streams: [{STREAM}]
routes:
  - {{entity: contact, to: target.contacts}}
"""


def write_config(config: Path, url: str) -> None:
    """The checkout's dictionary, rules and HubSpot mappings, one sync, and two connections to the same server."""
    for folder in _DOCUMENTS:
        shutil.copytree(CHECKOUT / folder, config / folder, dirs_exist_ok=True)
    (config / "flows/syncs").mkdir(parents=True, exist_ok=True)
    (config / "flows/syncs/benchmark.yaml").write_text(_SYNC)
    connections = "".join(_CONNECTION.format(name=name, url=url) for name in ("source", "target"))
    (config / "connections.yaml").write_text(f"connections:{connections}\n")


def run(job: str, home: Path, url: str) -> dict[str, Any]:
    """Do one job in `home`; its counts as the run recorded them."""
    os.environ.setdefault("BENCHMARK_TOKEN", "not-a-secret")
    config = home / "config"
    store = open_store(sqlite_url(home / "throughline.db"), open_vault(home, None))
    try:
        if job == "prepare":
            write_config(config, url)
            activation.activate(store, config, load_connections(config / "connections.yaml"), "benchmark")
            return {}
        return asdict(_run(job, home, store).counts)
    finally:
        store.close()


def _run(job: str, home: Path, store: Store) -> Run:
    described = load_connections(home / "config/connections.yaml")
    connections = OpenConnections(store, described, os.environ)
    ctx = Context(store, activation.pins(store, home, described), connections)
    sync, watch = ctx.pins.syncs[SYNC], Watcher()
    try:
        with runs.recorded(ctx, "sync", SYNC) as current:
            if job == "reread":
                checkpoints.reset(store, STREAM)
            if job != "push":
                syncing.read_one(current, STREAM, watch)
            if job in ("push", "changed"):
                syncing.plan_and_deliver(current, sync, watch)
            for error in current.stopped:
                raise error
    finally:
        connections.close()
    return current


def main() -> None:
    """Run one job and print its counts as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("job", choices=["prepare", "read", "reread", "push", "changed"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--url", required=True)
    options = parser.parse_args()
    print(orjson.dumps(run(options.job, options.home, options.url)).decode())


if __name__ == "__main__":
    main()
