"""Cells that a spreadsheet shows and never runs, and rows written back formula-safe."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*")


def safe(value: Any) -> str:
    """A value as a cell: one that would run as a formula gets an apostrophe before it. Numbers and phone numbers do not."""
    text = _text(value)
    return f"'{text}" if _runs(text) else text


def unsafe(cell: str) -> str:
    """What `safe` made a cell of, as text."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def _runs(text: str) -> bool:
    """Also after apostrophes of its own: so each cell means one text."""
    return text.lstrip("'").startswith(_FORMULA) and not _NUMBER.fullmatch(text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def write_rejects(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> int:
    """Write rows as CSV for a spreadsheet: UTF-8 with BOM, cells that would run as formulas quoted by an apostrophe.

    `columns` orders the columns (default: as first met). The file is replaced whole or not at all. Returns the rows.
    """
    kept = [{name: value for name, value in row.items() if name is not None} for row in rows]
    names = list(columns or dict.fromkeys(name for row in kept for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([safe(name) for name in names])
        writer.writerows([safe(row.get(name)) for name in names] for row in kept)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    return len(kept)
