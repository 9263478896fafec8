"""The only place that prints. Answers go to standard output, as tables or as one JSON document; all else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson
from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

_WIDE = 200
"""Columns where no terminal says how many there are: ids stay whole, and lines can be searched."""

_COLOURS = {
    "completed": "green",
    "applied": "green",
    "ok": "green",
    "went_through": "green",
    "landed": "green",
    "with_dead_letters": "yellow",
    "partial": "yellow",
    "waiting": "yellow",
    "pending": "yellow",
    "parked": "red",
    "dead": "red",
    "failed": "red",
    "failed_again": "red",
    "fails": "red",
    "conflict": "red",
}


class Screen:
    """What one verb prints to. With `json` only `answer` writes to standard output, once."""

    def __init__(self, json: bool = False) -> None:
        """Made by `verb`."""
        self.json = json
        self._out, self._err = _console(sys.stdout), _console(sys.stderr)

    def answer(self, value: Any) -> None:
        """The JSON document, where one was asked for."""
        if self.json:
            shape = 0 if not sys.stdout.isatty() else orjson.OPT_INDENT_2
            text = orjson.dumps(value, default=_plain, option=shape | orjson.OPT_NON_STR_KEYS)
            sys.stdout.write(text.decode() + "\n")
            sys.stdout.flush()

    def line(self, value: Any) -> None:
        """The JSON document on one line, where one was asked for: for those who read the last line."""
        if self.json:
            sys.stdout.write(orjson.dumps(value, default=_plain).decode() + "\n")
            sys.stdout.flush()

    def say(self, text: str = "", style: str = "") -> None:
        """A line for a person; nothing where JSON was asked for."""
        if not self.json:
            self._out.print(Text(text, style=style), soft_wrap=True)

    def show(self, *parts: Table | Tree | Text | Padding) -> None:
        """Tables and trees for a person; nothing where JSON was asked for."""
        if not self.json:
            self._out.print(Group(*parts))

    def note(self, text: str, style: str = "dim") -> None:
        """What happens meanwhile, on standard error."""
        self._err.print(Text(text, style=style), soft_wrap=True)

    def warn(self, text: str) -> None:
        """A warning, on standard error."""
        self.note(f"warning: {text}", "yellow")

    def fail(self, text: str) -> None:
        """An error, on standard error."""
        self.note(f"error: {text}", "bold red")

    def confirm(self, question: str) -> bool:
        """Ask at the terminal; without one the answer is no."""
        if not sys.stdin.isatty():
            return False
        self._err.print(Text(f"{question} [y/N] "), end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A live display on standard error; silent where nobody watches."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[told]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._err, transient=True, disable=not self._err.is_terminal) as live:
            yield live


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> Table:
    """A table of plain values; numbers stand to the right, known states have their colour."""
    listed = [list(row) for row in rows]
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    for n, name in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[n], int | float) or row[n] in (None, "") for row in listed)
        made.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        made.add_row(*(cell(value) for value in row))
    return made


def cell(value: Any) -> Text:
    """One value for a person. Text is never read as markup."""
    text = "" if value is None else "yes" if value is True else "" if value is False else str(value)
    return Text(text, style=_COLOURS.get(text.lower(), ""))


def short(value: Any, most: int = 60) -> str:
    """A value on one short line."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=_plain).decode()
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _console(stream: Any) -> Console:
    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else _WIDE, highlight=False, markup=False, emoji=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    return str(value)
