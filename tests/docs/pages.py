"""The fenced blocks of a page, as a reader meets them: what is run, what is expected, what is only shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int  # of its fence
    language: str
    said: str  # what follows the language: "not-run: why"
    text: str

    @property
    def runs(self) -> bool:
        """It is a shell block that a test runs."""
        return self.language == "sh" and not self.said

    @property
    def place(self) -> str:
        """Page and line, for a message."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        language, _, said = found["info"].strip().partition(" ")
        indent = len(found["indent"])
        lines = [line[indent:] if line[:indent].isspace() else line for line in found["text"].splitlines(keepends=True)]
        yield Block(page, text.count("\n", 0, found.start()) + 1, language, said.strip(), "".join(lines))


def pages(*folders: str) -> list[Path]:
    """The pages of some folders of docs, in the order of their names."""
    return [page for folder in folders for page in sorted((DOCS / folder).glob("*.md")) if page.name != "README.md"]


def expected(page: Path) -> dict[int, Block]:
    """By the line of a run block: the ```text block that directly follows it, which its output is held against."""
    listed = blocks(page)
    return {
        before.line: after
        for before, after in zip(listed, listed[1:], strict=False)
        if before.runs and after.language == "text"
    }


def missing(wanted: str, told: str) -> list[str]:
    """The lines of an expected text that an output does not have, in order. White space is one blank; `…` is anything."""
    lines = [_squeezed(line) for line in told.splitlines()]
    absent, at = [], 0
    for line in filter(None, map(_squeezed, wanted.splitlines())):
        if line == "…":
            continue
        pattern = re.compile(".*?".join(re.escape(part.strip()) for part in line.split("…")))
        found = next((n for n in range(at, len(lines)) if pattern.search(lines[n])), None)
        if found is None:
            absent.append(line)
        else:
            at = found + 1
    return absent


def _squeezed(line: str) -> str:
    return " ".join(line.split())
