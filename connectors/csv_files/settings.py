"""What a connection to files is told: its folder, and each file that is one of its resources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.base import ConnectorSettings, Deletes, Resource, WriteClass, WriteSpec
from kernel.records import Action

BAD_ROW, CELLS, LINE, ID = "_bad_row", "_cells", "_line", "_id"
BATCH = 2000


def _listed(told: Any) -> Any:
    return [told] if isinstance(told, str) else told


class CsvFile(BaseModel):
    """One file. Delimiter and encoding are found out where they are not given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    file: str  # CSV; JSON lines where it ends in .jsonl or .ndjson
    id: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]  # a column, or several together
    updated_at: str | None = None  # a column with ISO dates or times (UTC where they name no offset)
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    nulls: tuple[str, ...] = ()  # cells that mean "nothing", such as NULL
    writable: bool = False  # kept by us: its id is the column that holds our key
    columns: tuple[str, ...] = ()  # of a writable CSV file: these come first, in this order

    @model_validator(mode="after")
    def _sound(self) -> CsvFile:
        if self.writable and len(self.id) > 1:
            raise ValueError("a writable file has one id: the column that holds our key")
        if self.writable and (self.delimiter or self.encoding or self.nulls):
            raise ValueError("a writable file is UTF-8 with commas")
        return self

    @property
    def json_lines(self) -> bool:
        """Whether it is a JSON value per line."""
        return Path(self.file).suffix.lower() in (".jsonl", ".ndjson")

    def resource(self, name: str) -> Resource:
        """What can be done with it."""
        return Resource(
            name,
            id=self.id[0] if len(self.id) == 1 else ID,
            updated_at=self.updated_at,
            incremental=False,
            deletes=Deletes.SWEEP,
            volatile=(LINE,),
            write=WriteSpec(
                WriteClass.UPSERT,
                ext_field=self.id[0],
                batch_size=BATCH,
                actions=frozenset({Action.UPSERT, Action.CLEAR, Action.DELETE}),
                settle=timedelta(seconds=90),
            )
            if self.writable
            else None,
        )


class CsvSettings(ConnectorSettings):
    """A folder and its files by resource name."""

    folder: Path  # nothing outside it is read or written
    files: Mapping[str, CsvFile]  # resource → file, id, writable, …
