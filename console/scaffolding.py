"""`connector new`: the files a connector is made of, written from templates, never over something that is there."""

from __future__ import annotations

import keyword
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from connectors import find_connectors
from console.exits import Usage
from kernel.settings import CHECKOUT

TEMPLATES = Path(__file__).parent / "templates"
FILES: dict[str, str] = {
    "connector.py.tmpl": "connectors/{name}.py",
    "mapping.yaml.tmpl": "mappings/{name}/records.yaml",
    "simulator.py.tmpl": "sandbox/{name}.py",
    "test.py.tmpl": "tests/connectors/test_{name}.py",
    "practice.py.tmpl": "sandbox/{name}_practice.py",
    "conformance.py.tmpl": "tests/conformance/test_{name}.py",
}
"""Template -> where its file goes, below the checkout."""

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The files of a new connector, not written yet."""

    name: str
    files: dict[str, str]  # path below the checkout -> text

    def write(self, root: Path) -> list[Path]:
        """Write them all; refused, with nothing written, where one is there already."""
        paths = [root / path for path in self.files]
        there = [str(path) for path in paths if path.exists()]
        if there:
            raise Usage(f"already there: {', '.join(there)}; choose another name or remove them")
        for path, text in zip(paths, self.files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return paths


def scaffold(name: str) -> Scaffold:
    """The files for a system's name, such as `pipedrive` or `google_ads`."""
    parts = {
        module.name for room in ("connectors", "sandbox") for module in pkgutil.iter_modules([str(CHECKOUT / room)])
    }
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in parts - set(find_connectors()):
        raise Usage(f"'{name}' cannot name a system; take lower-case letters, digits and _, such as google_ads")
    if name in find_connectors():
        raise Usage(f"there is a connector for '{name}' already: throughline connector list")
    words = name.split("_")
    facts = {
        "name": name,
        "NAME": name.upper(),
        "Title": " ".join(word.capitalize() for word in words),
        "Class": "".join(word.capitalize() for word in words),
    }
    made = {
        target.format(name=name): Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(facts)
        for template, target in FILES.items()
    }
    return Scaffold(name, made)
