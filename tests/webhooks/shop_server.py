"""A receiver as a process of its own, to be killed: `python -m tests.webhooks.shop_server DATABASE PORT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn

from connectors import open_connector
from console.receiver import receiver
from console.reception import config
from kernel.store import open_store, sqlite_url
from kernel.vault import Vault
from tests.conftest import KEY
from tests.webhooks.conftest import SECRET, Shop


class OneShop:
    """The connections: `shop`."""

    def __init__(self) -> None:
        self.shop = open_connector(Shop, {"webhook_secret": SECRET}, connection="shop")

    def open(self, name: str) -> Any:
        """The shop."""
        return self.shop

    def system(self, name: str) -> str:
        """Its system."""
        return "shop"


def main() -> None:
    """Serve until killed."""
    store = open_store(sqlite_url(Path(sys.argv[1])), Vault([KEY]))
    uvicorn.Server(config(receiver(store, OneShop()), "127.0.0.1", int(sys.argv[2]))).run()


if __name__ == "__main__":
    main()
