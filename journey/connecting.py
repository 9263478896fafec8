"""The open connections of one process, from connections.yaml; each is opened once, when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial

from connectors import connector_for, open_connector
from connectors.base import Connector
from kernel.credentials import StoredTokens
from kernel.errors import BadSetting
from kernel.quota import Limit, Purse
from kernel.quota.stored import StoreTill
from kernel.settings import ConnectionSettings, SecretReader
from kernel.store import Store
from kernel.store.bulk import insert_new
from kernel.store.tables import connection


def shared_budget(store: Store, name: str, limits: Sequence[Limit]) -> Purse:
    """A connection's budget, kept in the store: all workers together stay within its limits."""
    return Purse(StoreTill(store, name, limits), limits, name)


class OpenConnections:
    """Opens what is asked for; `close` ends them all."""

    def __init__(
        self,
        store: Store,
        described: Mapping[str, ConnectionSettings],
        environment: Mapping[str, str],
        secret: SecretReader | None = None,
    ) -> None:
        """`environment` and `secret` are where the named secrets are read, at the moment of opening."""
        self.store, self.described, self.environment, self.secret = store, described, environment, secret
        self._open: dict[str, Connector] = {}
        self._lock = threading.RLock()

    def open(self, name: str) -> Connector:
        """The connector of a connection; threads that ask at once get the same one."""
        found = self._open.get(name)
        if found is not None:
            return found
        with self._lock:
            return self._opened(name)

    def _opened(self, name: str) -> Connector:
        if name not in self._open:
            settings = self._described(name)
            cls = connector_for(settings.system)
            written = settings.resolved(self.environment, self.secret)
            self._open[name] = open_connector(
                cls,
                written,
                connection=name,
                clock=self.store.clock,
                budget=partial(shared_budget, self.store, name),
                tokens=StoredTokens(self.store, name),
            )
            row = {
                "name": name,
                "system": settings.system,
                "created_at": self.store.clock.now(),
                "paused_at": None,
                "paused_by": None,
            }
            with self.store.write() as conn:
                insert_new(conn, connection, [row])
        return self._open[name]

    def system(self, name: str) -> str:
        """The system of a connection, without opening it."""
        return self._described(name).system

    def close(self) -> None:
        """Close what was opened."""
        for connector in self._open.values():
            connector.close()
        self._open.clear()

    def _described(self, name: str) -> ConnectionSettings:
        if name not in self.described:
            raise BadSetting(
                f"no connection '{name}' in connections.yaml; there are: {', '.join(sorted(self.described))}"
            )
        return self.described[name]
