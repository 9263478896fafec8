"""The tables of how streams are read: how far, and what a complete read has shown."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from kernel.store.columns import at_column as _at
from kernel.store.columns import id_column as _id
from kernel.store.columns import metadata, packed_column
from kernel.store.columns import name_column as _name

checkpoint = Table(
    "checkpoint",
    metadata,
    _name("connection", primary_key=True),
    _name("resource", primary_key=True),
    _name("backfill", primary_key=True),  # '' = the stream's own
    Column("cursor", Text, nullable=False),
    _id("run_id", nullable=False),
    _at("updated_at", False),
    Column("complete_count", Integer),  # records of the last complete read, to notice a shrunken one
    Column("seen", Integer),  # batches in `sighting`, where every one of the complete read under way is there
    Column("shape", Text),  # how its records look, to notice drift: {path: [kinds, records that all had it]}
)

sighting = Table(
    "sighting",
    metadata,
    _name("connection", primary_key=True),
    _name("resource", primary_key=True),
    _name("read", primary_key=True),  # a complete read, by its backfill; or the approval that asks what one missed
    Column("n", Integer, primary_key=True),
    _at("began", False),  # when that read began
    packed_column("ids"),  # object ids, packed: eight bytes of each one seen, all of each missed
)
