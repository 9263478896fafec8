"""A batch as the CSV of an ingest job: absent, null and empty told apart as in JSON, and nothing lost in a cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from connectors.salesforce.schema import READ_ONLY
from connectors.salesforce.writing import values
from kernel.errors import Broken, Park, Retry
from kernel.records import Json, WriteItem, WriteOutcome

MOST_BYTES = 16 * 1024 * 1024
"""Of one upload. Salesforce takes 100 MB; what is sent, and comes back as results, is held in memory here."""

_NULL = "#N/A"
_SPECIAL = re.compile(r'[",\r\n]')


class Rows:
    """The rows of one job, made of the same batch in the same way each time."""

    def __init__(self, resource: str, key_field: str, batch: Sequence[WriteItem], *, by_id: bool) -> None:
        """`by_id`: addressed by the vendor's id, else by our key. Raises Park where no item can be told by CSV."""
        self.batch, self.by_id = batch, by_id
        self.apart: list[tuple[int, WriteOutcome]] = []
        """What is not among the rows, though it was in the batch, and why."""
        self.places: dict[str, int] = {}
        """Of each row: what addresses it, in small letters (a unique text field ignores case) → place in the batch."""
        fit: list[tuple[int, dict[str, str]]] = []
        for place, item in enumerate(batch):
            cells = None if READ_ONLY.intersection(item.fields) else _cells(values(resource, key_field, item))
            if cells is None:
                self._apart([place], sent=True)
            else:
                fit.append((place, {"Id": str(item.vendor_id), **cells} if by_id else cells))
        if not fit:
            raise Park("none of these records can be told by CSV", cause="refused")
        columns = list(dict.fromkeys(name for _, cells in fit for name in cells))
        self.content = self._lines("Id" if by_id else key_field, columns, fit)

    def _lines(self, address: str, columns: list[str], fit: list[tuple[int, dict[str, str]]]) -> bytes:
        """Header and rows, up to the size of an upload; the rest is for a later job."""
        lines, size = [",".join(columns).encode()], 0
        for n, (place, cells) in enumerate(fit):
            line = ",".join(_quoted(cells.get(name, "")) for name in columns).encode()
            size += len(line) + 1
            if size > MOST_BYTES and n:
                self._apart([later for later, _ in fit[n:]], sent=False)
                break
            lines.append(line)
            known = self.places.setdefault(cells[address].lower(), place)
            if known != place:
                raise Broken("two rows of one job would write the same record", trace_id=self.batch[place].trace_id)
        return b"\n".join([*lines, b""])

    def _apart(self, places: Sequence[int], *, sent: bool) -> None:
        """Not by this job. `sent`: nor by another one, so that the attempt counts and the next goes the other way."""
        why = "this record cannot be told by CSV" if sent else "the job was full"
        for place in places:
            error = Retry(why, cause="unprocessed", sent=sent, trace_id=self.batch[place].trace_id)
            self.apart.append((place, WriteOutcome(error=error)))


def _cells(record: Json) -> dict[str, str] | None:
    """A record's cells; None where a value has no text of its own in CSV."""
    cells = {name: _cell(value) for name, value in record.items()}
    return None if None in cells.values() else {name: str(cell) for name, cell in cells.items()}


def _cell(value: Any) -> str | None:
    """An empty cell would leave the field alone: Salesforce keeps no empty text, so that is null to it in JSON, too."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return _NULL
    return value if isinstance(value, str) and value.strip() != _NULL else None


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell
