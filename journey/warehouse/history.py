"""The history of an entity: every version that a snapshot met, from when to when it held, and which fields it changed.

Carried over from the former file and brought up to today in two statements. A version that came and went between two
snapshots is not in it. Columns that today's dictionary or rule for personal data does not have are not carried over: a
stricter rule holds for the past, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

OWN = {
    "id": "VARCHAR",
    "version": "INTEGER",
    "valid_from": "TIMESTAMP",
    "valid_to": "TIMESTAMP",
    "ended": "VARCHAR",
    "changed_fields": "VARCHAR[]",
}
"""Columns besides the fields. `ended`: changed, gone or merged; null while it holds."""


def quoted(name: str) -> str:
    """A name as DuckDB takes it whatever it is: `order` and `case` are words of SQL."""
    return '"' + name.replace('"', '""') + '"'


def build(con: duckdb.DuckDBPyConnection, entity: str, types: Mapping[str, str], now: str, former: bool) -> int:
    """Make ENTITY_history beside the table ENTITY and the table `_ended`; how many rows it has."""
    fields = {name: kind for name, kind in types.items() if name not in ("id", "version", "created_at", "updated_at")}
    table, current = quoted(f"{entity}_history"), quoted(entity)
    declared = ", ".join(f"{quoted(name)} {kind}" for name, kind in {**OWN, **fields}.items())
    con.execute(f"CREATE TABLE {table} ({declared})")
    carried = _carried(con, f"{entity}_history", {**OWN, **fields}) if former else []
    if carried:
        old = f"former.main.{table}"
        con.execute(_CLOSED.format(table=table, old=old, current=current, names=_names(carried, "f")), {"now": now})
        con.execute(_OPEN_AFTER.format(table=table, old=old, current=current, **_compared(fields, carried)))
    else:
        con.execute(_OPEN.format(table=table, current=current, names=_names(list(fields), "c")))
    found = con.execute(f"SELECT count(*) FROM {table}").fetchone()  # nosec B608
    return int(found[0]) if found else 0


_CLOSED = """
INSERT INTO {table} BY NAME
SELECT f.id, f.version, f.valid_from, f.changed_fields{names},
  CASE WHEN f.valid_to IS NOT NULL THEN f.valid_to
       WHEN c.id IS NULL THEN greatest(coalesce(e.at, CAST($now AS TIMESTAMP)), f.valid_from)
       ELSE greatest(c.updated_at, f.valid_from) END AS valid_to,
  CASE WHEN f.valid_to IS NOT NULL THEN f.ended
       WHEN c.id IS NULL THEN coalesce(e.how, 'gone')
       ELSE 'changed' END AS ended
FROM {old} f LEFT JOIN {current} c ON c.id = f.id LEFT JOIN _ended e ON e.id = f.id
WHERE f.valid_to IS NOT NULL OR c.id IS NULL OR c.version <> f.version
"""
_OPEN_AFTER = """
INSERT INTO {table} BY NAME
SELECT c.id, c.version,
  CASE WHEN o.version = c.version THEN o.valid_from ELSE c.updated_at END AS valid_from,
  CASE WHEN o.version = c.version THEN o.changed_fields
       WHEN o.id IS NULL THEN NULL
       ELSE list_filter([{differing}], lambda x: x IS NOT NULL) END AS changed_fields{names}
FROM {current} c LEFT JOIN (SELECT * FROM {old} WHERE valid_to IS NULL) o ON o.id = c.id
"""
_OPEN = """
INSERT INTO {table} BY NAME SELECT c.id, c.version, c.updated_at AS valid_from{names} FROM {current} c
"""


def _carried(con: duckdb.DuckDBPyConnection, table: str, wanted: Mapping[str, str]) -> list[str]:
    """The fields that the former history has with the same type; empty where there is no such history."""
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'former' AND table_name = ?"
    there = dict(con.execute(query, [table]).fetchall())
    if not all(there.get(name) == kind for name, kind in OWN.items()):
        return []
    return [name for name, kind in wanted.items() if there.get(name) == kind]


def _names(fields: list[str], of: str) -> str:
    return "".join(f", {of}.{quoted(name)}" for name in fields if name not in OWN)


def _compared(fields: Mapping[str, str], carried: list[str]) -> dict[str, str]:
    both = [name for name in carried if name in fields]
    told = [f"CASE WHEN c.{quoted(name)} IS DISTINCT FROM o.{quoted(name)} THEN '{name}' END" for name in both] or [
        "CAST(NULL AS VARCHAR)"
    ]
    return {"differing": ", ".join(told), "names": _names(list(fields), "c")}
