"""What a SQL connection is told: its address, and each table or query that is one of its resources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.base import ConnectorSettings, Deletes, Resource, WriteClass, WriteSpec
from kernel.records import Action

ID = "_id"
"""Where a record of several id columns has its one id."""
BATCH = 500
_ACTIONS = {Action.UPSERT, Action.CLEAR, Action.DELETE}
_LINKS = {Action.ASSOCIATE, Action.DISSOCIATE}


def _listed(told: Any) -> Any:
    return [told] if isinstance(told, str) else told


class SqlTable(BaseModel):
    """One resource. Its columns keep the names that the database gives them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    table: str = ""  # a table or view; schema.table where it is in no default schema
    query: str = ""  # or a SELECT, without ORDER BY and semicolon; read only
    id: Annotated[
        tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)
    ]  # a unique column, or several together
    updated_at: str = (
        ""  # a column with the time of the last change: reads go on from there; none: read whole each time
    )
    rising: str = ""  # instead: a number that each change raises (a row version)
    zone: str = "UTC"  # of times that name no offset
    lookback: float = Field(300.0, ge=0)  # seconds (of `rising`: numbers) read again: longer than any transaction there
    deleted: str = ""  # a column that is true, or not null, in a row that is gone
    writable: bool = False
    key: str = "throughline_key"  # the column that holds our key; made on request, with a unique index
    references: Mapping[str, str] = {}  # column → resource whose id it holds
    read_only: tuple[str, ...] = ()  # columns that are never written

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("not a time zone's IANA name") from None
        return zone

    @model_validator(mode="after")
    def _sound(self) -> SqlTable:
        if bool(self.table) == bool(self.query):
            raise ValueError("give either `table` or `query`")
        if self.updated_at and self.rising:
            raise ValueError("give either `updated_at` or `rising`")
        if self.writable and (self.query or len(self.id) > 1):
            raise ValueError("only a table with one id column is written")
        return self

    @property
    def cursor(self) -> str:
        """The column that reads go on from; empty where there is none."""
        return self.updated_at or self.rising

    def resource(self, name: str) -> Resource:
        """What can be done with it."""
        return Resource(
            name,
            id=self.id[0] if len(self.id) == 1 else ID,
            updated_at=self.updated_at or None,
            incremental=bool(self.cursor),
            lookback=timedelta(seconds=self.lookback) if self.updated_at else timedelta(0),
            deletes=Deletes.IN_STREAM if self.deleted else Deletes.SWEEP,
            volatile=tuple(name for name in (self.cursor, self.key) if name),
            write=self._write() if self.writable else None,
            backfill=bool(self.updated_at),
        )

    def _write(self) -> WriteSpec:
        return WriteSpec(
            WriteClass.UPSERT,
            ext_field=self.key,
            batch_size=BATCH,
            actions=frozenset(
                _ACTIONS | (_LINKS if self.references else set()) | ({Action.ARCHIVE} if self.deleted else set())
            ),
            references=self.references,
            read_only=frozenset(self.read_only),
            settle=timedelta(seconds=90),
        )


class SqlSettings(ConnectorSettings):
    """A database by its SQLAlchemy URL, and its tables and queries by resource name."""

    url: SecretStr  # postgresql://…, sqlite:////path, duckdb:////path (read only); with a password: {env: NAME}
    tables: Mapping[str, SqlTable]  # resource → table or query, id, updated_at, key, …
    timeout: float = Field(10.0, gt=0)  # seconds to wait for a connection
