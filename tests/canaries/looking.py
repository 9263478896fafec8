"""Looking for planted values: in plain, URL-encoded, hexadecimal, in base64 at any alignment, escaped by JSON or a backslash."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

MARK = "qz7cnry4"
"""How every canary begins; what is found of one is found by it."""


@dataclass
class Canaries:
    """Random values, each different, each counted when it is planted."""

    seed: int
    planted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Its own dice."""
        self._rng = random.Random(self.seed)

    def word(self) -> str:
        """A plain word."""
        made = MARK + "".join(self._rng.choices("abcdefghjkmnpqrstuvwxyz23456789", k=14))
        self.planted.append(made)
        return made

    def text(self) -> str:
        """A text that each encoding writes in its own way."""
        return f'{self.word()} Straße/+&="x"'

    def email(self) -> str:
        """An address."""
        return f"{self.word()}@{'example'}.com"


def forms(value: str) -> dict[str, bytes]:
    """How a value may stand somewhere, by the name of the form."""
    plain = value.encode()
    found = {
        "plain": plain,
        "url": quote(value, safe="").encode(),
        "json": json.dumps(value)[1:-1].encode(),
        "backslash": plain.decode("latin-1").encode("unicode_escape"),
        "hex": plain.hex().encode(),
    }
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        start, end = (0, 2, 3)[shift], len(encoded) - (4 if (len(plain) + shift) % 3 else 0)
        found[f"base64/{shift}"] = encoded[start + (1 if shift else 0) : end]
    return found


def _patterns() -> re.Pattern[bytes]:
    told = forms(MARK)
    ways = {told["plain"], told["hex"], *(told[f"base64/{shift}"] for shift in range(3))}
    ways |= {way.replace(b"+", b"-").replace(b"/", b"_") for way in ways}
    exact = b"|".join(re.escape(way) for way in ways - {told["plain"], told["hex"]})
    return re.compile(b"(?i:" + re.escape(told["plain"]) + b"|" + re.escape(told["hex"]) + b")|" + exact)


FOUND = _patterns()


def hits(content: bytes | str) -> list[str]:
    """What is found, with a little around it."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return [repr(data[max(0, m.start() - 60) : m.end() + 24])[2:-1] for m in FOUND.finditer(data)]


def files(folders: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """(file, what is found) of everything below some folders, read as it lies on the disk."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            content = b""
            with suppress(FileNotFoundError, IsADirectoryError):  # SQLite takes its own files away when it is closed
                content = path.read_bytes()
            for hit in hits(content):
                yield str(path), hit
