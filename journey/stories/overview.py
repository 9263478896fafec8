"""Where everything stands, as data: last runs, work to do, checkpoints, budgets, breakers, leases, golden records. Reads only."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, func, select

from journey import waiting
from journey.stories.budgets import budgets, circuits
from kernel.clock import iso
from kernel.ledger.states import PENDING
from kernel.store import Store
from kernel.store.tables import checkpoint, delivery, dirty, golden, lease, receipt, run

Told = dict[str, Any]


def overview(store: Store, runs: int = 10) -> Told:
    """Everything at once; `runs` is how many of the newest are told."""
    with store.read() as conn:
        return {
            "runs": _runs(conn, None, runs),
            "approvals": waiting.listed(conn),
            "pending": _pending(conn),
            "to_plan": _to_plan(conn),
            "checkpoints": _checkpoints(conn),
            "leases": _leases(conn, store.clock.now()),
            "budgets": budgets(store),
            "circuits": circuits(store),
            "receipts": _counted(conn, receipt.c.state),
            "golden": _golden(conn),
        }


def runs_of(store: Store, sync: str | None = None, limit: int = 10) -> list[Told]:
    """The newest runs, of one sync or of all."""
    with store.read() as conn:
        return _runs(conn, sync, limit)


def last_runs(store: Store) -> dict[str, Told]:
    """By sync: its newest run."""
    newest = select(run.c.sync, func.max(run.c.started_at).label("at")).where(run.c.kind == "sync").group_by(run.c.sync)
    last = newest.subquery()
    query = select(run).join(last, (run.c.sync == last.c.sync) & (run.c.started_at == last.c.at))
    with store.read() as conn:
        return {row.sync: _run(row) for row in conn.execute(query.where(run.c.kind == "sync")).all()}


def run_of_flow(store: Store, flow_run: str) -> Told | None:
    """The run that a Prefect flow run carried."""
    with store.read() as conn:
        row = conn.execute(select(run).where(run.c.flow_run == flow_run).order_by(run.c.started_at.desc())).first()
    return None if row is None else _run(row)


def _runs(conn: Connection, sync: str | None, limit: int) -> list[Told]:
    query = select(run).order_by(run.c.started_at.desc(), run.c.id.desc()).limit(limit)
    return [_run(row) for row in conn.execute(query.where(run.c.sync == sync) if sync else query).all()]


def _run(row: Any) -> Told:
    counts = orjson.loads(row.counts)
    return {
        "id": row.id,
        "kind": row.kind,
        "sync": row.sync,
        "state": row.state,
        "started_at": iso(row.started_at),
        "ended_at": None if row.ended_at is None else iso(row.ended_at),
        "seconds": None if row.ended_at is None else round((row.ended_at - row.started_at) / 1_000_000, 3),
        "flow_run": row.flow_run,
        "inbound": counts.get("inbound", {}),
        "outbound": counts.get("outbound", {}),
        "warnings": counts.get("warnings", {}),
        "error": row.error,
    }


def _pending(conn: Connection) -> list[Told]:
    """Deliveries that have not ended, by sync, target and state."""
    by = (delivery.c.sync, delivery.c.connection, delivery.c.resource, delivery.c.state)
    query = select(*by, func.count().label("deliveries")).where(delivery.c.state.in_(PENDING)).group_by(*by)
    return [dict(row._mapping) for row in conn.execute(query.order_by(*by)).all()]


def _to_plan(conn: Connection) -> list[Told]:
    """Golden records that the next planning will look at, by sync and entity."""
    by = (dirty.c.sync, dirty.c.entity)
    query = select(*by, func.count().label("records")).group_by(*by).order_by(*by)
    return [dict(row._mapping) for row in conn.execute(query).all()]


def _checkpoints(conn: Connection) -> list[Told]:
    query = select(checkpoint).order_by(checkpoint.c.connection, checkpoint.c.resource, checkpoint.c.backfill)
    return [
        {
            "connection": row.connection,
            "resource": row.resource,
            "backfill": row.backfill,
            "cursor": orjson.loads(row.cursor),
            "updated_at": iso(row.updated_at),
            "run": row.run_id,
        }
        for row in conn.execute(query).all()
    ]


def _leases(conn: Connection, now: int) -> list[Told]:
    rows = conn.execute(select(lease).where(lease.c.until > now).order_by(lease.c.name)).all()
    return [
        {"name": row.name, "holder": row.holder.rsplit(":", 1)[0], "fence": row.fence, "until": iso(row.until)}
        for row in rows
    ]


def _golden(conn: Connection) -> dict[str, int]:
    """Living golden records by entity."""
    query = select(golden.c.entity, func.count()).where(golden.c.merged_into.is_(None), golden.c.gone == 0)
    return {row[0]: row[1] for row in conn.execute(query.group_by(golden.c.entity).order_by(golden.c.entity)).all()}


def _counted(conn: Connection, column: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in conn.execute(select(column, func.count()).group_by(column)).all()}
