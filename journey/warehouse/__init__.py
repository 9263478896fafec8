"""The embedded warehouse: a DuckDB file of golden records and their history, replaced whole each night."""
