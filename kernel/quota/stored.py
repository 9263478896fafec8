"""The accounts of all workers, in the store: one row a connection. The only writer of `quota`.

They run on the database's clock; a worker whose own clock is wrong is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, bindparam, select, text

from kernel.clock import SystemClock
from kernel.quota.account import Account, account_of
from kernel.quota.limits import Limit
from kernel.quota.tills import Work
from kernel.store import Store, bulk
from kernel.store.tables import quota

T = TypeVar("T")

_ROW = select(quota.c.state).where(quota.c.connection == bindparam("connection")).with_for_update()
_SQLITE_NOW = text("SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)")
_POSTGRES_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")


class StoreTill:
    """One connection's account in the store; a visit is one short transaction."""

    shared = True

    def __init__(self, store: Store, connection: str, limits: Sequence[Limit]) -> None:
        """`limits`: as this process knows them now; they take the place of what was known before."""
        self.store, self.connection, self.limits = store, connection, tuple(limits)
        self.clock = store.clock
        self._own_time = not isinstance(store.clock, SystemClock)  # a test's clock: the database knows nothing of it
        self.timer: Callable[[], int] = store.clock.now if self._own_time else _monotonic

    def visit(self, work: Work[T]) -> T:
        """Under the row's lock, at the database's instant."""

        def within(conn: Connection) -> T:
            kept = conn.execute(_ROW, {"connection": self.connection}).scalar()
            if kept is None:
                bulk.insert_new(conn, quota, [{"connection": self.connection, "state": "{}", "updated_at": 0}])
                kept = conn.execute(_ROW, {"connection": self.connection}).scalar_one()
            account, now = account_of(orjson.loads(kept)), self._now(conn)
            account.limits = self.limits
            done = work(account, now)
            row: dict[str, Any] = {"state": orjson.dumps(account.as_json()).decode(), "updated_at": now}
            bulk.update(conn, quota, [row | {"connection": self.connection}], ["connection"])
            return done

        return self.store.transact(within)

    def _now(self, conn: Connection) -> int:
        if self._own_time:
            return self.store.clock.now()
        return int(conn.execute(_SQLITE_NOW if self.store.sqlite else _POSTGRES_NOW).scalar_one())


def accounts(store: Store) -> dict[str, tuple[Account, int]]:
    """Every connection's account as it was last left, and the instant now on the clock it runs on."""
    with store.read() as conn:
        rows = conn.execute(select(quota.c.connection, quota.c.state).order_by(quota.c.connection)).all()
        now = StoreTill(store, "", ())._now(conn)
    return {row.connection: (account_of(orjson.loads(row.state)), now) for row in rows}


def _monotonic() -> int:
    return time.monotonic_ns() // 1000
