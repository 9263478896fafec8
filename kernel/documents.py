"""The only YAML reader: a small, strict subset of YAML in which every value remembers its line.

Stewards' files are data: no anchors, aliases, merge keys, tags, second documents or repeated keys, no tabs, at most
256 KiB and 32 levels. Keys are always text. Plain scalars follow YAML 1.2's core (true, false, null, decimal numbers),
so `NO`, `on`, `007` and `2026-01-01` stay the text they look like. The file is read as a flat series of events, so no
input can exhaust the stack or grow in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from kernel.errors import BadDocument
from kernel.fitting import Fault, faults
from kernel.ids import content_hash

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32

Where = tuple[str | int, ...]
"""The way to a value: keys and list positions from the root."""

M = TypeVar("M", bound=BaseModel)


class BadDocuments(BadDocument):
    """Several things are wrong in stewards' files; each is in `errors`, one line each in the message."""

    def __init__(self, errors: Iterable[BadDocument]) -> None:
        """`errors`: at least two."""
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__("\n".join(error.message for error in self.errors))
        self.file, self.line, self.field = first.file, first.line, first.field


@dataclass(frozen=True)
class Document:
    """A steward's file as plain values, with the line (from 1) of each key and list item."""

    file: str
    value: Any
    text: str = field(repr=False)
    lines: Mapping[Where, int] = field(repr=False)

    @cached_property
    def revision(self) -> str:
        """Hash of the content; comments and layout do not count."""
        return content_hash(self.value)

    def line(self, where: Where) -> int:
        """The line of a value, or of the nearest thing around it that is in the file."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def get(self, where: Where) -> Any:
        """The value at a place; None when nothing is there."""
        found = self.value
        for step in where:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def error(self, where: Where, message: str, *, value: str = "", allowed: Iterable[str] = ()) -> BadDocument:
        """A BadDocument that points at a place; `value` is the wrong name as written, `allowed` the right ones."""
        dotted = ".".join(str(step) for step in where)
        return BadDocument(message, file=self.file, line=self.line(where), field=dotted, value=value, allowed=allowed)

    def fit(self, model: type[M], where: Where = ()) -> M:
        """The value at a place as a pydantic model; every fault is told with its line, all at once."""
        try:
            return model.model_validate(self.get(where))
        except ValidationError as error:
            found = faults(error, model, self.get(where))
            raise gather(self._told(fault, where) for fault in found) from None

    def _told(self, fault: Fault, where: Where) -> BadDocument:
        return self.error(where + fault.where, fault.message, value=fault.value, allowed=fault.allowed)


def gather(errors: Iterable[BadDocument]) -> BadDocument:
    """One error for many: the only one itself, or all of them together in the order of the files' lines."""
    flat: list[BadDocument] = []
    for error in errors:
        flat.extend(error.errors if isinstance(error, BadDocuments) else (error,))
    flat.sort(key=lambda error: (error.file, error.line or 0))
    return flat[0] if len(flat) == 1 else BadDocuments(flat)


def read(path: Path | str) -> Document:
    """A file as a Document. Raises BadDocument."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDocument(f"cannot be read: {error.strerror}", file=str(file)) from None
    return parse(content, file=str(file))


def read_folder(folder: Path | str) -> list[Document]:
    """Every *.yaml below a folder, by path. A *.yml is refused rather than silently left out."""
    root = Path(folder)
    if not root.is_dir():
        raise BadDocument("is not a folder", file=str(root))
    for path in sorted(root.rglob("*.yml")):
        raise BadDocument("ends in .yml and would be left out; name it .yaml", file=str(path))
    documents, errors = [], []
    for path in sorted(root.rglob("*.yaml")):
        try:
            documents.append(read(path))
        except BadDocument as error:
            errors.append(error)
    if errors:
        raise gather(errors)
    return documents


def parse(content: bytes | str, *, file: str = "") -> Document:
    """YAML text as a Document; `file` is what errors name. Raises BadDocument."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise BadDocument(f"is larger than {MAX_BYTES // 1024} KiB", file=file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument("is not UTF-8", file=file, line=raw.count(b"\n", 0, error.start) + 1) from None
    if (tab := text.find("\t")) >= 0:
        raise BadDocument("holds a tab; use spaces", file=file, line=text.count("\n", 0, tab) + 1)
    value, lines = _Builder(file).build(text)
    return Document(file, value, text, lines)


def dump(value: Any) -> str:
    """Plain values as YAML text, keys in the order given."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110))


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass
class _Frame:
    """An open mapping or list. In a mapping, `key` waits for its value."""

    container: dict[str, Any] | list[Any]
    where: Where
    key: str | None = None


class _Builder:
    """Turns YAML events into plain values without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Where, int] = {}
        self.stack: list[_Frame] = []
        self.root: Any = None
        self.documents = 0

    def build(self, text: str) -> tuple[Any, dict[Where, int]]:
        for event in self._events(text):
            self._step(event)
        return self.root, self.lines

    def _events(self, text: str) -> Iterator[Any]:
        try:
            yield from yaml.parse(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._bad(f"is not YAML: {error.problem or error.context}", mark.line if mark else None) from None
        except yaml.YAMLError as error:
            reason = getattr(error, "reason", None) or "a character that may not stand there"
            raise self._bad(f"is not YAML: {reason}", None) from None

    def _step(self, event: Any) -> None:
        line = event.start_mark.line
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._bad("holds a second document; one per file", line)
        elif isinstance(event, yaml.AliasEvent):
            raise self._bad("aliases (*) are not allowed; write the value out", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)

    def _node(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise self._bad("anchors (&) are not allowed; write the value out", line)
        if event.tag is not None:
            raise self._bad("tags (!) are not allowed", line)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._open_key(frame, event, line)
            return
        where = self._place(frame, line)
        if isinstance(event, yaml.ScalarEvent):
            self._put(frame, self._scalar(event, line))
            return
        if len(self.stack) >= MAX_DEPTH:
            raise self._bad(f"is nested deeper than {MAX_DEPTH} levels", line)
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(frame, container)
        self.stack.append(_Frame(container, where))

    def _open_key(self, frame: _Frame, event: Any, line: int) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._bad("a key must be plain text", line)
        key = str(event.value)
        if key == "<<" and event.implicit[0]:
            raise self._bad("merge keys (<<) are not allowed; write the values out", line)
        where = (*frame.where, key)
        if key in frame.container:
            raise self._bad(f"'{key}' stands here twice, first on line {self.lines[where]}", line)
        self.lines[where] = line + 1
        frame.key = key

    def _place(self, frame: _Frame | None, line: int) -> Where:
        if frame is None:
            self.lines[()] = line + 1
            return ()
        if isinstance(frame.container, dict):
            return (*frame.where, frame.key or "")
        where = (*frame.where, len(frame.container))
        self.lines[where] = line + 1
        return where

    def _put(self, frame: _Frame | None, value: Any) -> None:
        if frame is None:
            self.root = value
        elif isinstance(frame.container, list):
            frame.container.append(value)
        else:
            frame.container[frame.key or ""] = value
            frame.key = None

    def _scalar(self, event: Any, line: int) -> Any:
        text = str(event.value)
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if text in _WORDS:
            return _WORDS[text]
        if (number := _NUMBER.fullmatch(text)) is None:
            return text
        if len(text) > 18:
            raise self._bad("a number this long loses digits; put it in quotes", line)
        return float(text) if number[1] or "e" in text.lower() else int(text)

    def _bad(self, message: str, line: int | None) -> BadDocument:
        return BadDocument(message, file=self.file, line=None if line is None else line + 1)
