"""The database: tables, short transactions, set-based statements, sealed columns, migrations."""

from kernel.store.engine import Raced, Store, again_on_race, open_store, sqlite_url

__all__ = ["Raced", "Store", "again_on_race", "open_store", "sqlite_url"]
