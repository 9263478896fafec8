"""Modules with one thing replaced in their source as they are imported; the files stay as they are."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Edits = Sequence[tuple[str, str]]


def mutated(file: str, edits: Edits) -> str:
    """The source with each of the words replaced; every one must stand there exactly once."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise LookupError(f"{file} holds {text.count(old)} times: {old.strip().splitlines()[0]}")
        text = text.replace(old, new)
    return text


class _Loader(SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> CodeType:
        """Compiled anew: no cached bytecode is read or written."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.sources:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(fullname, spec.origin)
        loader.source = self.sources[fullname]
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=loader, submodule_search_locations=spec.submodule_search_locations
        )


def install(file: str, edits: Edits) -> None:
    """From here on, importing the file's module gives the mutant, and so does reading the file: some tests read sources."""
    source, plain = mutated(file, edits), Path.read_text

    def read_text(self: Path, *args: Any, **options: Any) -> str:
        return (
            source if self.name == Path(file).name and self.resolve() == ROOT / file else plain(self, *args, **options)
        )

    Path.read_text = read_text  # type: ignore[method-assign]
    name = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    sys.meta_path.insert(0, _Finder({name: source}))
