"""Leases in the database: who may work on a stream or a delivery shard. Survive a killed worker, need nothing from each other.

While a batch is in flight, which may take longer than the term (a vendor's long Retry-After), a thread of the process renews what
it holds. It proves nothing: whoever takes over raises the fence, and what carries an old one is refused.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import bindparam, select

from kernel.clock import SECOND, SystemClock
from kernel.errors import Retry
from kernel.ids import new_id
from kernel.store import Store, bulk
from kernel.store.tables import lease

TERM = 60 * SECOND
"""A lease not renewed for this long is anybody's."""

LONGEST = 900 * SECOND
"""A batch may be in flight for this long; a holder that gives no sign of life for longer hangs, and is renewed no more."""


_TAKE = select(lease).where(lease.c.name == bindparam("wanted")).with_for_update()


class Held(Retry):
    """Another worker holds this lease."""


class Lease:
    """One held lease. `fence` rises with every change of hands; `renew` says whether it is still ours."""

    def __init__(self, store: Store, name: str, holder: str, fence: int) -> None:
        """Made by `hold`."""
        self.store, self.name, self.holder, self.fence = store, name, holder, fence
        self._renewed = self._seen = store.clock.now()

    def renew(self) -> None:
        """Prolong when a third of the term has gone; raises Held where it was lost."""
        self._seen = now = self.store.clock.now()
        if now - self._renewed >= TERM // 3 and not self._prolonged(now):
            raise Held(f"the lease '{self.name}' passed to another worker", cause="lease_lost")

    def beat(self) -> None:
        """Prolong for a holder that is busy; one that lost the lease is told at its next `renew`."""
        now = self.store.clock.now()
        if now - self._renewed >= TERM // 3 and now - self._seen < LONGEST and not self._prolonged(now):
            self._renewed = 0

    def _prolonged(self, now: int) -> bool:
        with self.store.write("lease.renew") as conn:
            mine = lease.update().where(
                lease.c.name == self.name, lease.c.holder == self.holder, lease.c.fence == self.fence
            )
            if conn.execute(mine.values(until=now + TERM)).rowcount != 1:
                return False
        self._renewed = now
        return True

    def release(self) -> None:
        """Give it back; nothing happens where it was lost."""
        with self.store.write("lease.release") as conn:
            ours = {"until": 0, "name": self.name, "was_holder": self.holder, "was_fence": self.fence}
            bulk.update(conn, lease, [ours], ["name", "was_holder", "was_fence"])


_living: set[Lease] = set()
_hearts: dict[int, threading.Thread] = {}  # by process


def beat(everybody: bool = True) -> None:
    """Renew what this process holds; `everybody`: also what is held by a clock that does not run by itself, as in tests."""
    for each in list(_living):
        if everybody or isinstance(each.store.clock, SystemClock):
            with suppress(Exception):  # the store is away: the holder will find out by itself
                each.beat()


def _start_heart() -> None:
    """One thread a process, from its first lease on."""
    mine = os.getpid()
    if mine not in _hearts:
        _hearts[mine] = threading.Thread(target=_beat_on, name="leases", daemon=True)
        _hearts[mine].start()


def _beat_on() -> None:
    while True:
        time.sleep(TERM / SECOND / 6)
        beat(everybody=False)


@contextmanager
def hold(store: Store, name: str) -> Iterator[Lease]:
    """Hold a lease for the length of the block; raises Held while another living worker has it."""
    held = acquire(store, name)
    _living.add(held)
    _start_heart() if isinstance(store.clock, SystemClock) else None
    try:
        yield held
    finally:
        _living.discard(held)
        with suppress(Exception):  # an error of the work outranks one of giving back; the term ends by itself
            held.release()


def acquire(store: Store, name: str) -> Lease:
    """Take a lease that is free, run out, or held by a process of this machine that is no more."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    now = store.clock.now()
    with store.write("lease.acquire") as conn:
        row = conn.execute(_TAKE, {"wanted": name}).first()
        if row is None:
            conn.execute(lease.insert().values(name=name, holder=holder, fence=1, until=now + TERM))
            return Lease(store, name, holder, 1)
        if row.until > now and not _is_dead(row.holder):
            raise Held(f"'{name}' is being worked on by {row.holder.rsplit(':', 1)[0]}", cause="lease_held")
        taken = {"holder": holder, "fence": row.fence + 1, "until": now + TERM, "name": name, "was_fence": row.fence}
        bulk.update(conn, lease, [taken], ["name", "was_fence"])
        return Lease(store, name, holder, row.fence + 1)


def _is_dead(holder: str) -> bool:
    host, pid, _ = holder.split(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
