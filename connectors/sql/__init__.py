"""SQL databases through SQLAlchemy: tables and queries to read, tables to write."""

from connectors.sql.connector import Sql
from connectors.sql.settings import SqlSettings, SqlTable

__all__ = ["Sql", "SqlSettings", "SqlTable"]
