"""Alembic's entry: runs on the connection that `migrate.upgrade` hands over."""

from alembic import context

from kernel.store import tables
from kernel.store.columns import metadata

assert tables.run.metadata is metadata  # importing the tables is what declares them
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
