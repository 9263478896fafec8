"""The house as it is meant to be: which room may see which, and which library lives where."""

from __future__ import annotations

ROOMS: dict[str, frozenset[str]] = {
    "kernel": frozenset(),
    "dictionary": frozenset({"kernel"}),
    "connectors": frozenset({"kernel"}),
    "mappings": frozenset({"kernel", "dictionary"}),
    "dedup": frozenset({"kernel", "dictionary"}),
    "dead_letter": frozenset({"kernel"}),
    "journey": frozenset({"kernel", "dictionary", "connectors", "mappings", "dedup", "dead_letter"}),
    "flows": frozenset({"kernel", "dictionary", "connectors", "mappings", "dedup", "dead_letter", "journey"}),
    "console": frozenset(
        {"kernel", "dictionary", "connectors", "mappings", "dedup", "dead_letter", "journey", "flows", "sandbox"}
    ),
    "sandbox": frozenset(),
}
"""Room -> the rooms it may import. Neighbours on one floor are not among them."""

WINGS: dict[str, frozenset[str]] = {
    "journey/inbound": frozenset({"journey/outbound", "journey/interventions", "journey/stories"}),
    "journey/outbound": frozenset({"journey/inbound", "journey/interventions", "journey/stories"}),
    "journey/stories": frozenset({"journey/inbound", "journey/outbound", "journey/interventions"}),
    "journey/interventions": frozenset({"journey/stories"}),
    "journey/warehouse": frozenset({"journey/inbound", "journey/outbound", "journey/interventions", "journey/stories"}),
}
"""Wing of a room -> the wings it may not see: the halves meet in the database, and telling changes nothing."""

LIBRARIES: dict[str, frozenset[str]] = {
    "prefect": frozenset({"flows"}),
    "httpx": frozenset({"connectors", "sandbox"}),  # the sandbox sends webhooks with its own HTTP library
    "requests": frozenset({"connectors"}),
    "urllib3": frozenset({"connectors"}),
    "aiohttp": frozenset(),
    "tenacity": frozenset({"connectors"}),
    "simple_salesforce": frozenset({"connectors"}),
    "hubspot": frozenset({"connectors"}),
    "stripe": frozenset({"connectors"}),
    "yaml": frozenset({"kernel"}),
    "sqlalchemy": frozenset(
        # The pure rooms have no tables. A connector sees no table of ours: `connectors/sql` reads and writes other databases.
        {"kernel", "dead_letter", "journey", "flows", "console", "connectors"}
    ),
    "duckdb": frozenset({"journey"}),  # the warehouse; it is read through SQLAlchemy like any database
    "alembic": frozenset({"kernel"}),
    "typer": frozenset({"console"}),
    "rich": frozenset({"console"}),
    "fastapi": frozenset({"console", "sandbox"}),
    "starlette": frozenset({"console", "sandbox"}),
    "uvicorn": frozenset({"console", "sandbox"}),
    "flask": frozenset(),
    "django": frozenset(),
    "pickle": frozenset(),
}
"""Library -> the rooms that may import it; one that is not named may be used anywhere."""

YAML_READER = "kernel/documents.py"
MIGRATIONS = "/migrations/versions/"

LATE_IMPORTS: dict[tuple[str, str], str] = {
    ("console", "flows"): "Prefect costs seconds; verbs that run no flow never pay them",
    ("flows", "flows"): "a server starts, and the variables are set, before Prefect is imported",
    ("console", "sandbox"): "only `sandbox` and `demo` need the simulators",
    ("console", "uvicorn"): "only the verbs that serve need a server",
}
"""(room, imported room or library) -> why it is imported inside a function there. Nothing else is."""

SQL_WRITERS: dict[str, str] = {
    "kernel/store/bulk.py": "names are those of our own tables",
    "connectors/sql/connector.py": "names are quoted by the dialect: a table's columns and indexes cannot be bound",
    "journey/warehouse/history.py": "names are of our own tables",
    "journey/warehouse/snapshot.py": "names are quoted: a table of the warehouse cannot be bound",
}
"""Module -> why it puts SQL together as text; values are bound there too."""

UNQUOTED: dict[str, str] = {
    "connectors/salesforce/reading.py": "instants that were parsed as such; format_soql would cut their milliseconds",
}
"""Module -> why it gives format_soql a value that is not quoted."""

NO_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "shared", "tools", "stuff"})
"""Names that say nothing about what is inside."""

MODULE_LINES = 400
CONNECTOR_LINES = 250  # with docstrings, its modules together
CONNECTOR_CEILINGS: dict[str, int] = {
    "csv_files": 700,
    "hubspot": 1060,
    "pipedrive": 270,
    "quickbooks": 520,
    "salesforce": 1300,
    "shopify": 1450,
    "sql": 1200,
    "stripe": 750,
    "woocommerce": 310,
    "zendesk": 980,
}
"""Connector that is larger -> its ceiling: what it takes today, with some room for the large ones. No new name, no larger number."""
CONNECTOR_ROOM = 400  # so far below its ceiling a connector has shrunk: then the ceiling falls, too
FUNCTION_LINES = 60
LONG_FUNCTION = 40  # told, not refused
README_LINES = 6
