"""What a connection keeps of a credential that changes with use: sealed, for all workers, renewed by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from kernel.leases import hold
from kernel.records import Json
from kernel.store import Store, bulk
from kernel.store.tables import credential


class StoredTokens:
    """One connection's row of `credential`."""

    def __init__(self, store: Store, connection: str) -> None:
        """`connection`: its name."""
        self._store, self._connection = store, connection

    def read(self) -> tuple[int, Json | None]:
        """What is kept, and its version; (0, None) before the first."""
        with self._store.read() as conn:
            row = conn.execute(select(credential).where(credential.c.connection == self._connection)).first()
        return (row.version, self._store.open(credential, row.connection, row.content)) if row else (0, None)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only worker that renews it; raises Held (cause `lease_held`) while another living one is."""
        with hold(self._store, f"token:{self._connection}"):
            yield

    def write(self, seen: int, told: Json) -> bool:
        """Keep it durably where version `seen` still stands; False where another worker's newer one does.

        Not guarded by the lease: what a vendor gave once must not be thrown away because our turn was over.
        """
        row = {
            "version": seen + 1,
            "updated_at": self._store.clock.now(),
            "content": self._store.seal(credential, self._connection, told),
            "connection": self._connection,
        }
        with self._store.write("credential.write") as conn:
            if not seen:
                return bulk.insert_new(conn, credential, [row]) == 1
            return bulk.update(conn, credential, [{**row, "was_version": seen}], ["connection", "was_version"]) == 1
